package journal

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/manypen/manypen/internal/spool"
)

// Defaults of WriterOptions.
const (
	DefaultMaxLine = 1 << 20
	DefaultBuffer  = 64 << 10
)

// BufferError says how many buffered records a failed flush was about. They are
// not in the journal, unless its cause is ErrOutcomeUnknown: then they may be.
type BufferError = spool.Error

// WriterOptions configures a LineWriter. The zero value makes a record of each
// Write, at once.
type WriterOptions struct {
	// Lines makes a record of each line instead, for programs whose writes begin
	// and end anywhere. What comes behind the last newline waits for the rest of its
	// line, or for Close. Without Lines a Write is one record, however many newlines
	// are in it.
	Lines bool
	// MaxLine is the most bytes that a line may have under Lines, its newline not
	// counted; 1 MiB by default. A longer one is left out as a whole, and the Write
	// that exceeds the limit says so by a [SizeError]. So is one that is larger than
	// the journal's MaxRecord.
	MaxLine int
	// Key is the key of all records; none by default. It is copied.
	Key []byte

	// Buffer, if it is not zero, is the number of bytes of records that are
	// collected in memory and appended together, by one system call. The Write that
	// fills the buffer appends it; Flush, Sync, WriteSync and Close do too. A process
	// that dies without them loses what is in the buffer, at most twice as much as
	// this and two records; nothing that was flushed. A negative Buffer is one of 64 KiB.
	Buffer int
	// FlushEvery is how long a record stays in the buffer at most. It needs a
	// goroutine, which Close ends; 0 is no limit. It implies a Buffer.
	FlushEvery time.Duration

	// OnError is called with every error that a Write or a flush returns, by the
	// goroutine it happens in: the packages that log discard it. It must not use
	// the writer.
	OnError func(error)
}

// LineWriter appends what is written to it to a journal, for packages that log to
// an io.Writer. It is an io.WriteCloser with a Sync, which is what zap wants.
//
// A Write that is one record loses one newline at its end, which packages that
// log add to what they are given; whatever else is in it stays. An empty Write
// makes no record, and a newline alone an empty one.
//
// It may be used by any number of goroutines. Under Lines they should write whole
// lines: unfinished ones of two goroutines cannot be told apart.
//
// It does not say in the journal what it could not append, as jslog does: it does
// not know the format. OnError is told.
type LineWriter struct {
	j   *Journal
	opt WriterOptions
	sp  *spool.Spool // nil: not buffered

	// dirty says that something was appended since the last Sync began, and that
	// nobody has waited for it to be on disk.
	dirty  atomic.Bool
	closed atomic.Bool

	batch Batch // of who flushes the buffer, or holds mu

	mu   sync.Mutex // of what follows; only Lines needs it
	line lineBuffer
}

// Writer returns a writer that makes records of what is written to it. It should
// be closed; that does not close the journal, which must be open until then. If
// records are to wait for the disk is up to Options.Sync; SyncInterval suits most
// logs.
func (j *Journal) Writer(opts WriterOptions) *LineWriter {
	opts.Key = bytes.Clone(opts.Key)
	if opts.MaxLine <= 0 {
		opts.MaxLine = DefaultMaxLine
	}
	if opts.Buffer < 0 || opts.Buffer == 0 && opts.FlushEvery > 0 {
		opts.Buffer = DefaultBuffer
	}
	w := &LineWriter{j: j, opt: opts, line: lineBuffer{limit: opts.MaxLine}}
	if opts.Buffer > 0 {
		w.sp = spool.New(spool.Options{
			Size:     opts.Buffer,
			Interval: opts.FlushEvery,
			Append:   w.append,
			After:    w.tell,
			Closed:   ErrClosed,
		})
	}
	return w
}

// Write appends p as one record, or every line that ends in it as one under
// Lines. Nothing of p is kept but an unfinished line.
//
// Not buffered, the n bytes it returns are what is in the journal, or is an
// unfinished line or one that was left out; the rest is not, and can be written
// again, unless the error is ErrOutcomeUnknown. Who writes something else instead
// gives up the line that had begun; it is never joined with another. All lines of
// one Write are one batch, that is, there together or not, unless the journal
// takes less at a time.
//
// Buffered, n is the length of p, and an error is that of the flush that p has
// brought about: a [BufferError], about records of earlier calls too.
func (w *LineWriter) Write(p []byte) (n int, err error) { return w.write(p, false) }

// WriteSync is Write, and returns when what it has appended is on disk, with
// all that is in front of it in the buffer and in the journal.
func (w *LineWriter) WriteSync(p []byte) (n int, err error) { return w.write(p, true) }

func (w *LineWriter) write(p []byte, durable bool) (n int, err error) {
	if w.closed.Load() {
		return 0, w.failed(ErrClosed)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case w.opt.Lines:
		return w.writeLines(p, durable)
	case w.sp != nil:
		return w.buffered(len(p), w.put(chomp(p), durable))
	}
	if err := w.appendOne(chomp(p), durable); err != nil {
		return 0, w.failed(err)
	}
	return len(p), nil
}

// chomp cuts off one newline at the end.
func chomp(p []byte) []byte {
	if p[len(p)-1] == '\n' {
		return p[:len(p)-1]
	}
	return p
}

