//go:build !darwin && !windows

package vio

// MaxBytes is the largest number of bytes that one call moves: Linux's
// MAX_RW_COUNT for pages of 4 KiB (write(2), NOTES), on 32 and 64 bits alike.
// It fits an int everywhere. The other systems allow as much or more, and have
// the same limit here so that a program meets one.
const MaxBytes = 0x7ffff000
