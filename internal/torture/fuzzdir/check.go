package fuzzdir

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strings"
	"sync"

	"github.com/manypen/manypen/journal"
)

// Ways are the ways to read a directory that a check goes. Every check opens it and
// reads it from the beginning to the end.
type Ways int

// The ways.
const (
	Reverse Ways = 1 << iota // Scan in reverse
	Reuse                    // Scan in memory that is used again
	Points                   // Seek, and ReadAt of every record and between them
	Verify
	Keys // Get, Range, Prefix, Count, History, with the sidecars that are there
	Follow
	Repair
	Write // a writer opens it and appends
	All   = Reverse | Reuse | Points | Verify | Keys | Follow | Repair | Write
)

// Single lists the ways one by one, those that cost little first.
var Single = []Ways{Reverse, Reuse, Points, Verify, Keys, Follow, Repair, Write}

// Check unpacks an archive into dir, which must be empty or not exist, and goes all the
// ways. An error says what is wrong with the library, or with the oracle.
func Check(archive []byte, dir string) error {
	return NewWorkspace(dir).Check(Unpack(archive), All)
}

// Workspace is a directory in which archives are checked one after the other. Of an
// archive only those files are written that differ from what is there, so that a check
// is fast. It must not be used by several goroutines at a time.
type Workspace struct {
	root  string
	boot  string // name of the control file of this boot, "" if there is none
	files map[string][]byte
	dirty bool // somebody else may have changed the files
	// allow is how many bytes a check of a directory of some size may allocate.
	allow func(size int64) uint64
	// verdict is what the last check could be held against, in a word or two.
	verdict string
}

// NewWorkspace returns a workspace in dir, which it makes if need be.
func NewWorkspace(dir string) *Workspace {
	w := &Workspace{root: dir, dirty: true, allow: allowed}
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		w.boot = "ctl." + strings.TrimSpace(string(id))
	} // elsewhere there are no control files
	return w
}

func (w *Workspace) dir() string { return filepath.Join(w.root, "journal") }

// put makes the directory hold the files of the archive, and nothing else.
func (w *Workspace) put(a *Archive) error {
	if w.dirty {
		if err := errors.Join(os.RemoveAll(w.dir()), os.MkdirAll(w.dir(), 0o755)); err != nil {
			return err
		}
		w.files, w.dirty = make(map[string][]byte), false
	}
	for name := range w.files {
		if _, ok := a.Files[name]; !ok {
			if err := os.Remove(w.path(name)); err != nil {
				return err
			}
			delete(w.files, name)
		}
	}
	for name, b := range a.Files {
		old, ok := w.files[name]
		if ok && bytes.Equal(old, b) || name == bootName && w.boot == "" {
			continue
		}
		if err := w.write(name, old, b, ok); err != nil {
			return err
		}
		w.files[name] = bytes.Clone(b)
	}
	return nil
}

func (w *Workspace) path(name string) string {
	if name == bootName {
		name = w.boot
	}
	return filepath.Join(w.dir(), name)
}

