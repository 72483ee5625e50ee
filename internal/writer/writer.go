package writer

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/manypen/manypen/internal/control"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
	"github.com/manypen/manypen/vio"
)

// Errors that a caller decides by.
var (
	// ErrOutcomeUnknown: the record, or what was to be synced, may be on disk or
	// not. Readers may see it, or see it until the next power cut.
	ErrOutcomeUnknown = errors.New("outcome unknown: not known to be on disk")
	// ErrTimeout: another process has held a lock for too long.
	ErrTimeout = errors.New("timed out waiting for a lock")
	// ErrUnsafe: several writers are not safe on this file system or system.
	ErrUnsafe = errors.New("more than one writer is not safe here")
	// ErrDestroyed: files of the journal were removed under a writer.
	ErrDestroyed = errors.New("segments were removed while the journal was written")
	// ErrFull: there are no more segment numbers.
	ErrFull = errors.New("journal has no segment numbers left")
	// ErrClosed: the handle was closed.
	ErrClosed = errors.New("journal is closed")
)

// Options configures a Writer; every field must be set, but Locked, Prefix and Began.
type Options struct {
	Limits segment.Limits // of the segments this writer makes
	Perm   os.FileMode    // of files it makes
	Exact  bool           // Perm is not subject to the umask
	Locked bool           // lock around each append
	Prefix bool           // recovery keeps what is in front of the first loss
	// Timeout bounds every wait for a lock.
	Timeout time.Duration
	// Began, if set, is called when this handle has made a segment, under its
	// locks: it must neither wait nor use the writer.
	Began func()
}

// ahead is how many segments may be in use behind one that is not synced (b in
// the protocol). It stands in every segment header. One lets a roll go on while
// the segment before is on its way to the disk; docs/decisions/0005.
const ahead = 1

// pin is a segment that this writer has open: the one it appends to, or one
// that is not known to be wholly synced yet. Keeping it open keeps the kernel
// from forgetting a write-back error that this writer would have to report
// (R8, C46).
type pin struct {
	*segment.File
	// sample is the attempt that was begun last when the file had been opened
	// (a0 in the protocol): what the descriptor may be trusted for.
	sample uint64
	// first is the sequence of the first record this writer can have put here.
	first uint64
	// last is the end of this writer's last append.
	last int64
	out  *vio.Appender
}

// system is what tests replace to make the machine fail, or boot again.
type system struct {
	bootID   func() ([16]byte, error)
	syncData func(*os.File) error
	syncDir  func(*os.File) error
	// step, if set, is called at every step of the protocol, by its name in
	// docs/CONCURRENCY.md, and in place of every wait. It may let others run, and
	// need not return.
	step func(name string)
	// start runs f in a goroutine of its own.
	start func(f func())
}

func realSystem() system {
	return system{bootID: host.BootID, syncData: host.SyncData, syncDir: host.SyncDir, start: func(f func()) { go f() }}
}

// Writer is one appending handle. Its methods may be called concurrently.
type Writer struct {
	dir      *segment.Dir
	opt      Options
	sys      system
	id       uint64
	boot     [16]byte
	shared   bool     // several processes may write: there is a control file
	presence *os.File // locked while this writer lives, where that is needed

	// mu covers A1 to A3 and every change of segment.
	mu     sync.Mutex
	cur    *pin
	full   bool // cur can take no valid record any more (A5)
	stale  bool // the page must be left: attach anew before the next append
	leave  bool // and the file it is in is of no use to anybody who comes later
	closed bool
	seq    uint64 // of the last record that was appended
	guest  bool   // records or gaps of other journals were appended
	guests uint64 // how many records that were
	buf    record.Buffer
	mark   marker

	line  line
	group group
	pace  pace // guarded by syncMu
	// dirMu lets one goroutine have the directory lock at a time; it is taken
	// after the others.
	dirMu sync.Mutex
	// syncMu lets one goroutine sync at a time: the sync lock belongs to the
	// handle and does not separate its goroutines.
	syncMu sync.Mutex
	// page changes with mu and syncMu held; holding one is enough to read it.
	page *control.Page
	// pins, guarded by syncMu, is in order of segments and includes cur.
	pins []*pin

	// doubts are the stretches in which records of this writer are of unknown
	// outcome; untold, that no call has said so yet of a record that nobody waits
	// for, of which loose is the end of the last one; need, what is to be looked
	// for before the next append. Guarded by mu.
	doubts []doubt
	untold bool
	loose  control.Pos
	need   *need
	// doubtful is whether there are doubts.
	doubtful atomic.Bool

	// unclear is an append of which not even this writer knows whether it is in the
	// journal, nil if there is none. Guarded by mu.
	unclear *unclear

	count counters

	// background counts syncs that a roll has started.
	background sync.WaitGroup
}

