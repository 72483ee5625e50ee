package vio

// Current as an offset stands for the file position, which the transfer uses
// and moves.
const Current = -1

// place is where a transfer goes, and how.
type place struct {
	off   int64 // Current or an offset from the beginning of the file
	flags Flags
}

// behind returns the place n bytes further on.
func (p place) behind(n int64) place {
	if p.off != Current {
		p.off += n
	}
	return p
}

// mode is what becomes of a vector that one system call cannot take as it is.
type mode int

const (
	once  mode = iota // as much as one call takes
	all               // one of several calls: any part will do
	whole             // everything in one call, which the caller has measured
)

// A vector of more than fewIovs pieces, copyMean bytes or fewer on average, is
// copied together and moved from one place, up to copyTotal bytes in a call: an
// iovec costs the kernel 20 to 35 ns, whatever its length, and a copy of 1 KiB as
// much (docs/BENCHMARKS.md, "When to copy"). copyTotal keeps the copy within the
// second-level cache. A few pieces stay where they are: there is little to gain,
// and a record of header, key, value and checksum is one writev of four iovecs to
// everyone who traces it.
const (
	fewIovs   = 8
	copyMean  = 1 << 10
	copyTotal = 256 << 10
)