// write makes a file hold b. Of one that is there, with old in it, only the bytes that
// differ are written.
func (w *Workspace) write(name string, old, b []byte, there bool) error {
	f, err := os.OpenFile(w.path(name), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	from, to := 0, len(b)
	if there {
		for from < min(len(old), len(b)) && old[from] == b[from] {
			from++
		}
		if len(old) == len(b) {
			for to > from && old[to-1] == b[to-1] {
				to--
			}
		}
	}
	_, err = f.WriteAt(b[from:to], int64(from))
	if err == nil && len(b) < len(old) {
		err = f.Truncate(int64(len(b)))
	}
	return errors.Join(err, f.Close())
}

// load returns what is in the directory now, as an archive without fixes.
func (w *Workspace) load() (*Archive, error) {
	a := &Archive{Files: make(map[string][]byte)}
	names, err := os.ReadDir(w.dir())
	if err != nil {
		return nil, err
	}
	for _, e := range names {
		b, err := os.ReadFile(filepath.Join(w.dir(), e.Name()))
		if err != nil {
			return nil, err
		}
		a.Files[e.Name()] = b
	}
	return a, nil
}

// Bounds of what a check may allocate, in bytes: for each handle and each reader some
// fixed memory, and so much for each byte of the directory. A length that the input
// claims may be a thousand times as much.
const (
	allocBase    = 2 << 20
	allocPerByte = 64
)

func allowed(size int64) uint64 { return allocBase + allocPerByte*uint64(size) }

// alone is held for writing by who measures again what he has allocated: nobody else
// is at work then.
var alone sync.RWMutex

// Check makes right what the archive asks for, puts it into the directory, and goes the
// ways.
func (w *Workspace) Check(a *Archive, ways Ways) error {
	a.repair()
	e, err := expect(a)
	if err != nil {
		return err
	}
	if err := w.put(a); err != nil {
		return err
	}
	limit := w.allow(a.Size())
	alone.RLock()
	before := allocated()
	err = w.read(a, e, ways)
	used := allocated() - before
	alone.RUnlock()
	if err != nil || used <= limit {
		return err
	}
	// Others have allocated at the same time. Once more, alone.
	alone.Lock()
	defer alone.Unlock()
	w.dirty = true
	if err := w.put(a); err != nil {
		return err
	}
	before = allocated()
	err = w.read(a, e, ways)
	if used = allocated() - before; err == nil && used > limit {
		err = fmt.Errorf("reading a directory of %d bytes has allocated %d; want at most %d", a.Size(), used, limit)
	}
	return err
}

// allocated is how many bytes this process has allocated since it began.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// read goes the ways.
func (w *Workspace) read(a *Archive, e *expected, ways Ways) error {
	v := visit{w: w, a: a, e: e, dir: w.dir(), most: int(a.Size()/8) + 64}
	w.verdict = "refused"
	if opened, err := v.open(); !opened || err != nil {
		return err
	}
	w.verdict = e.verdict()
	err := v.walk(ways)
	if cerr := v.j.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close: %w", cerr)
	}
	if err == nil && ways&Verify != 0 {
		err = v.verify()
	}
	if err == nil && ways&Repair != 0 {
		err = v.repair()
	}
	if err == nil && ways&Write != 0 && v.writable() {
		w.dirty = true
		err = v.write()
	}
	if err != nil && e.why != "" {
		err = fmt.Errorf("%w (the format leaves open: %s)", err, e.why)
	}
	return err
}

// open opens the directory for reading, and judges what it says if it cannot be.
func (v *visit) open() (bool, error) {
	j, err := journal.Open(v.dir, journal.Options{ReadOnly: true, OnDamage: v.met})
	if err == nil {
		v.j = j
		if v.e.journal != nil && j.UUID() != v.e.journal.UUID {
			if v.e.why == "" {
				return false, errors.Join(fmt.Errorf("it is opened as journal %x, and is %x", j.UUID(), v.e.journal.UUID), j.Close())
			}
			v.e.journal = nil // the oracle speaks of another journal
		}
		return true, nil
	}
	if terr := typed("open", err); terr != nil {
		return false, terr
	}
	if !v.e.mayFail || v.e.why == "" {
		return false, fmt.Errorf("it cannot be opened: %w", err)
	}
	if _, err := journal.Verify(context.Background(), v.dir, journal.VerifyOptions{Workers: 1}); err == nil {
		return false, errors.New("verify opens what Open does not")
	}
	return false, nil
}

// typed returns an error about err unless that is of a kind that callers can tell
// apart and that says where it happened.
func typed(what string, err error) error {
	var located *journal.Error
	if errors.As(err, &located) || errors.Is(err, journal.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("%s: the error does not say where: %w (%T)", what, err, err)
}

// String names the ways.
func (w Ways) String() string {
	var names []string
	for i, name := range []string{"reverse", "reuse", "points", "verify", "keys", "follow", "repair", "write"} {
		if w&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return cmp.Or(strings.Join(names, "+"), "records")
}
