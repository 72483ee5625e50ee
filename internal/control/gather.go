package control

import "time"

// Group commit pays most if everybody who syncs again and again is in the same
// group. Left alone two groups form, of which one syncs while the other appends: a
// sync covers half of them. So who has the sync lock may wait a moment for those
// whom the last sync has let go. Three words of the page help with that. They are
// hints: nothing but time depends on them, and whatever is in them, or is left in
// them by somebody who died, is gone after one turn.
//
//	came      handles that wait for the lock in this turn
//	wanted    what came has to be for the one who gathers to be woken, 0 if nobody does
//	expected  handles that took part in the last turn, its holder included

// Come says that the caller waits for the lock, once in each turn.
func (p *Page) Come() error {
	full := false
	p.guard(func() { full = p.word32(offCame).Add(1) == p.word32(offWanted).Load() })
	if !full {
		return nil
	}
	return p.wake(offCame)
}

// Gather waits until as many handles wait for the lock, which the caller holds, as
// took part in the last turn, but no longer than max. tried is false if there is
// nobody to wait for, all whether they have come.
func (p *Page) Gather(max time.Duration) (tried, all bool, err error) {
	if p.Private() {
		return false, false, nil
	}
	var expected uint32
	p.guard(func() { expected = p.word32(offExpected).Load() })
	if expected <= 1 || expected > maxGroup {
		return false, false, nil
	}
	p.guard(func() { p.word32(offWanted).Store(expected - 1) })
	defer p.guard(func() { p.word32(offWanted).Store(0) })
	for end := time.Now().Add(max); ; {
		var came uint32
		p.guard(func() { came = p.word32(offCame).Load() })
		if came >= expected-1 {
			return true, true, nil
		}
		left := time.Until(end)
		if left <= 0 || p.lost.Load() {
			return true, false, nil
		}
		if err := p.sleep(offCame, came, left); err != nil {
			return true, false, err
		}
	}
}

// maxGroup is more handles than will ever sync at once; a word above it is garbage.
const maxGroup = 4096

// dismiss ends a turn.
func (p *Page) dismiss() {
	p.guard(func() { p.word32(offExpected).Store(p.word32(offCame).Swap(0) + 1) })
}
