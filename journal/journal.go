package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/internal/writer"
)

// Journal is an open journal.
type Journal struct {
	opt    Options
	dir    *segment.Dir
	w      *writer.Writer // nil: read-only
	closed chan struct{}
	ended  atomic.Bool // closed is, or is about to be: cheaper to ask
	once   sync.Once

	files filePool

	keys keyIndex
	news newsroom

	readers  readerCounters
	retainer retainer

	// durable is held for reading from an append to the end of its sync, so
	// that Close waits for both.
	durable sync.RWMutex

	// dirty tells the syncer that something was appended since it looked.
	dirty  atomic.Bool
	syncer sync.WaitGroup
	// behind is an error of a sync in the background that nobody was told of.
	behind atomic.Pointer[error]
}

// Open opens the journal in directory dir. It makes the directory and the
// journal if they do not exist, unless opts.ReadOnly is set. The handle must be
// closed.
//
// The first writer that opens a journal after the machine was started, or after
// the control file was removed, makes sure that what is there is on disk and
// begins a new segment.
func Open(dir string, opts Options) (*Journal, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	j := &Journal{opt: opts, closed: make(chan struct{})}
	j.opt.OnDamage = j.readers.met(opts.OnDamage)
	retains := opts.Retention.limits() && !opts.ReadOnly
	wopts := opts.writer()
	if retains {
		j.retainer.wake = make(chan struct{}, 1)
		wopts.Began = j.retainer.due
	}
	if opts.ReadOnly {
		j.dir, err = openDir(dir)
	} else if j.w, err = writer.Open(dir, wopts); err == nil {
		j.dir = j.w.Dir()
	}
	if err != nil {
		return nil, err
	}
	j.files.open = j.openSegment
	if j.w != nil && opts.Sync == SyncInterval {
		j.syncer.Add(1)
		go j.syncEvery(opts.SyncInterval)
	}
	if retains {
		j.retainer.due()
		j.retainer.done.Add(1)
		go j.retainAlways()
	}
	return j, nil
}

// openDir opens an existing journal for reading.
func openDir(path string) (*segment.Dir, error) {
	d, err := segment.OpenDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Op: "open", Path: path, Err: fmt.Errorf("%w: %w", ErrNotJournal, fs.ErrNotExist)}
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.Identify(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// UUID is the identity of the journal, which tells it from every other one.
func (j *Journal) UUID() [16]byte { return j.dir.UUID }

// WriterID is the identity that this handle's records carry, 0 if it is
// read-only.
func (j *Journal) WriterID() uint64 {
	if j.w == nil {
		return 0
	}
	return j.w.ID()
}

// Close waits until the appends that are under way have ended, and closes the
// handle. Under SyncInterval it syncs what was not synced yet, under SyncNone
// it does not. It waits for a retention that is due (Options.Retention), and returns
// the error of the last one if there is no Options.OnRetention. Iterators of the
// handle end with ErrClosed. If records of this handle
// were caught in a failed sync, which no call has told of, the error is
// ErrOutcomeUnknown.
func (j *Journal) Close() error {
	err := error(ErrClosed)
	j.once.Do(func() {
		j.ended.Store(true)
		close(j.closed)
		j.syncer.Wait()
		j.retainer.done.Wait()
		j.durable.Lock()
		defer j.durable.Unlock()
		err = j.close()
	})
	return err
}

func (j *Journal) close() error {
	var err error
	if j.w != nil {
		if j.opt.Sync == SyncInterval && j.dirty.Load() {
			err = j.w.Sync()
		}
		err = errors.Join(j.takeBehind(), err, j.retainer.last)
	}
	j.news.close()
	err = errors.Join(err, j.keys.close(), j.files.close())
	if j.w != nil {
		return errors.Join(err, j.w.Close())
	}
	return errors.Join(err, j.dir.Close())
}

// closing returns ErrClosed in place of what a closed file says to somebody who
// was reading when Close was called.
func (j *Journal) closing(err error) error {
	if errors.Is(err, os.ErrClosed) && j.isClosed() {
		return ErrClosed
	}
	return err
}

// isClosed reports whether Close was called.
func (j *Journal) isClosed() bool { return j.ended.Load() }

// writable returns why the handle cannot be written, or nil.
func (j *Journal) writable() error {
	switch {
	case j.isClosed():
		return ErrClosed
	case j.w == nil:
		return ErrReadOnly
	}
	return j.takeBehind()
}

// takeBehind returns the error of a background sync, once.
func (j *Journal) takeBehind() error {
	if j.behind.Load() == nil {
		return nil
	}
	if p := j.behind.Swap(nil); p != nil {
		return *p
	}
	return nil
}
