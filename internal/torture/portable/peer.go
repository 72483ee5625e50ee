package portable

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/journal"
)

// Peer is the program that runs on another machine. Its commands are
//
//	write DIR SEED   make the records of the plan, and the sidecars
//	read DIR         print all that there is to read
//	append DIR N     append N records and print where they are
//
// It returns the exit code.
func Peer(args []string, out, errs io.Writer) int {
	err := errors.New("want write DIR SEED, read DIR or append DIR N")
	switch {
	case len(args) == 3 && args[0] == "write":
		err = withNumber(args[2], func(n uint64) error { return write(args[1], n) })
	case len(args) == 2 && args[0] == "read":
		err = read(args[1], out)
	case len(args) == 3 && args[0] == "append":
		err = withNumber(args[2], func(n uint64) error { return appendTo(args[1], int(n), out) })
	}
	if err != nil {
		fmt.Fprintln(errs, err)
		return 1
	}
	return 0
}

func withNumber(s string, f func(uint64) error) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return err
	}
	return f(n)
}

// Of the journals that are written.
const (
	segmentSize = 12 << 10
	maxRecord   = 4 << 10
	planned     = 70 // records
	planTime    = int64(1_700_000_000_123_456_789)
)

// middle lies in the middle of a plan.
var middle = time.Unix(0, planTime+20*1_000_003)

// planUUID is what all journals of one plan have in journal.id: without it their
// markers would differ, and with them every byte.
func planUUID(seed uint64) (uuid [16]byte) {
	copy(uuid[:], fmt.Sprintf("portable%08x", uint32(seed)))
	return uuid
}

// prepare makes dir a journal that has an identity and no segment yet.
func prepare(dir string, seed uint64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	line := fmt.Sprintf("manypen journal 1 %x", planUUID(seed))
	return os.WriteFile(filepath.Join(dir, "journal.id"), fmt.Appendf(nil, "%s %016x\n", line, xxhash.Sum64String(line)), 0o644)
}

// plan is the records that are written: of several writers, with and without keys,
// deletions, batches, gaps, and values that hold a marker (what, put into it by write).
// All of them together are less than what it takes until a handle writes a mark, which
// would have the random identity of the handle. It depends on seed only.
func plan(seed uint64, what []byte) (recs []journal.Record) {
	rnd := rand.New(rand.NewPCG(seed, 15))
	next := map[uint64]uint64{}
	for i := 0; len(recs) < planned; i++ {
		writer := uint64(1)<<63 + uint64(rnd.IntN(3))
		n := 1
		if rnd.IntN(5) == 0 {
			n += rnd.IntN(4)
		}
		if rnd.IntN(8) == 0 {
			next[writer] += uint64(1 + rnd.IntN(1000)) // a gap
		}
		for k := range n {
			next[writer]++
			r := journal.Record{
				Time: time.Unix(0, planTime+int64(i)*1_000_003), Writer: writer, Seq: next[writer], Kind: journal.KindData,
				Key: fmt.Appendf(nil, "key %d", rnd.IntN(20)), Value: bytesOf(rnd, what),
			}
			switch rnd.IntN(6) {
			case 0:
				r.Kind, r.Value = journal.KindDelete, []byte{}
			case 1:
				r.Key = []byte{}
			}
			if n > 1 { // entries of one batch share a position
				r.Position = journal.Position{Segment: 1, Offset: int64(i + 1), Index: k}
				r.Next = journal.Position{Segment: 1, Offset: int64(i + 1), Index: k + 1}
				if k == n-1 {
					r.Next = journal.Position{Segment: 1, Offset: int64(i + 2)}
				}
			}
			recs = append(recs, r)
		}
	}
	return recs
}

func bytesOf(rnd *rand.Rand, what []byte) []byte {
	b := make([]byte, rnd.IntN(900))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	if rnd.IntN(4) == 0 {
		b = slices.Concat(b[:len(b)/2], what, b[len(b)/2:])
	}
	return b
}

// markerOf reads the marker of the first segment out of its header: values that hold it
// have to be masked.
func markerOf(dir string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(dir, "seg.000000001"))
	if err != nil {
		return nil, err
	}
	return b[80:88], nil
}

func open(dir string) (*journal.Journal, error) {
	return journal.Open(dir, journal.Options{SegmentSize: segmentSize, MaxRecord: maxRecord, Sync: journal.SyncNone})
}

func write(dir string, seed uint64) error {
	if err := prepare(dir, seed); err != nil {
		return err
	}
	j, err := open(dir)
	if err != nil {
		return err
	}
	return errors.Join(fill(j, dir, seed), j.Close())
}

func fill(j *journal.Journal, dir string, seed uint64) error {
	marker, err := markerOf(dir)
	if err != nil {
		return err
	}
	to, err := j.Restore(journal.RestoreOptions{})
	if err != nil {
		return err
	}
	for _, r := range plan(seed, marker) {
		if err := to.Append(r); err != nil {
			return err
		}
	}
	if err := to.Flush(); err != nil {
		return err
	}
	// The first look-up of a handle that may write leaves the sidecars.
	if _, err := j.Get([]byte("nobody's key")); !errors.Is(err, journal.ErrNotFound) {
		return fmt.Errorf("a key that nobody has: %w", err)
	}
	return nil
}

func appendTo(dir string, n int, out io.Writer) error {
	j, err := open(dir)
	if err != nil {
		return err
	}
	for i := range n {
		ack, err := j.AppendAck([]byte("appended"), fmt.Appendf(nil, "value %d", i))
		if err != nil {
			return errors.Join(err, j.Close())
		}
		fmt.Fprintf(out, "%v %d %d\n", ack.Position, j.WriterID(), ack.Seq)
	}
	return errors.Join(j.Sync(), j.Close())
}
