package jslog

import (
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// state is what formatting one record, or the attributes of one WithAttrs,
// takes.
//
// Whether a comma is due is seen at the last byte: behind an opening brace there
// is none, and no value ends in one.
type state struct {
	buf     []byte
	replace func(groups []string, a slog.Attr) slog.Attr
	// groups are the open ones; they are kept only for replace.
	groups []string
	// builtin: time, level, source and message are in no group, and replace is
	// given none.
	builtin bool
}

var states = sync.Pool{New: func() any { return &state{buf: make([]byte, 0, 1024), groups: make([]string, 0, 8)} }}

func (h *Handler) newState() *state {
	s := states.Get().(*state)
	s.replace = h.c.opt.ReplaceAttr
	if s.replace != nil {
		s.groups = append(s.groups, h.groups[:h.opened]...)
	}
	return s
}

func (s *state) free() {
	if cap(s.buf) > maxPooled {
		return
	}
	clear(s.groups)
	*s = state{buf: s.buf[:0], groups: s.groups[:0]}
	states.Put(s)
}

// record appends r with everything that h knows, without a newline.
func (s *state) record(h *Handler, r *slog.Record) {
	s.buf = append(s.buf, '{')
	s.builtin = true
	s.head(h, r)
	s.builtin = false
	if len(h.pre) > 0 {
		s.comma()
		s.buf = append(s.buf, h.pre...)
	}
	opened := h.opened
	if r.NumAttrs() > 0 {
		before := len(s.buf)
		s.open(h.groups[h.opened:])
		some := false
		r.Attrs(func(a slog.Attr) bool {
			some = s.attr(a) || some
			return true
		})
		if some {
			opened = len(h.groups)
		} else { // replace has taken them all: the groups are empty
			s.buf = s.buf[:before]
		}
	}
	for range opened {
		s.buf = append(s.buf, '}')
	}
	s.buf = append(s.buf, '}')
}

// head appends time, level, source and message.
func (s *state) head(h *Handler, r *slog.Record) {
	if s.replace != nil {
		s.replacedHead(h, r)
		return
	}
	if !r.Time.IsZero() {
		s.buf = append(s.buf, `"time":`...)
		s.buf = appendTime(s.buf, r.Time)
		s.buf = append(s.buf, ',')
	}
	s.buf = append(s.buf, `"level":`...)
	s.buf = appendString(s.buf, r.Level.String())
	if h.c.opt.AddSource {
		s.buf = append(s.buf, sourceOf(r)...)
	}
	s.buf = append(s.buf, `,"msg":`...)
	s.buf = appendString(s.buf, r.Message)
}

// replacedHead is head where each of the four may be changed or left out.
func (s *state) replacedHead(h *Handler, r *slog.Record) {
	if !r.Time.IsZero() {
		s.attr(slog.Time(slog.TimeKey, r.Time.Round(0))) // without the monotonic clock
	}
	s.attr(slog.Any(slog.LevelKey, r.Level))
	if h.c.opt.AddSource {
		src := r.Source()
		if src == nil {
			src = new(slog.Source)
		}
		s.attr(slog.Any(slog.SourceKey, src))
	}
	s.attr(slog.String(slog.MessageKey, r.Message))
}

// attr appends an attribute and reports whether there was one to append. A group
// that has no attributes counts, and leaves nothing behind.
func (s *state) attr(a slog.Attr) bool {
	a.Value = a.Value.Resolve()
	kind := a.Value.Kind()
	if s.replace != nil && kind != slog.KindGroup {
		var groups []string
		if !s.builtin {
			groups = s.groups
		}
		a = s.replace(groups, a)
		a.Value = a.Value.Resolve()
		kind = a.Value.Kind()
	}
	if kind == slog.KindAny {
		v := a.Value.Any()
		if v == nil && a.Key == "" {
			return false
		}
		if src, ok := v.(*slog.Source); ok {
			if src == nil || *src == (slog.Source{}) {
				return false
			}
			a.Value = sourceGroup(src)
			kind = slog.KindGroup
		}
	}
	if kind == slog.KindGroup {
		return s.group(a.Key, a.Value.Group())
	}
	s.key(a.Key)
	s.buf = appendValue(s.buf, a.Value)
	return true
}

// group appends a group, or only what is in it if it has no name.
func (s *state) group(name string, attrs []slog.Attr) bool {
	if len(attrs) == 0 {
		return true
	}
	before, depth := len(s.buf), len(s.groups)
	if name != "" {
		s.openGroup(name)
	}
	some := false
	for _, a := range attrs {
		some = s.attr(a) || some
	}
	switch {
	case !some:
		s.buf = s.buf[:before]
	case name != "":
		s.buf = append(s.buf, '}')
	}
	s.groups = s.groups[:depth]
	return some
}

func (s *state) open(groups []string) {
	for _, name := range groups {
		s.openGroup(name)
	}
}

func (s *state) openGroup(name string) {
	s.key(name)
	s.buf = append(s.buf, '{')
	if s.replace != nil && !s.builtin {
		s.groups = append(s.groups, name)
	}
}

func (s *state) key(name string) {
	s.comma()
	s.buf = appendString(s.buf, name)
	s.buf = append(s.buf, ':')
}

func (s *state) comma() {
	if n := len(s.buf); n > 0 && s.buf[n-1] != '{' {
		s.buf = append(s.buf, ',')
	}
}

// withAttrs returns what h.pre becomes with attrs, and how many groups are open
// in it then.
func (h *Handler) withAttrs(attrs []slog.Attr) (pre []byte, opened int) {
	s := h.newState()
	defer s.free()
	s.buf = append(s.buf, h.pre...)
	s.open(h.groups[h.opened:])
	some := false
	for _, a := range attrs {
		some = s.attr(a) || some
	}
	if !some {
		return h.pre, h.opened
	}
	return slices.Clone(s.buf), len(h.groups)
}

// sourceGroup returns the parts of src that are known.
func sourceGroup(src *slog.Source) slog.Value {
	attrs := make([]slog.Attr, 0, 3)
	if src.Function != "" {
		attrs = append(attrs, slog.String("function", src.Function))
	}
	if src.File != "" {
		attrs = append(attrs, slog.String("file", src.File))
	}
	if src.Line != 0 {
		attrs = append(attrs, slog.Int("line", src.Line))
	}
	return slog.GroupValue(attrs...)
}

// sources remembers what the places that log look like: to find out takes longer
// than everything else. There are as many as there are calls in the program; a
// map that was published is not changed any more.
var sources struct {
	known atomic.Pointer[map[uintptr][]byte]
	mu    sync.Mutex // of who publishes
}

// maxSources bounds them: who makes up program counters gets no memory for it.
const maxSources = 4096

// sourceOf returns the source attribute of r with the comma in front, or nothing
// if it has none.
func sourceOf(r *slog.Record) []byte {
	if r.PC == 0 {
		return nil
	}
	known := sources.known.Load()
	if known != nil {
		if text, ok := (*known)[r.PC]; ok {
			return text
		}
	}
	frame, _ := runtime.CallersFrames([]uintptr{r.PC}).Next()
	src := slog.Source{Function: frame.Function, File: frame.File, Line: frame.Line}
	s := state{buf: []byte{' '}} // to which a comma is added
	s.attr(slog.Any(slog.SourceKey, &src))
	text := s.buf[1:]
	remember(r.PC, text)
	return text
}

func remember(pc uintptr, text []byte) {
	sources.mu.Lock()
	defer sources.mu.Unlock()
	more := make(map[uintptr][]byte)
	if known := sources.known.Load(); known != nil {
		if len(*known) >= maxSources {
			return
		}
		for k, v := range *known {
			more[k] = v
		}
	}
	more[pc] = text
	sources.known.Store(&more)
}

// notice is the line that says how many records were dropped or have failed.
func (c *core) notice(n uint64) *state {
	h := &Handler{c: c}
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "dropped "+strconv.FormatUint(n, 10), 0)
	r.AddAttrs(slog.Uint64("dropped", n))
	s := h.newState()
	s.record(h, &r)
	return s
}
