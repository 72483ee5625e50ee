//go:build (!(linux || darwin || freebsd || netbsd || openbsd || dragonfly || illumos) || vio_portable) && !windows

package vio

import "os"

// Only Windows has calls that scatter and gather pages and nothing else.

func writePages(*os.File, *vector, place) (n int, ok bool, err error) { return 0, false, nil }
func readPages(*os.File, *vector, place) (n int, ok bool, err error)  { return 0, false, nil }