// doubt is the stretch (from, to] of positions.
type doubt struct{ from, to control.Pos }

// Open returns a new writer of the journal in path, which it makes if there is
// none.
func Open(path string, opt Options) (*Writer, error) { return open(path, opt, realSystem()) }

func open(path string, opt Options, sys system) (_ *Writer, err error) {
	if err := makeDir(path, opt); err != nil {
		return nil, segment.Placed("create", path, err)
	}
	dir, err := segment.OpenDir(path)
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: dir, opt: opt, sys: sys, id: randomID()}
	defer func() {
		if err != nil {
			err = w.located("open", errors.Join(err, w.release()))
		}
	}()
	if err := w.identify(); err != nil {
		return nil, err
	}
	if err := w.admit(); err != nil {
		return nil, err
	}
	w.lock(&w.mu)
	defer w.mu.Unlock()
	if err := w.attach(); err != nil {
		return nil, err
	}
	return w, nil
}

// randomID is a writer's identity. It is not 0, which stands for no writer.
func randomID() uint64 {
	var b [8]byte
	for {
		rand.Read(b[:]) // never fails (crypto/rand)
		if id := binary.LittleEndian.Uint64(b[:]); id != 0 {
			return id
		}
	}
}

// makeDir makes path and makes its name durable, and that of every directory
// above it that had to be made.
func makeDir(path string, opt Options) error {
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return nil // what it is, OpenDir finds out
	}
	parent := filepath.Dir(filepath.Clean(path))
	if parent != path {
		if err := makeDir(parent, opt); err != nil {
			return err
		}
	}
	perm := opt.Perm | opt.Perm&0o444>>2 // who may read may search
	err := os.Mkdir(path, perm)
	if err == nil && opt.Exact {
		err = os.Chmod(path, perm)
	}
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil // another opener was faster
		}
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(host.SyncDir(f), f.Close())
}

// identify finds out which journal this is, or makes it one.
func (w *Writer) identify() error {
	fresh, err := w.dir.Identify()
	if err == nil && !w.dir.IDDamaged {
		return nil
	}
	if err != nil && !fresh {
		return err
	}
	return w.withDir(exclusive, func() error {
		// Another one may have done it while we waited for the lock.
		w.dir.IDDamaged = false
		fresh, err := w.dir.Identify()
		if err != nil && !fresh {
			return err
		}
		if err == nil && !w.dir.IDDamaged {
			return nil
		}
		return w.dir.WriteID(fresh, w.opt.Perm, w.opt.Exact)
	})
}

// admit decides whether other processes may write too, and keeps them out if
// not (ENGINE: file systems that do not append atomically, systems that were
// not measured).
func (w *Writer) admit() error {
	kind, err := host.FileSystemOf(w.dir.F)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return &segment.Error{Op: "open", Path: w.dir.Path, Err: err}
	}
	boot, bootErr := w.sys.bootID()
	w.boot = boot
	known := host.Shared && bootErr == nil
	w.shared = known && (kind.Atomic || w.opt.Locked)
	// Those who share hold the lock together, and keep out who may not: a process
	// that cannot read the boot id knows nothing of their page.
	flag := os.O_RDWR // that an exclusive lock needs, and another one does not
	if w.shared {
		flag = os.O_RDONLY
	}
	if w.presence, err = w.dir.OpenID(flag); err != nil {
		return err
	}
	ok, err := host.TryLockByte(w.presence, 0, !w.shared)
	if err != nil {
		return &segment.Error{Op: "lock", Path: w.presence.Name(), Err: err}
	}
	if !ok {
		return &segment.Error{Op: "open", Path: w.dir.Path, Err: unsafeError(kind, known, bootErr)}
	}
	if !host.Shared {
		return nil // a lock of another byte would replace the one above
	}
	if _, err := host.TryLockByte(w.presence, presenceByte(w.id), together); err != nil {
		return &segment.Error{Op: "lock", Path: w.presence.Name(), Err: err}
	}
	return nil
}

