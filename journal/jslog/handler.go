package jslog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/manypen/manypen/internal/spool"
	"github.com/manypen/manypen/journal"
)

// Handler is a slog.Handler whose records stand in a journal. It may be used by
// any number of goroutines; those made of it by WithAttrs and WithGroup share its
// buffer and its counters.
type Handler struct {
	c *core
	// pre is what was made of the attributes given to WithAttrs, with opened of the
	// groups open at its end.
	pre    []byte
	groups []string
	opened int
}

// appender is what a handler needs of a journal.
type appender interface {
	AppendAck(key, value []byte) (journal.Ack, error)
	AppendSync(key, value []byte) (journal.Ack, error)
	AppendBatch(b *journal.Batch) (journal.Position, error)
	AppendBatchSync(b *journal.Batch) (journal.Position, error)
	Sync() error
}

// core is what a handler shares with those made of it.
type core struct {
	j     appender
	opt   Options
	sp    *spool.Spool  // nil: not buffered
	batch journal.Batch // of who flushes the buffer

	handled, dropped, failed, unknown atomic.Uint64

	// lost is the number of records that are not in the journal, and no notice says
	// so yet.
	lost atomic.Uint64
	// saying is held by who appends a notice.
	saying sync.Mutex
	// unsynced says that something was appended that nobody has waited for since
	// the last Sync began.
	unsynced atomic.Bool
	closed   atomic.Bool
}

// New returns a handler that appends to j, which must stay open while it is
// used. If opts is nil the options are zero. A handler with a Buffer must be
// closed, or at least flushed, at the end of the program.
//
// If records wait for the disk is up to the journal's Options.Sync. Under its
// default every call does; SyncInterval with SyncAt for errors suits most logs.
func New(j *journal.Journal, opts *Options) *Handler { return newHandler(j, opts) }

func newHandler(j appender, opts *Options) *Handler {
	c := &core{j: j}
	if opts != nil {
		c.opt = *opts
	}
	c.opt.Key = bytes.Clone(c.opt.Key)
	c.opt.Buffer = c.opt.Buffer.withDefaults()
	if b := c.opt.Buffer; b.Size > 0 {
		c.sp = spool.New(spool.Options{
			Size:     b.Size,
			Interval: b.Interval,
			Append:   c.appendAll,
			Count:    c.count,
			After:    c.flushed,
			Closed:   journal.ErrClosed,
		})
	}
	return &Handler{c: c}
}

// Enabled reports whether records of this level are logged.
func (h *Handler) Enabled(_ context.Context, level slog.Level) bool {
	if h.c.opt.Level == nil {
		return level >= slog.LevelInfo
	}
	return level >= h.c.opt.Level.Level()
}

// WithAttrs returns a handler whose records have these attributes too. They are
// formatted once, here.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if !slices.ContainsFunc(attrs, notEmptyGroup) {
		return h
	}
	h2 := *h
	h2.pre, h2.opened = h.withAttrs(attrs)
	return &h2
}

func notEmptyGroup(a slog.Attr) bool {
	return a.Value.Kind() != slog.KindGroup || len(a.Value.Group()) > 0
}

// WithGroup returns a handler that puts the attributes that are added to it into
// a group. An empty name changes nothing.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	h2 := *h
	h2.groups = append(slices.Clip(h.groups), name)
	return &h2
}

// Handle appends a record whose value is the line that slog.JSONHandler would
// write, without its newline. Nothing of it is kept.
//
// Without a Buffer the record is in the journal when Handle returns nil, and is
// not otherwise, but for journal.ErrOutcomeUnknown. With one, the record is in
// the buffer, or was handed on already if SyncAt or FlushAt wants it; an error is
// that of the flush that this call has brought about, or of a closed handler, and
// a record that was dropped is no error. What Handle returns OnError was told
// too.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	s := h.newState()
	s.record(h, &r)
	err := h.c.put(s.buf, r.Level)
	s.free()
	return err
}

// put appends a line, or gives it to the buffer.
func (c *core) put(line []byte, level slog.Level) error {
	durable := reaches(level, c.opt.SyncAt)
	if c.sp == nil {
		return c.putNow(line, durable)
	}
	var err error
	if durable || reaches(level, c.opt.Buffer.FlushAt) {
		err = c.sp.PutWait(line, durable)
	} else {
		err = c.sp.Put(line, c.opt.Overflow.drops(level))
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, spool.ErrFull) {
		c.dropped.Add(1)
		c.lost.Add(1)
		return nil
	}
	var flush *journal.BufferError
	if !errors.As(err, &flush) { // then nobody was told and nothing counted
		c.count(1, err)
		c.tell(err)
	}
	return err
}

