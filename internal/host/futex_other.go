//go:build !linux

package host

import (
	"runtime"
	"time"
)

// WaitWord sleeps for a while, at most max: here nobody can be woken.
func WaitWord(_ *uint32, _ uint32, max time.Duration) error {
	time.Sleep(min(max, time.Millisecond))
	return nil
}

// WakeWord does nothing: waiters look by themselves.
func WakeWord(*uint32) error { return nil }

// Yield lets others run.
func Yield() { runtime.Gosched() }
