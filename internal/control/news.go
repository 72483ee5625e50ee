package control

import "time"

// Those who follow a journal sleep until somebody has appended. Two words of the
// page are for that, side by side in a cache line of their own:
//
//	armed  somebody sleeps, or is about to
//	news   changes when something was appended after that
//
// They are hints: a follower looks by itself once in a while, for the page may be
// lost, or left by the writers. A follower that dies leaves armed set, which costs
// one writer one needless call.

// News is what [Page.AwaitNews] is to be called with. A follower reads it first,
// then arms, then looks for records, and then sleeps.
func (p *Page) News() (n uint32) {
	p.guard(func() { n = p.word32(offNews).Load() })
	return n
}

// Arm says that the caller will sleep unless it finds something. The store is in
// front of the caller's next system call, by which it looks, for every processor:
// Go's atomics are sequentially consistent, and a writer loads the word after the
// system call by which it has appended. So if the caller does not see the record
// the writer sees the word.
func (p *Page) Arm() {
	p.guard(func() { p.word32(offArmed).Store(1) })
}

// AwaitNews sleeps until [Page.News] is not news any more, and for no longer than
// max. It may return early.
func (p *Page) AwaitNews(news uint32, max time.Duration) error { return p.sleep(offNews, news, max) }

// Tell wakes those who follow. It is one load if nobody does.
func (p *Page) Tell() error {
	armed := uint32(0)
	p.guard(func() { armed = p.word32(offArmed).Load() })
	if armed == 0 {
		return nil
	}
	return p.Call()
}

// Call is Tell, and wakes them even if none has armed.
func (p *Page) Call() error {
	p.guard(func() {
		// In this order: who arms behind the store finds the record, or is told
		// of the next one.
		p.word32(offArmed).Store(0)
		p.word32(offNews).Add(1)
	})
	return p.wake(offNews)
}
