package control

// Who holds the sync lock may wait a moment for others to join in. Two words of the
// page help to decide for whom. They are hints: nothing but time depends on them,
// and whatever is in them, or is left in them by somebody who died, is gone after one
// turn.
//
//	came      handles that wait for the lock in this turn
//	expected  handles that took part in the last turn, its holder included

// Come says that the caller waits for the lock, once in each turn.
func (p *Page) Come() { p.guard(func() { p.word32(offCame).Add(1) }) }

// Came is how many have come in this turn.
func (p *Page) Came() (n int) {
	p.guard(func() { n = int(p.word32(offCame).Load()) })
	return n
}

// Expected is how many can be expected to come: those who took part in the last
// turn, but for the one who holds the lock now.
func (p *Page) Expected() (n int) {
	if p.Private() {
		return 0
	}
	p.guard(func() { n = int(p.word32(offExpected).Load()) })
	if n < 1 || n > maxGroup {
		return 0
	}
	return n - 1
}

// maxGroup is more handles than will ever sync at once; a word above it is garbage.
const maxGroup = 4096

// dismiss ends a turn.
func (p *Page) dismiss() {
	p.guard(func() { p.word32(offExpected).Store(p.word32(offCame).Swap(0) + 1) })
}
