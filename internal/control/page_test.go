package control

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/manypen/manypen/internal/host"
)

func TestName(t *testing.T) {
	boot := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}
	if got, want := Name(boot), "ctl.00010203-0405-0607-0809-0a0b0c0d0eff"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
}

func TestCreateAndOpen(t *testing.T) {
	dir := newDir(t)
	create(t, dir, 3, At(2, 9000))
	if st, err := os.Stat(path(dir)); err != nil || st.Size() != pageSize {
		t.Fatalf("control file %v, %v", st, err)
	}
	p := open(t, dir)
	if p.Active() != 3 || p.Syn() != At(2, 9000) || p.OK() != 0 || p.Sample() != 0 || p.Bad() || p.Private() {
		t.Errorf("active %d, syn %v, ok %d, attempts %d, bad %v, private %v", p.Active(), p.Syn(), p.OK(), p.Sample(), p.Bad(), p.Private())
	}
	if linked, err := p.Linked(); !linked || !p.Believable() || err != nil {
		t.Errorf("linked %v, believable %v, %v", linked, p.Believable(), err)
	}
	q := open(t, dir)
	if !p.SameFile(q) || !p.SameFile(p) {
		t.Error("two handles of one file are two files")
	}
	q.RaiseActive(4)
	if p.Active() != 4 {
		t.Error("what one handle raises the other one does not see")
	}
	// It is never replaced: those who have it mapped would be alone with it.
	if err := Create(dir, testID, 9, At(9, 0), 0o644, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v, want fs.ErrExist", err)
	}
	if p.Active() != 4 {
		t.Error("the failed attempt has changed it")
	}
}

// Words that different processes write must not share a cache line, and words
// must be aligned to be atomic.
func TestLayout(t *testing.T) {
	for _, off := range []int{offActive, offSyn, offAtt, offOK, offBad, offTurn} {
		if off%8 != 0 || off < headerSize || off+8 > pageSize {
			t.Errorf("word at %d", off)
		}
	}
	if offActive/64 == offSyn/64 || offSyn/64 == offAtt/64 || headerSize > offActive/64*64 {
		t.Error("words share a cache line")
	}
}

// rehash gives a changed header the right checksum.
func rehash(b []byte) {
	binary.LittleEndian.PutUint64(b[offSum:], xxhash.Sum64(b[:offSum]))
}