// putNow is put without a buffer.
func (c *core) putNow(line []byte, durable bool) error {
	err := error(journal.ErrClosed)
	if !c.closed.Load() {
		err = c.appendOne(line, durable)
	}
	c.count(1, err)
	if err != nil {
		c.tell(err)
		return err
	}
	if c.lost.Load() > 0 {
		c.say()
	}
	return nil
}

// appendAll is what the buffer hands records to.
func (c *core) appendAll(lines [][]byte, durable bool) error {
	if len(lines) == 1 {
		return c.appendOne(lines[0], durable)
	}
	for _, line := range lines {
		c.batch.Put(c.opt.Key, line)
	}
	var err error
	if durable {
		_, err = c.j.AppendBatchSync(&c.batch)
	} else {
		_, err = c.j.AppendBatch(&c.batch)
	}
	c.batch.Reset()
	c.noteUnsynced(err, durable)
	return err
}

func (c *core) appendOne(line []byte, durable bool) error {
	var err error
	if durable {
		_, err = c.j.AppendSync(c.opt.Key, line)
	} else {
		_, err = c.j.AppendAck(c.opt.Key, line)
	}
	c.noteUnsynced(err, durable)
	return err
}

// noteUnsynced remembers that a Sync has something to do. It is set behind the
// append: if it were set before, a Sync in between would clear it for nothing.
func (c *core) noteUnsynced(err error, durable bool) {
	if !durable && !c.unsynced.Load() || errors.Is(err, journal.ErrOutcomeUnknown) {
		c.unsynced.Store(true)
	}
}

// count says what became of n records.
func (c *core) count(n int, err error) {
	switch {
	case err == nil:
		c.handled.Add(uint64(n))
	case errors.Is(err, journal.ErrOutcomeUnknown):
		c.unknown.Add(uint64(n))
	default:
		c.failed.Add(uint64(n))
		c.lost.Add(uint64(n))
	}
}

func (c *core) tell(err error) {
	if c.opt.OnError != nil {
		c.opt.OnError(err)
	}
}

// flushed is what the buffer calls behind each flush.
func (c *core) flushed(err error) {
	if err != nil {
		c.tell(err)
		return
	}
	c.say()
}

// say appends a notice if records were lost. If that fails, the next say tries
// again, with what is lost by then; that an append has failed OnError hears from
// the next record.
func (c *core) say() {
	c.saying.Lock()
	defer c.saying.Unlock()
	n := c.lost.Load()
	if n == 0 {
		return
	}
	s := c.notice(n)
	defer s.free()
	// If the outcome is unknown it counts as said: it must not be said twice.
	if err := c.appendOne(s.buf, false); err == nil || errors.Is(err, journal.ErrOutcomeUnknown) {
		c.lost.Add(-n)
	}
}

// Flush appends what is in the buffer, and the notice if something was dropped or
// has failed since the last one. When it returns nil, every record that was
// handled before is in the journal, unless it was dropped or an earlier call of
// Flush, Sync or Close has returned its error.
func (h *Handler) Flush() error {
	var err error
	if h.c.sp != nil {
		err = h.c.sp.Flush(false)
	}
	h.c.say()
	return err
}

// Sync is Flush, and returns when everything that was handled is on disk. If there
// is nothing to do it does nothing and returns nil.
func (h *Handler) Sync() error {
	err := h.Flush()
	if !h.c.unsynced.Swap(false) {
		return err
	}
	if sync := h.c.j.Sync(); sync != nil {
		h.c.unsynced.Store(true)
		h.c.tell(sync)
		return errors.Join(err, sync)
	}
	return err
}

// Close is Flush, and ends the handler and all that share its buffer, and the
// goroutine of Buffer.Interval. It does not close the journal, nor wait for the
// disk; Sync does. Further records fail with journal.ErrClosed. A second Close
// does nothing.
func (h *Handler) Close() error {
	if h.c.closed.Swap(true) {
		return nil
	}
	var err error
	if h.c.sp != nil {
		err = h.c.sp.Close()
	}
	h.c.say()
	return err
}

// Stats counts the records of a handler and of those that share its buffer. Each
// is one of them, notices none.
type Stats struct {
	// Handled are in the journal.
	Handled uint64
	// Dropped were let go because the buffer was full.
	Dropped uint64
	// Failed are not in the journal because their append has failed.
	Failed uint64
	// Unknown may be in the journal, and on disk, or not: ErrOutcomeUnknown.
	Unknown uint64
	// Buffered are in the buffer; those that are being written right now are in no
	// number.
	Buffered int
}

// Stats returns the counters.
func (h *Handler) Stats() Stats {
	st := Stats{
		Handled: h.c.handled.Load(),
		Dropped: h.c.dropped.Load(),
		Failed:  h.c.failed.Load(),
		Unknown: h.c.unknown.Load(),
	}
	if h.c.sp != nil {
		st.Buffered = h.c.sp.Len()
	}
	return st
}
