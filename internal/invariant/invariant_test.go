package invariant

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestHeld(t *testing.T) {
	var m sync.Mutex
	m.Lock()
	Held(&m, "m")
	m.Unlock()
	defer func() {
		text := fmt.Sprint(recover())
		if want := Enabled; strings.Contains(text, "m is not locked") != want {
			t.Errorf("with invariants %v: %s", Enabled, text)
		}
		if !m.TryLock() {
			t.Error("Held has left the mutex locked")
		}
	}()
	Held(&m, "m")
}