// Whatever stands under the name of the control file is refused or right.
func TestOpenBadFile(t *testing.T) {
	change := func(f func(b []byte) []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// In place: the inode is a part of its identity.
			if err := os.WriteFile(path, f(b), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := func(off int, v byte) func(t *testing.T, path string) {
		return change(func(b []byte) []byte { b[off] ^= v; return b })
	}
	signed := func(off int, v byte) func(t *testing.T, path string) {
		return change(func(b []byte) []byte { b[off] ^= v; rehash(b); return b })
	}
	size := func(n int64) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.Truncate(path, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	word := func(off int, v uint64) func(t *testing.T, path string) {
		return change(func(b []byte) []byte { binary.NativeEndian.PutUint64(b[off:], v); return b })
	}
	for _, c := range []struct {
		name string
		ruin func(t *testing.T, path string)
		want error
	}{
		{"untouched", func(*testing.T, string) {}, nil},
		{"missing", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, fs.ErrNotExist},
		{"empty", size(0), ErrUnusable},
		{"one byte", size(1), ErrUnusable},
		{"header only", size(headerSize), ErrUnusable},
		{"one byte short", size(pageSize - 1), ErrUnusable},
		{"one byte long", size(pageSize + 1), ErrUnusable},
		{"1 GiB", size(1 << 30), ErrUnusable},
		{"zeros", change(func(b []byte) []byte { return make([]byte, pageSize) }), ErrUnusable},
		{"noise", change(func(b []byte) []byte { rand.Read(b); return b }), ErrUnusable},
		{"text", change(func(b []byte) []byte { return bytes.Repeat([]byte("noise!! "), pageSize/8) }), ErrUnusable},
		{"magic", set(0, 1), ErrUnusable},
		{"checksum", set(offSum, 1), ErrUnusable},
		{"other version", signed(offVersion, 3), ErrUnusable},
		{"other size", signed(offSize, 1), ErrUnusable},
		{"other journal", signed(offUUID+5, 1), ErrUnusable},
		{"other boot", signed(offBoot+5, 1), ErrUnusable},
		{"other device", signed(offDev, 1), ErrUnusable},
		{"other inode", signed(offIno, 1), ErrUnusable},
		{"copied", func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// The old one is kept, or its inode number may be given out again.
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}, ErrUnusable},
		{"a failed sync", word(offBad, 1), ErrUnusable},
		{"any flag", word(offBad, 1<<63), ErrUnusable},
		{"reserved bytes", change(func(b []byte) []byte { b[pageSize-1] = 1; return b }), nil},
	} {
		dir := newDir(t)
		create(t, dir, 3, At(3, 0))
		c.ruin(t, path(dir))
		p, err := Open(dir, testID)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err == nil {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A name that is no file: an error, no hanging and no panic.
func TestOpenNoFile(t *testing.T) {
	needShared(t)
	dir := newDir(t)
	if err := os.Mkdir(path(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := Open(dir, testID); p != nil || err == nil {
		t.Errorf("a directory was opened: %v", err)
	}
	if err := os.Remove(path(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir.Name(), "elsewhere"), path(dir)); err != nil {
		t.Fatal(err)
	}
	if p, err := Open(dir, testID); p != nil || err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a symbolic link was opened, or is said to be missing: %v", err)
	}
}

// touch uses every word of p; it must do no harm, whatever has become of the file.
func touch(p *Page) {
	_, _, _, _ = p.Active(), p.Syn(), p.OK(), p.Sample()
	_, _ = p.Trusts(1), p.Bad()
	p.RaiseActive(5)
	if attempt, ok := p.Begin(); ok {
		p.Succeeded(attempt, At(5, 0))
	}
}

// The file is cut off while it is mapped: its memory is gone, and touching it
// would end the program. The page is lost instead, and nothing it says is
// believed, also if somebody makes the file long again.
func TestCutOffWhileMapped(t *testing.T) {
	dir := newDir(t)
	create(t, dir, 3, At(2, 9000))
	p := open(t, dir)
	needFaults(t)
	if err := os.Truncate(path(dir), 0); err != nil {
		t.Fatal(err)
	}
	if p.Believable() {
		t.Error("a page without memory is believed")
	}
	touch(p)
	if p.Active() != 0 || p.Syn() != 0 || p.Trusts(1) || p.Bad() {
		t.Errorf("it says active %d, syn %v, trusts %v, bad %v", p.Active(), p.Syn(), p.Trusts(1), p.Bad())
	}
	if _, ok := p.Begin(); ok {
		t.Error("an attempt was begun whose outcome nobody would learn")
	}
	if linked, err := p.Linked(); linked || err != nil {
		t.Errorf("linked %v, %v", linked, err)
	}
	if err := os.Truncate(path(dir), pageSize); err != nil {
		t.Fatal(err)
	}
	if touch(p); p.Believable() {
		t.Error("it is believed again")
	}
	if _, err := Open(dir, testID); !errors.Is(err, ErrUnusable) {
		t.Errorf("opened again: %v, want ErrUnusable", err)
	}
}

// The first to notice may be any word, in any goroutine.
func TestEveryWordOfACutOffPage(t *testing.T) {
	for name, use := range map[string]func(p *Page){
		"Active":      func(p *Page) { p.Active() },
		"RaiseActive": func(p *Page) { p.RaiseActive(9) },
		"Syn":         func(p *Page) { p.Syn() },
		"OK":          func(p *Page) { p.OK() },
		"Sample":      func(p *Page) { p.Sample() },
		"Trusts":      func(p *Page) { p.Trusts(0) },
		"Begin":       func(p *Page) { p.Begin() },
		"Succeeded":   func(p *Page) { p.Succeeded(1, At(3, 0)) },
		"Failed":      func(p *Page) { p.Failed() },
		"Bad":         func(p *Page) { p.Bad() },
		"Linked":      func(p *Page) { _, _ = p.Linked() },
	} {
		dir := newDir(t)
		create(t, dir, 3, At(3, 0))
		p := open(t, dir)
		needFaults(t)
		if err := os.Truncate(path(dir), 0); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			use(p)
		}()
		<-done
		if p.Believable() {
			t.Errorf("%s: the page is believed", name)
		}
	}
}

func TestZeroedWhileMapped(t *testing.T) {
	dir := newDir(t)
	create(t, dir, 3, At(2, 9000))
	p := open(t, dir)
	f, err := os.OpenFile(path(dir), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, pageSize), 0); err != nil {
		t.Fatal(err)
	}
	if touch(p); p.Believable() {
		t.Error("a page of zeros is believed")
	}
	if linked, err := p.Linked(); linked || err != nil {
		t.Errorf("linked %v, %v", linked, err)
	}
}

// Words that cannot be, under a header that is right.
func TestImpossibleWords(t *testing.T) {
	for name, words := range map[string]map[int]uint64{
		"syn beyond the newest segment": {offSyn: uint64(At(4, 0))},
		"all ones":                      {offSyn: 1<<64 - 1},
		"more successes than attempts":  {offOK: 1},
		"newest segment forgotten":      {offActive: 0},
	} {
		dir := newDir(t)
		create(t, dir, 3, At(3, 0))
		p := open(t, dir)
		f, err := os.OpenFile(path(dir), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		for off, v := range words {
			if _, err := f.WriteAt(binary.NativeEndian.AppendUint64(nil, v), int64(off)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if p.Believable() {
			t.Errorf("%s: believed", name)
		}
	}
}

// A page whose file is not the one at the path any more is to be left.
func TestUnlinked(t *testing.T) {
	dir := newDir(t)
	create(t, dir, 3, At(3, 0))
	p := open(t, dir)
	if err := os.Remove(path(dir)); err != nil {
		t.Fatal(err)
	}
	if linked, err := p.Linked(); linked || err != nil {
		t.Errorf("removed: linked %v, %v", linked, err)
	}
	create(t, dir, 4, At(4, 0))
	if linked, err := p.Linked(); linked || err != nil {
		t.Errorf("replaced: linked %v, %v", linked, err)
	}
	q := open(t, dir)
	if p.SameFile(q) || q.SameFile(p) {
		t.Error("two files are taken for one")
	}
	if !p.Believable() || p.Active() != 3 {
		t.Error("the old page does not say any more what it said")
	}
	if linked, err := q.Linked(); !linked || err != nil {
		t.Errorf("the new one: linked %v, %v", linked, err)
	}
}

func TestCreateMode(t *testing.T) {
	needShared(t)
	dir := newDir(t)
	if err := Create(dir, testID, 1, At(1, 0), 0o660, true); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path(dir)); err != nil || st.Mode() != 0o660 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// Several makers at once: one file, and all map it.
func TestCreateRace(t *testing.T) {
	needShared(t)
	dir := newDir(t)
	won := make(chan bool)
	const makers = 8
	for i := range uint64(makers) {
		go func() {
			err := Create(dir, testID, i+1, At(i+1, 0), 0o644, false)
			if err != nil && !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
			won <- err == nil
		}()
	}
	winners := 0
	for range makers {
		if <-won {
			winners++
		}
	}
	if p := open(t, dir); winners != 1 || p.Active() == 0 || p.Syn() != At(p.Active(), 0) {
		t.Errorf("%d winners; active %d, syn %v", winners, p.Active(), p.Syn())
	}
	if names, err := host.ListIn(dir); err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// A private page has the same words and is nobody else's.
func TestPrivate(t *testing.T) {
	p, q := NewPrivate(3, At(2, 9000)), NewPrivate(3, At(2, 9000))
	if p.Active() != 3 || p.Syn() != At(2, 9000) || !p.Private() || !p.Believable() {
		t.Errorf("active %d, syn %v, private %v, believable %v", p.Active(), p.Syn(), p.Private(), p.Believable())
	}
	p.RaiseActive(7)
	if q.Active() != 3 {
		t.Error("two private pages share their words")
	}
	if linked, err := p.Linked(); !linked || err != nil {
		t.Errorf("linked %v, %v", linked, err)
	}
	if p.SameFile(q) || !p.SameFile(p) {
		t.Error("private pages are in no file")
	}
	for range 2 { // nobody to exclude, and its goroutines take turns by a mutex
		if ok, err := p.TryLock(); !ok || err != nil {
			t.Errorf("lock %v, %v", ok, err)
		}
	}
	attempt, ok := p.Begin()
	if !ok || attempt != 1 || p.Trusts(attempt) {
		t.Errorf("attempt %d, %v", attempt, ok)
	}
	if p.Succeeded(attempt, At(7, End)); !p.Trusts(attempt) || p.Syn().FirstUnsynced() != 8 {
		t.Errorf("after it: syn %v, trusts %v", p.Syn(), p.Trusts(attempt))
	}
	if p.Failed(); !p.Bad() {
		t.Error("a failure is forgotten")
	}
	if err := errors.Join(p.Unlock(), p.Close(), q.Close()); err != nil {
		t.Error(err)
	}
}
