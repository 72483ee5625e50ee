package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// dataSync makes what was written durable, and not the times of the file.
func dataSync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