// put gives a record to the buffer.
func (w *LineWriter) put(value []byte, durable bool) error {
	if durable {
		return w.sp.PutWait(value, true)
	}
	return w.sp.Put(value, false)
}

// buffered turns what put has returned into what Write returns for n bytes. What
// the flush met, OnError was told.
func (w *LineWriter) buffered(n int, err error) (int, error) {
	if errors.Is(err, ErrClosed) && !isFlush(err) {
		return 0, w.failed(err)
	}
	return n, err
}

// isFlush reports whether err is about records that were in the buffer.
func isFlush(err error) bool {
	var flush *BufferError
	return errors.As(err, &flush)
}

// writeLines is Write under Lines.
func (w *LineWriter) writeLines(p []byte, durable bool) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.Load() { // meanwhile; nobody would end the line that p begins
		return 0, w.failed(ErrClosed)
	}
	lines, cut := w.line.scan(p)
	if cut > 0 {
		err = w.failed(&SizeError{What: "line", Size: int64(cut), Limit: int64(w.opt.MaxLine)})
	}
	if w.sp == nil {
		done, failure := w.appendAll(lines, durable)
		return w.line.commit(p, done), errors.Join(err, failure)
	}
	for i, line := range lines {
		// Only the last one waits; with it all do.
		flush := w.put(line, durable && i == len(lines)-1)
		if flush != nil && !isFlush(flush) {
			return w.line.commit(p, i), errors.Join(err, w.failed(flush))
		}
		err = errors.Join(err, flush)
	}
	return w.line.commit(p, len(lines)), err
}

// appendAll appends lines together if they fit, and returns how many it has dealt
// with: what is too large alone is left out.
func (w *LineWriter) appendAll(lines [][]byte, durable bool) (done int, err error) {
	if len(lines) == 0 {
		return 0, nil
	}
	if err = w.append(lines, durable); err == nil {
		return len(lines), nil
	}
	if !errors.Is(err, ErrTooLarge) {
		return 0, w.failed(err)
	}
	if len(lines) == 1 {
		return 1, w.failed(err)
	}
	err = nil // the journal takes less at a time than that
	for i, line := range lines {
		failure := w.appendOne(line, durable)
		if failure == nil {
			continue
		}
		err = errors.Join(err, w.failed(failure))
		if !errors.Is(failure, ErrTooLarge) {
			return i, err
		}
	}
	return len(lines), err
}

// append appends records together.
func (w *LineWriter) append(values [][]byte, durable bool) error {
	if len(values) == 1 {
		return w.appendOne(values[0], durable)
	}
	for _, v := range values {
		w.batch.Put(w.opt.Key, v)
	}
	durable = durable || w.j.opt.Sync == SyncAlways
	_, err := w.j.appendBatch(&w.batch, durable)
	w.batch.Reset()
	w.appended(err, durable)
	return err
}

func (w *LineWriter) appendOne(value []byte, durable bool) error {
	durable = durable || w.j.opt.Sync == SyncAlways
	_, err := w.j.appendOne(KindData, w.opt.Key, value, durable)
	w.appended(err, durable)
	return err
}

// appended notes what a Sync has to do. It is set behind the append: if it were
// set before, a Sync in between would clear it for nothing.
func (w *LineWriter) appended(err error, durable bool) {
	if !durable || errors.Is(err, ErrOutcomeUnknown) {
		w.dirty.Store(true)
	}
}

// Flush appends what is in the buffer, and returns when all that was written
// before is in the journal. An unfinished line stays where it is. The error is
// the last one of a flush since a Flush, Sync or Close has returned one.
func (w *LineWriter) Flush() error {
	if w.sp == nil {
		return nil
	}
	return w.sp.Flush(false)
}

// Sync is Flush, and returns when everything that was written to w is on disk.
// If there is nothing to do it does nothing and returns nil, and so it does when
// the journal was closed meanwhile.
func (w *LineWriter) Sync() error {
	err := w.Flush()
	if !w.dirty.Swap(false) {
		return err
	}
	if sync := w.j.Sync(); sync != nil {
		w.dirty.Store(true)
		err = errors.Join(err, w.failed(fmt.Errorf("sync: %w", sync)))
	}
	return err
}

// Close appends what is in the buffer and an unfinished line, and closes w, not
// the journal. It does not wait for the disk; Sync does. Further Writes fail with
// ErrClosed; Sync, Flush and Close may be called.
func (w *LineWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed.Swap(true) {
		return nil
	}
	var err error
	w.line.giveUp()
	if tail := w.line.tail; len(tail) > 0 {
		if w.sp != nil {
			err = w.sp.Put(tail, false)
		} else if err = w.appendOne(tail, false); err != nil {
			err = w.failed(err)
		}
		w.line.startLine()
	}
	if w.sp == nil {
		return err
	}
	if isFlush(err) {
		err = nil // the spool says it again
	}
	return errors.Join(err, w.sp.Close())
}

// tell is what the spool calls after a flush.
func (w *LineWriter) tell(err error) {
	if err != nil {
		_ = w.failed(err)
	}
}

// failed tells OnError and returns err.
func (w *LineWriter) failed(err error) error {
	if w.opt.OnError != nil {
		w.opt.OnError(err)
	}
	return err
}
