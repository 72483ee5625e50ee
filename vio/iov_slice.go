//go:build (darwin || openbsd || illumos) && !vio_portable

package vio

// iov is one piece as the wrappers of x/sys take it: these systems allow system
// calls only through their C library.
type iov = []byte

func setIov(v *iov, b []byte) { *v = b }
