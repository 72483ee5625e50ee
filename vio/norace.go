//go:build !(race && (linux || freebsd || netbsd || dragonfly)) && (linux || darwin || freebsd || netbsd || openbsd || dragonfly || illumos) && !vio_portable

package vio

// The wrappers of x/sys tell the race detector themselves.

func raceWrite([]iov)     {}
func raceRead([]iov, int) {}
