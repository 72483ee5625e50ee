package doctor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
	"github.com/manypen/manypen/vio"
)

// The records of this experiment are not the journal's: a mistake in the codec must
// not hide one of the file system, nor the other way round. Each has a head, a key,
// a value and an end, which go to the file as four pieces of one writev:
//
//	0       8        12     16     20      24    40
//	+-------+--------+------+------+-------+-----+-------+--------+
//	| mark  | writer | seq  | size | sum   | key | value | sum of |
//	|       |        |      |      | of it |     |       | all, 8 |
//	+-------+--------+------+------+-------+-----+-------+--------+
const (
	rawMark = "\xfe4pieces"
	rawHead = 24
	rawKey  = 16
	rawEnd  = 8
	rawSize = rawHead + rawKey + rawEnd
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// rawRecord is a record as it was found.
type rawRecord struct {
	writer, seq int
	to          int64 // its end in the file
}

// rawPieces lays out a record.
func rawPieces(writer, seq int, value []byte) [][]byte {
	head := append(make([]byte, 0, rawHead), rawMark...)
	head = binary.LittleEndian.AppendUint32(head, uint32(writer))
	head = binary.LittleEndian.AppendUint32(head, uint32(seq))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(value)))
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	key := fmt.Appendf(nil, "%0*d", rawKey, seq)
	sum := crc32.Checksum(head, castagnoli)
	sum = crc32.Update(sum, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, value)
	return [][]byte{head, key, value, binary.LittleEndian.AppendUint64(nil, uint64(sum))}
}

// rawParse finds the records of a file, and how many bytes are in none.
func rawParse(b []byte) (records []rawRecord, bad int64) {
	for off := 0; off < len(b); {
		if r, n := rawAt(b[off:]); n > 0 {
			r.to = int64(off + n)
			records = append(records, r)
			off += n
			continue
		}
		next := bytes.Index(b[off+1:], []byte(rawMark))
		if next < 0 {
			next = len(b) - off - 1
		}
		bad += int64(next + 1)
		off += next + 1
	}
	return records, bad
}

// rawAt reads the record at the beginning of b and its length, 0 if there is none.
func rawAt(b []byte) (r rawRecord, n int) {
	if len(b) < rawSize || string(b[:len(rawMark)]) != rawMark {
		return r, 0
	}
	word := func(off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
	if word(20) != crc32.Checksum(b[:20], castagnoli) {
		return r, 0
	}
	size := int(word(16))
	if size > len(b)-rawSize {
		return r, 0
	}
	n = rawSize + size
	if binary.LittleEndian.Uint64(b[n-rawEnd:]) != uint64(crc32.Checksum(b[:n-rawEnd], castagnoli)) {
		return r, 0
	}
	return rawRecord{writer: int(word(8)), seq: int(word(12))}, n
}

// rawSizes are the sizes of whole records, in bytes.
var rawSizes = [...]int{136, 5 << 10, 200 << 10}

// rawShape is how many records of each size, and in which order: a large one for so
// many of the middle ones, for so many small ones.
func rawShape(seq int) (size int) {
	switch {
	case seq%128 == 0:
		return rawSizes[2]
	case seq%8 == 0:
		return rawSizes[1]
	}
	return rawSizes[0]
}

// roleInterleave appends records to a file and says of each where the file position
// was afterwards: interleave FILE WRITER COUNT.
func roleInterleave(ctx context.Context, c *child.Conn, args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("interleave takes 3 arguments, not %q", args)
	}
	writer, err1 := strconv.Atoi(args[1])
	count, err2 := strconv.Atoi(args[2])
	f, err3 := os.OpenFile(args[0], os.O_WRONLY|os.O_APPEND, 0)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	defer f.Close() // what is written is checked by who reads it
	values := make(map[int][]byte)
	for _, size := range rawSizes {
		values[size] = valueOf(args[1], size-rawSize)
	}
	ends := make([]int64, 0, count)
	if _, err := c.Hear(); err != nil { // all begin together
		return err
	}
	for seq := 1; seq <= count && ctx.Err() == nil; seq++ {
		if _, err := vio.Appendv(f, rawPieces(writer, seq, values[rawShape(seq)])); err != nil {
			return err
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		ends = append(ends, at)
	}
	for seq, at := range ends {
		if err := c.Say("end %d %d", seq+1, at); err != nil {
			return err
		}
	}
	return c.Say("done")
}

// rawEvidence is what the file has, and what its writers say.
type rawEvidence struct {
	count   int             // of records that each writer appended
	ends    []map[int]int64 // by writer: the file position behind each of its records
	records []rawRecord     // in the file
	bad     int64           // bytes in the file that are in no record
}

func (l *lab) interleaving() error {
	const writers = 4
	count := l.count(4000, 1000)
	path := filepath.Join(l.dir, "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	var crew []*child.Process
	for w := range writers {
		p, err := l.start("interleave", path, strconv.Itoa(w), strconv.Itoa(count))
		if err != nil {
			return err
		}
		crew = append(crew, p)
	}
	for _, p := range crew {
		if err := p.Tell("go"); err != nil {
			return err
		}
	}
	ev := rawEvidence{count: count}
	for _, p := range crew {
		ends, err := rawEnds(p)
		if err != nil {
			return err
		}
		ev.ends = append(ev.ends, ends)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	ev.records, ev.bad = rawParse(b)
	f := judgeInterleaving(&ev)
	if !l.shares && f.Result == Holds {
		// It takes more than this run to trust such a file system.
		f.Result, f.Evidence = NotTested, f.Evidence+"; but "+l.why
	}
	l.add(f)
	return nil
}

func rawEnds(p *child.Process) (map[int]int64, error) {
	ends := make(map[int]int64)
	lines, err := p.Lines()
	if err == nil {
		err = p.Wait()
	}
	for _, line := range lines {
		var seq int
		var at int64
		if n, serr := fmt.Sscanf(line, "end %d %d", &seq, &at); n == 2 && serr == nil {
			ends[seq] = at
		}
	}
	return ends, err
}

func judgeInterleaving(ev *rawEvidence) Finding {
	type name struct{ writer, seq int }
	seen := make(map[name]int)
	wrong, strange, switches := 0, 0, 0
	for i, r := range ev.records {
		seen[name{r.writer, r.seq}]++
		if i > 0 && ev.records[i-1].writer != r.writer {
			switches++
		}
		switch {
		case r.writer < 0 || r.writer >= len(ev.ends) || r.seq < 1 || r.seq > ev.count:
			strange++
		case ev.ends[r.writer][r.seq] != r.to:
			wrong++
		}
	}
	lost, twice := 0, 0
	for w := range ev.ends {
		for seq := 1; seq <= ev.count; seq++ {
			switch n := seen[name{w, seq}]; {
			case n == 0:
				lost++
			case n > 1:
				twice++
			}
		}
	}
	result := verdict(ev.bad > 0 || lost > 0 || twice > 0 || strange > 0 || wrong > 0)
	text := fmt.Sprintf("%d processes appended %d records of %d to %d bytes to one file, four iovecs each: "+
		"%d lost, %d twice, %d unknown, %d bytes of mixed ones; the file position was wrong behind %d; the writer changed %d times",
		len(ev.ends), ev.count*len(ev.ends), rawSizes[0], rawSizes[len(rawSizes)-1], lost, twice, strange, ev.bad, wrong, switches)
	if result == Holds && switches < 2*len(ev.ends) {
		result, text = NotTested, text+", so they hardly ran at the same time"
	}
	return found(1, result, "%s", text)
}