// presenceByte is the byte of journal.id that a writer has locked while it lives, so
// that others can ask whether it does. Nothing else depends on it. Byte 0 is for all
// of them, and offsets have 63 bits.
func presenceByte(id uint64) int64 { return 1 + int64(id>>2) }

// Alive reports whether the writer of that identity has its handle open, in any
// process; errors.ErrUnsupported where the system cannot tell. A writer that opened
// the journal before a damaged journal.id was replaced counts as gone.
func Alive(d *segment.Dir, id uint64) (alive bool, err error) {
	f, err := d.OpenID(os.O_RDONLY)
	if err != nil {
		return false, err
	}
	alive, err = host.LockedByte(f, presenceByte(id))
	return alive, errors.Join(err, f.Close())
}

func unsafeError(kind host.FileSystem, known bool, bootErr error) error {
	if known && kind.Atomic {
		return fmt.Errorf("%w: a writer that cannot share has the journal, because its process cannot read the boot id of the machine (/proc)", ErrUnsafe)
	}
	if bootErr != nil && host.Shared {
		return fmt.Errorf("%w: another writer has the journal, and without the boot id of the machine this process cannot share it: %w", ErrUnsafe, bootErr)
	}
	if !known {
		return fmt.Errorf("%w: another writer has the journal, and this system has not been shown to append atomically", ErrUnsafe)
	}
	return fmt.Errorf("%w: another writer has the journal, and its file system (%s) does not append atomically;"+
		" let every writer use the locked mode, or a local file system", ErrUnsafe, kind.Name)
}

// ID is the writer's identity in its records.
func (w *Writer) ID() uint64 { return w.id }

// Dir is the journal directory. It is closed with the writer.
func (w *Writer) Dir() *segment.Dir { return w.dir }

// Close waits for appends and syncs that are under way and releases the handle.
// It does not sync, but returns ErrOutcomeUnknown if records of this handle were
// caught in a failed sync and no call has said so yet.
func (w *Writer) Close() error {
	w.lock(&w.mu)
	if w.closed {
		w.mu.Unlock()
		return ErrClosed
	}
	w.closed = true
	w.mu.Unlock()
	w.background.Wait()
	w.lock(&w.mu)
	defer w.mu.Unlock()
	// A sync in the background may have failed, here or in another process, and nobody
	// has looked since.
	if n := len(w.doubts); w.page != nil && w.cur != nil && w.page.Believable() && w.page.Bad() {
		d := doubt{from: w.page.Syn(), to: control.At(w.cur.Number, w.cur.last)}
		if n == 0 || w.doubts[n-1].to < d.to {
			w.doubt(d)
		}
	}
	var err error
	if w.untold {
		w.untold = false
		err = &segment.Error{Op: "close", Path: w.dir.Path, Err: ErrOutcomeUnknown}
	}
	return w.located("close", errors.Join(err, w.release()))
}

// release closes everything that is open.
func (w *Writer) release() error {
	w.lock(&w.syncMu)
	defer w.syncMu.Unlock()
	err := w.dropPins()
	if w.page != nil {
		err = errors.Join(err, w.page.Close())
		w.page = nil
	}
	if w.presence != nil {
		err = errors.Join(err, w.presence.Close())
	}
	return errors.Join(err, w.dir.Close())
}

// dropPins closes all segments. The caller holds mu and syncMu.
func (w *Writer) dropPins() error {
	var err error
	for _, p := range w.pins {
		err = errors.Join(err, p.Close())
	}
	w.pins, w.cur = nil, nil
	return err
}
