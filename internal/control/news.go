package control

import (
	"runtime/debug"
	"sync/atomic"
	"time"
	"unsafe"
)

// Who reads a journal as it grows sleeps until there is news. Two words of the page
// spare a writer all but one load when nobody does:
//
//	armed  not zero while somebody wants to be woken: what news was, and bit 0
//	news   what sleepers sleep on; a number that grows by 2
//
// They are hints. Whoever sleeps does so for a bounded time and then looks by
// himself, so a word with anything in it, a page that others have left and a writer
// that died before it could tell cost time and no record. A page that an older
// version of this program has made has zeros here, which is how it begins.
//
// Nobody misses news, but for those faults. Whoever listens arms, looks for records
// and then sleeps as long as news is what it was before he armed. Whoever tells has
// written, then loads armed, then changes news, wakes, and disarms last: so if he
// dies at any step, whoever tells next does it all again. He disarms only what he has
// loaded, which is older than the change he has made to news, and so never somebody
// who armed after that: armed never goes back but to zero, see Listen.

// Listen says that the caller wants to be woken by the next news. What it looks for
// from now on, and does not find, will be told. It returns what to pass to
// [Page.AwaitNews].
func (p *Page) Listen() (seen uint32) {
	p.guard(func() {
		armed, news := p.word32(offArmed), p.word32(offNews)
		for {
			// In this order: what replaces old is not older than old, for news only
			// grows. Else a slow listener could put in the place of a younger arming
			// the very value that somebody who tells is about to remove.
			old := armed.Load()
			seen = news.Load()
			// Sequentially consistent, and the system call by which the caller looks
			// comes after it; whoever tells has made his before he loads armed. So
			// one of the two sees what the other has done.
			if armed.CompareAndSwap(old, seen|1) {
				return
			}
		}
	})
	return seen
}

// News is what Listen would return now; nobody is told because of it.
func (p *Page) News() (n uint32) {
	p.guard(func() { n = p.word32(offNews).Load() })
	return n
}

// AwaitNews sleeps until there has been news since the call of [Page.Listen] that
// returned seen, and for no longer than max. It reports whether there was; it may
// return early. The error is ErrUnusable, or of the system, if the page is of no
// use any more; then it has not slept.
func (p *Page) AwaitNews(seen uint32, max time.Duration) (bool, error) {
	if p.lost.Load() {
		return false, ErrUnusable
	}
	if err := p.sleep(offNews, seen, max); err != nil { // not if the page is private
		return false, err
	}
	return p.News() != seen, nil
}

// Tell wakes all who listen: there is something in the journal that a reader does not
// know of. It costs one load when nobody listens. It must come after the system call
// that has made the news. That nobody could be woken is no error of the caller: they
// will look by themselves.
func (p *Page) Tell() {
	if a := p.armed(); a != 0 {
		p.tell(a)
	}
}

// armed is guard with one load in it, made by hand: a closure and its captured
// variables would double what every append pays.
func (p *Page) armed() (a uint32) {
	if p.lost.Load() {
		return 0
	}
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if e := recover(); e != nil {
			p.fault(e)
		}
	}()
	return (*atomic.Uint32)(unsafe.Pointer(&p.words[offArmed])).Load()
}

// tell tells those whose arming is a.
func (p *Page) tell(a uint32) {
	p.change()
	p.guard(func() { p.word32(offArmed).CompareAndSwap(a, 0) })
}

// Interrupt makes AwaitNews return in whoever has called Listen by now.
func (p *Page) Interrupt() { p.change() }

// change makes all who sleep on news wake.
func (p *Page) change() {
	p.guard(func() { p.word32(offNews).Add(2) })
	// The only error is that the word is not mapped any more: the file was cut off.
	// Sleepers look by themselves.
	_ = p.wake(offNews)
}
