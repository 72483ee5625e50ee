package vio

import "sync"

// maxPooled is the largest buffer, in bytes, that is kept for the next call:
// one huge record must not hold its size in memory for good.
const maxPooled = 1 << 20

// minBuffer spares the pool a ladder of ever slightly larger buffers.
const minBuffer = 16 << 10

type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// getBuffer returns a buffer with a capacity of at least n bytes, length 0.
func getBuffer(n int) *buffer {
	p := buffers.Get().(*buffer)
	if cap(p.b) < n {
		p.b = make([]byte, 0, roundUp(n))
	}
	p.b = p.b[:0]
	return p
}

func putBuffer(p *buffer) {
	if cap(p.b) > maxPooled {
		p.b = nil
	}
	buffers.Put(p)
}

// roundUp returns the capacity to make for n bytes: a power of two as long as
// the buffer will be kept, n itself beyond.
func roundUp(n int) int {
	if n > maxPooled {
		return n
	}
	size := minBuffer
	for size < n {
		size *= 2
	}
	return size
}
