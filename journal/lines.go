package journal

import "bytes"

// lineBuffer cuts a stream into lines. It keeps the unfinished one, up to its
// limit. scan looks and commit remembers, so that what could not be appended
// leaves no trace and can be written again.
type lineBuffer struct {
	limit int
	// tail is the beginning of a line that has not ended.
	tail []byte
	// skipping: the line that has not ended is too long, and was left out.
	skipping bool
	// refused is the end of the tail's line, with its newline, that was scanned but
	// could not be appended. Who wrote it may write it again, or give it up and go
	// on with another line, which must not become part of this one.
	refused []byte

	lines [][]byte // of the last scan: parts of what was scanned, or of joined
	ends  []int    // of each line, behind its newline
	// joined is the tail and the end of its line.
	joined []byte
}

// scan returns the lines that end in p, valid until commit, and the size of one
// that became too long in p, or 0.
func (b *lineBuffer) scan(p []byte) (lines [][]byte, tooLong int) {
	b.lines, b.ends = b.lines[:0], b.ends[:0]
	if n := min(len(p), len(b.refused)); !bytes.Equal(p[:n], b.refused[:n]) {
		b.giveUp()
	}
	tail, skipping, at := b.tail, b.skipping, 0
	for {
		i := bytes.IndexByte(p[at:], '\n')
		rest := p[at:]
		if i >= 0 {
			rest = rest[:i]
		}
		size := len(tail) + len(rest)
		long := !skipping && size > b.limit
		if long {
			tooLong = size
		}
		if i < 0 {
			return b.lines, tooLong
		}
		at += i + 1
		if !skipping && !long {
			if len(tail) > 0 {
				b.joined = append(append(b.joined[:0], tail...), rest...)
				rest = b.joined
			}
			b.lines = append(b.lines, rest)
			b.ends = append(b.ends, at)
		}
		tail, skipping = nil, false
	}
}

// commit says that the first done lines of the last scan, of p, are dealt with.
// If these are all, the unfinished one at the end is kept. It returns how many
// bytes of p that makes.
func (b *lineBuffer) commit(p []byte, done int) int {
	if done < len(b.lines) {
		if done == 0 {
			if len(b.tail) > 0 || b.skipping {
				b.refused = append(b.refused[:0], p[:bytes.IndexByte(p, '\n')+1]...)
			}
			return 0
		}
		b.startLine()
		return b.ends[done-1]
	}
	b.refused = b.refused[:0]
	rest := p
	if i := bytes.LastIndexByte(p, '\n'); i >= 0 {
		b.startLine()
		rest = p[i+1:]
	}
	if b.skipping = b.skipping || len(b.tail)+len(rest) > b.limit; b.skipping {
		b.tail = b.tail[:0]
	} else {
		b.tail = append(b.tail, rest...)
	}
	clear(b.lines) // they are the caller's
	if cap(b.joined) > 64<<10 {
		b.joined = nil
	}
	return len(p)
}

// startLine forgets the unfinished line.
func (b *lineBuffer) startLine() {
	b.tail, b.skipping, b.refused = b.tail[:0], false, b.refused[:0]
}

// giveUp forgets an unfinished line whose end was refused.
func (b *lineBuffer) giveUp() {
	if len(b.refused) > 0 {
		b.startLine()
	}
}
