//go:build !windows

package vio

// MaxBytes is the largest number of bytes that one call moves: Linux's
// MAX_RW_COUNT for pages of 4 KiB (write(2), NOTES), on 32 and 64 bits alike.
// It fits an int everywhere. The other systems allow as much or slightly more,
// Darwin INT_MAX in total (write(2): EINVAL beyond), and have the same limit
// here so that a program meets one. It is a multiple of every sector's size, as
// a transfer with O_DIRECT needs where a loop cuts it.
const MaxBytes = 0x7ffff000
