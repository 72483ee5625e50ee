package control

import (
	"errors"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/manypen/manypen/internal/host"
)

// TryLock takes the sync lock if nobody has it (S2). It excludes other handles
// and other processes, not other goroutines of this handle, which take turns by
// a mutex: the lock belongs to the open file. The kernel lets it go when its
// holder dies, but only after the holder's system call has ended.
func (p *Page) TryLock() (bool, error) {
	if p.Private() {
		return true, nil
	}
	return host.TryLockByte(p.file, lockByte, true)
}

// Unlock lets the sync lock go (S6) and wakes all who wait for it: most of them
// will find that their records are on disk.
func (p *Page) Unlock() error {
	if p.Private() {
		return nil
	}
	p.dismiss()
	err := host.UnlockByte(p.file, lockByte)
	p.guard(func() { p.word32(offTurn).Add(1) })
	return errors.Join(err, p.wake(offTurn))
}

// Turn changes whenever the sync lock is let go by somebody alive.
func (p *Page) Turn() (n uint32) {
	p.guard(func() { n = p.word32(offTurn).Load() })
	return n
}

// Await sleeps until [Page.Turn] is not turn any more, and for no longer than max:
// a holder that dies lets the lock go and wakes nobody. It may return early.
func (p *Page) Await(turn uint32, max time.Duration) error { return p.sleep(offTurn, turn, max) }

// word32 is a word of 32 bits, for that is what the kernel waits on.
func (p *Page) word32(off int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&p.words[off]))
}

// sleep sleeps as long as a word is val. It may return early.
func (p *Page) sleep(off int, val uint32, max time.Duration) error {
	if p.Private() || p.lost.Load() {
		return nil // there is nothing to wait for
	}
	return host.WaitWord((*uint32)(unsafe.Pointer(p.word32(off))), val, max)
}

// wake wakes all who sleep on a word.
func (p *Page) wake(off int) error {
	if p.Private() || p.lost.Load() {
		return nil
	}
	return host.WakeWord((*uint32)(unsafe.Pointer(p.word32(off))))
}
