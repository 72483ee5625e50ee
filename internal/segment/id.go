package segment

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/host"
)

// journal.id holds one line of text, so that whoever looks at the directory
// sees what it is:
//
//	manypen journal VERSION UUID CHECKSUM
//
// CHECKSUM is xxhash64 of everything in front of the space before it.
const (
	idLead    = "manypen journal "
	maxIDSize = 256
)

var errBadID = errors.New("journal.id is damaged")

func encodeID(uuid [16]byte) string {
	line := fmt.Sprintf("%s%d %x", idLead, Version, uuid)
	return fmt.Sprintf("%s %016x\n", line, xxhash.Sum64String(line))
}

func parseID(s string) (uuid [16]byte, err error) {
	line, sum, ok := cutLast(strings.TrimSuffix(s, "\n"))
	if !ok || fmt.Sprintf("%016x", xxhash.Sum64String(line)) != sum {
		return uuid, errBadID
	}
	fields := strings.Fields(line)
	if len(fields) < 3 || !strings.HasPrefix(line, idLead) {
		return uuid, errBadID
	}
	v, err := strconv.ParseUint(fields[2], 10, 32)
	switch {
	case err != nil:
		return uuid, errBadID
	case v != Version:
		return uuid, fmt.Errorf("%w: found %d, this program knows %d", ErrVersion, v, Version)
	case len(fields) != 4 || len(fields[3]) != 2*len(uuid):
		return uuid, errBadID
	}
	if _, err := hex.Decode(uuid[:], []byte(fields[3])); err != nil {
		return uuid, errBadID
	}
	return uuid, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ' ')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func (d *Dir) readID() ([16]byte, error) {
	f, err := host.OpenIn(d.F, idName, os.O_RDONLY)
	if err != nil {
		return [16]byte{}, err
	}
	defer f.Close() // only read from
	b, err := io.ReadAll(io.LimitReader(f, maxIDSize))
	if err != nil {
		return [16]byte{}, err
	}
	return parseID(string(b))
}

// OpenID opens journal.id, which is also what writers lock: together, or alone if
// they must be.
func (d *Dir) OpenID(flag int) (*os.File, error) { return host.OpenIn(d.F, idName, flag) }

// WriteID writes journal.id: for a new journal with a new random UUID, else
// again because it was lost. Whoever links it first decides; the others take
// over his. The caller has the directory locked.
func (d *Dir) WriteID(fresh bool, perm os.FileMode, exact bool) error {
	uuid := d.UUID
	if fresh {
		rand.Read(uuid[:])                                      // never fails (crypto/rand)
		uuid[6], uuid[8] = uuid[6]&0x0F|0x40, uuid[8]&0x3F|0x80 // RFC 9562, version 4
	}
	write := func(f *os.File) error {
		_, err := f.WriteString(encodeID(uuid))
		return err
	}
	put := host.Replace
	if fresh {
		put = host.Publish
	}
	err := put(d.F, idName, perm, exact, write)
	if fresh && errors.Is(err, fs.ErrExist) {
		// Another maker's, or junk with no segment beside it that could say more.
		if _, err = d.readID(); errors.Is(err, errBadID) {
			err = host.Replace(d.F, idName, perm, exact, write)
		}
	}
	if err == nil {
		err = host.SyncDir(d.F)
	}
	if err == nil {
		d.UUID, err = d.readID()
	}
	d.IDDamaged = err != nil
	if err != nil {
		return &Error{Op: "create", Path: d.Path, Err: err}
	}
	return nil
}
