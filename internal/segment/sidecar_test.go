package segment

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/record"
)

// sidecarOf writes a sidecar of segment n, as it is now.
func (l *lab) sidecarOf(n uint64, boot [16]byte) Sidecar {
	l.t.Helper()
	st := l.stat(n)
	s := Sidecar{
		SidecarInfo: SidecarInfo{Size: st.Size, Limit: tight.Limit, Boot: boot, Records: 3, Deletes: 1, Oldest: 5, Newest: 7},
		Entries:     bytes.Repeat([]byte("sixteen bytes 16"), 3), Run: []byte("the run of segment"),
	}
	if err := l.d.WriteSidecar(n, &s, 0o644); err != nil {
		l.t.Fatal(err)
	}
	return s
}

// readAll reads a sidecar to its end.
func (l *lab) readAll(n uint64) (info SidecarInfo, entries, run []byte, err error) {
	if info, err = l.d.SidecarInfo(n); err != nil {
		return info, nil, nil, err
	}
	for i := range info.Parts() {
		part, err := l.d.ReadPart(n, &info, i, nil)
		if err != nil {
			return info, nil, nil, err
		}
		entries = append(entries, part...)
	}
	run, err = l.d.ReadRun(n)
	return info, entries, run, err
}

func (l *lab) sidecarPath(n uint64) string { return filepath.Join(l.dir, SidecarName(n)) }

// A sidecar is believed if all of it is what was written, and not if any bit is not.
func TestSidecarEveryBit(t *testing.T) {
	l, values := three(t)
	want := l.sidecarOf(1, [16]byte{})
	info, entries, run, err := l.readAll(1)
	if err != nil || !bytes.Equal(entries, want.Entries) || !bytes.Equal(run, want.Run) ||
		info.Records != 3 || info.Deletes != 1 || info.Oldest != 5 || info.Newest != 7 || info.Size != want.Size || info.Limit != want.Limit {
		t.Fatalf("read %+v, %q, %q, %v", info, entries, run, err)
	}
	good, err := os.ReadFile(l.sidecarPath(1))
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, at int, b []byte) {
		t.Helper()
		if err := os.WriteFile(l.sidecarPath(1), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := l.readAll(1); err == nil {
			t.Errorf("%s at %d: it is believed", what, at)
		}
	}
	for bit := range 8 * len(good) {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		try("a flipped bit", bit, b)
	}
	for n := range good {
		try("cut off", n, good[:n])
	}
	try("grown", len(good), append(bytes.Clone(good), 0))
	l.want(values)
}

// A sidecar is good for one segment of one journal, as long as that has the size that
// it was made for, and perhaps for one boot.
func TestSidecarOfAnother(t *testing.T) {
	l, values := three(t)
	boot, err := host.BootID()
	if err != nil {
		t.Skip("no boot id here:", err)
	}
	wantErr := func(what string, n uint64) {
		t.Helper()
		if _, _, _, err := l.readAll(n); !errors.Is(err, errSidecar) {
			t.Errorf("%s: %v, want errSidecar", what, err)
		}
	}
	l.sidecarOf(2, boot)
	if _, _, _, err := l.readAll(2); err != nil {
		t.Errorf("of this boot: %v", err)
	}
	boot[3] ^= 1
	l.sidecarOf(2, boot)
	wantErr("of another boot", 2)
	s := l.sidecarOf(2, [16]byte{})
	s.Size = l.stat(1).Size // so that nothing but the number tells the two apart
	if err := l.d.WriteSidecar(2, &s, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(l.sidecarPath(2), l.sidecarPath(1)); err != nil {
		t.Fatal(err)
	}
	wantErr("of another segment", 1)
	l.sidecarOf(1, [16]byte{})
	l.d.UUID[5] ^= 1
	_, err = l.d.SidecarInfo(1)
	l.d.UUID[5] ^= 1
	if !errors.Is(err, errSidecar) {
		t.Errorf("of another journal: %v", err)
	}
	if _, _, _, err := l.readAll(1); err != nil {
		t.Errorf("of this one: %v", err)
	}
	l.raw(1, []byte("void"))
	wantErr("of another size", 1)
	l.want(values)
}

// Decision 0011: behind a crash a torn record with a sector of zeros in it may be one
// that was whole before; one without is what it looks like.
func TestFirstLossInSector(t *testing.T) {
	for _, lost := range []bool{false, true} {
		l := newLab(t)
		l.create(1)
		l.put(1, "before")
		torn := l.bytes(1, string(bytes.Repeat([]byte("x"), 3000)))[:2500]
		at := l.raw(1, torn)
		if lost {
			l.overwrite(1, (at/sector+2)*sector, make([]byte, sector))
		}
		l.put(1, "behind")
		l.seal(1)
		for _, crashed := range []bool{false, true} {
			want := record.Position{}
			if lost && crashed {
				want = record.Position{Segment: 1, Offset: at}
			}
			got, err := l.d.FirstLoss(1, 1, crashed)
			if err != nil || got != want {
				t.Errorf("lost %v, crashed %v: the first loss is at %v, %v; want %v", lost, crashed, got, err, want)
			}
		}
		l.want([]string{"before", "behind"})
	}
}
