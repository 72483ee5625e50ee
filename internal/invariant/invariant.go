// Package invariant checks what cannot be otherwise, in builds that are made to be
// tested: with the tag "invariants", or under the race detector. In other builds
// [Enabled] is a constant false, and what stands behind it is not compiled.
//
// An invariant depends on nothing but this module's own code. What a file, another
// process or a caller may bring about is no invariant: it gets an error.
package invariant

import (
	"fmt"
	"sync"
)

// Violated panics with what should have been otherwise. It stands behind a test of
// Enabled and of the condition, so that its arguments cost nothing elsewhere.
func Violated(format string, args ...any) {
	panic("invariant violated: " + fmt.Sprintf(format, args...))
}

// Held panics unless somebody has m locked; the caller should. It cannot tell who.
func Held(m *sync.Mutex, name string) {
	if Enabled && m.TryLock() {
		m.Unlock()
		Violated("%s is not locked", name)
	}
}
