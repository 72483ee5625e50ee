package control

// Active is the highest segment whose name is known to be durable. Everybody
// who has made sure of a name raises it. It is a hint: too low costs its reader
// a look into the directory, or one void append.
func (p *Page) Active() uint64 { return p.load64(offActive) }

// RaiseActive publishes that the name of segment n is durable (R6, R7).
func (p *Page) RaiseActive(n uint64) { p.raise(offActive, n) }

// Syn is the position up to which every valid byte of the journal is on disk
// and reachable by name (I7). It is raised under the sync lock, after the
// fdatasync; reading it without the lock may find it too low, which costs a
// look under the lock.
func (p *Page) Syn() Pos { return Pos(p.load64(offSyn)) }

// OK is the number of the last attempt known to have succeeded. Written under
// the sync lock, after syn; read under it.
func (p *Page) OK() uint64 { return p.load64(offOK) }

func (p *Page) attempts() uint64 { return p.load64(offAtt) }

// Sample returns the number of the last attempt that was begun. Whoever has
// opened a segment samples it afterwards, never before (C16): every error that
// the descriptor can not report any more was then seen in an attempt of at most
// that number. The loads and stores of Go's atomics are sequentially
// consistent, so the system call in front cannot pass it.
func (p *Page) Sample() uint64 { return p.attempts() }

// Trusts reports whether a descriptor with this sample would report every
// write-back error since the last good fdatasync (S3, I8). It must be asked
// under the sync lock: then no attempt is under way, and one without an outcome
// belongs to a process that died in it, perhaps with an error that nobody else
// will ever be told (C15).
func (p *Page) Trusts(sample uint64) bool { return sample <= p.OK() }

// Begin opens an attempt (S4): the caller holds the sync lock and is about to
// call fdatasync. False means that the page is lost and the attempt must not
// be made, since its outcome could not be published.
func (p *Page) Begin() (attempt uint64, ok bool) {
	attempt = p.attempts() + 1
	p.raise(offAtt, attempt)
	return attempt, p.attempts() == attempt
}

// Succeeded ends an attempt (S5): syn before ok, for who sees ok raised may
// rely on the other.
func (p *Page) Succeeded(attempt uint64, syn Pos) {
	p.raise(offSyn, uint64(syn))
	p.raise(offOK, attempt)
}

// Failed ends an attempt for good (S5). Nobody may be told of the failure
// before everybody can see it.
func (p *Page) Failed() { p.raise(offBad, 1) }

// Bad reports whether an fdatasync has failed. What was not synced then is of
// unknown outcome; the journal goes on with a new page.
func (p *Page) Bad() bool { return p.load64(offBad) != 0 }
