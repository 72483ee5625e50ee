package record

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/cespare/xxhash/v2"
)

// A record is whole only if both checksums are right (docs/FORMAT.md, 3). That of the
// header is covered by the other one, so chance makes no record of which only the
// header's is wrong; somebody may.
func TestHeaderSumOfGoodRecord(t *testing.T) {
	f := testFrame()
	for _, value := range [][]byte{[]byte("value"), bytes.Repeat([]byte("x"), 300<<10)} {
		good := encode(t, &f, &Header{Kind: KindData, Time: 1, Writer: 7, Seq: 1}, nil, value)
		bad := bytes.Clone(good)
		for flip := byte(1); ; flip++ {
			bad[offSum] = good[offSum] ^ flip
			body := bad[:len(bad)-TrailerSize]
			binary.LittleEndian.PutUint64(bad[len(body):], xxhash.Sum64(body)^f.Seed)
			if f.ends(bad[len(body):]) {
				break
			}
		}
		for name, opt := range map[string]ScannerOptions{"values": {}, "reused": {Reuse: true}, "skimmed": {Skim: true}} {
			opt.Frame, opt.Limit = f, 1<<30
			// One in front: the short way is only taken in a block that is there.
			s := NewScanner(bytes.NewReader(cat(good, bad, good)), opt)
			s.See(int64(3*len(good)), true)
			var ev Event
			if err := s.Next(&ev); err != nil || ev.Class != Whole {
				t.Errorf("%s of %d bytes: the first record is %v, %v", name, len(bad), ev.Class, err)
			}
			if err := s.Next(&ev); err != nil || ev.Class != Corruption || ev.To != int64(2*len(bad)) {
				t.Errorf("%s of %d bytes: a wrong header checksum is %v to %d, %v", name, len(bad), ev.Class, ev.To, err)
			}
			if err := s.Next(&ev); err != nil || ev.Class != Whole {
				t.Errorf("%s of %d bytes: the record behind it is %v, %v", name, len(bad), ev.Class, err)
			}
		}
	}
}

// C10: everything is judged by the snapshot, also what the reader could see beyond it: a
// record that is complete by now, and the one behind it, do not exist yet.
func TestScanSnapshot(t *testing.T) {
	f := testFrame()
	var all []byte
	var ends []int64
	for i := range uint64(3) {
		all = append(all, encode(t, &f, &Header{Kind: KindData, Time: 1, Writer: 7, Seq: i + 1}, nil, []byte("a value"))...)
		ends = append(ends, int64(len(all)))
	}
	for size := ends[0] + 1; size < ends[1]; size++ {
		s := NewScanner(bytes.NewReader(all), ScannerOptions{Frame: f, Limit: 1 << 20})
		s.See(size, false)
		var ev Event
		if err := s.Next(&ev); err != nil || ev.To != ends[0] {
			t.Fatalf("size %d: %v to %d, %v", size, ev.Class, ev.To, err)
		}
		if err := s.Next(&ev); err != io.EOF || s.Offset() != ends[0] {
			t.Errorf("size %d: what is incomplete in the snapshot is %v to %d, %v", size, ev.Class, ev.To, err)
		}
		s.See(ends[2], true)
		for i := 1; i < 3; i++ {
			if err := s.Next(&ev); err != nil || ev.Class != Whole || ev.To != ends[i] {
				t.Errorf("size %d: later %v to %d, %v", size, ev.Class, ev.To, err)
			}
		}
	}
}

// C8: a record that was torn at its beginning claims more than there is. What was
// appended behind it is read all the same, before the segment is finished.
func TestTornClaimsMore(t *testing.T) {
	f := testFrame()
	torn := encode(t, &f, &Header{Kind: KindData, Time: 1, Writer: 7, Seq: 1}, nil, bytes.Repeat([]byte("x"), 1<<20))
	behind := encode(t, &f, &Header{Kind: KindData, Time: 1, Writer: 8, Seq: 1}, nil, []byte("behind it"))
	for _, n := range []int{1, MarkerSize, HeaderSize, HeaderSize + 1, 4096} {
		s := NewScanner(bytes.NewReader(append(bytes.Clone(torn[:n]), behind...)), ScannerOptions{Frame: f, Limit: 1 << 30})
		s.See(int64(n), false)
		var ev Event
		if err := s.Next(&ev); err != io.EOF {
			t.Errorf("%d bytes alone are %v, %v; want them pending", n, ev.Class, err)
		}
		s.See(int64(n+len(behind)), false)
		if err := s.Next(&ev); err != nil || ev.Class != Fragment || ev.To != int64(n) {
			t.Errorf("%d bytes are %v to %d, %v", n, ev.Class, ev.To, err)
		}
		if err := s.Next(&ev); err != nil || ev.Class != Whole || string(ev.Value) != "behind it" {
			t.Errorf("behind %d bytes stands %v, %v", n, ev.Class, err)
		}
	}
}

// Who wants no values is told of damage in them all the same, also in records that are
// longer than a block and not in memory as a whole.
func TestSkimmedDamage(t *testing.T) {
	f := testFrame()
	const block = 4096
	good := encode(t, &f, &Header{Kind: KindData, Time: 1, Writer: 7, Seq: 1}, []byte("key"), bytes.Repeat([]byte("x"), 5*block))
	for at := HeaderSize; at < len(good); at += 97 {
		s := NewScanner(bytes.NewReader(cat(flip(good, at), good)), ScannerOptions{Frame: f, Limit: 1 << 30, Skim: true, BlockSize: block})
		s.See(int64(2*len(good)), true)
		var ev Event
		if err := s.Next(&ev); err != nil || ev.Class != Corruption || ev.To != int64(len(good)) {
			t.Errorf("damage at %d is %v to %d, %v", at, ev.Class, ev.To, err)
		}
		if err := s.Next(&ev); err != nil || ev.Class != Whole || string(ev.Key) != "key" {
			t.Errorf("behind damage at %d stands %v, %v", at, ev.Class, err)
		}
	}
}
