//go:build !vio_portable

package vio

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	benchWriters = append(benchWriters, benchWriter{"xsys", func(f *os.File, bufs [][]byte) error {
		// EINVAL for more than 1024 pieces; not safe against Close.
		_, err := unix.Writev(int(f.Fd()), bufs)
		return err
	}})
}

// BenchmarkCostCurve sets the three ways of a vector into the system call
// against each other: an iovec for each piece, one copy, and, for pieces that lie
// in one block, one iovec for them. The rule of copySize comes from here.
func BenchmarkCostCurve(b *testing.B) {
	for _, read := range []bool{false, true} {
		for _, pieces := range []int{2, 4, 8, 16, 64, 1024} {
			for _, size := range []int{16, 64, 256, 512, 1 << 10, 2 << 10, 4 << 10, 16 << 10} {
				if pieces*size > 1<<20 {
					continue
				}
				b.Run(fmt.Sprintf("read=%t/%dx%d", read, pieces, size), func(b *testing.B) { costCurve(b, read, pieces, size) })
			}
		}
	}
}

func costCurve(b *testing.B, read bool, pieces, size int) {
	block := make([]byte, pieces*size)
	apart := vectorOf(even(block, pieces)) // their capacity does not reach to the next
	joined := vectorOf(nil)
	for i := range pieces {
		joined.bufs = append(joined.bufs, block[i*size:(i+1)*size])
	}
	f, data := tempFile(b, nil), tempFile(b, block)
	move := func(iovs []iov) error { _, err := sysWrite(f, iovs, place{off: Current}); return err }
	if read {
		move = func(iovs []iov) error { _, err := sysRead(data, iovs, place{}); return err }
	}
	var iovs [MaxIovs]iov
	inTurns(b, f, max(4, 256/pieces), []string{"iovecs", "copy", "merged"}, []func() error{
		func() error { return move(iovs[:fillMerged(iovs[:], &apart)]) },
		func() error {
			p := getBuffer(len(block))
			defer putBuffer(p)
			if !read {
				p.b = apart.gather(p.b, len(block))
			}
			setIov(&iovs[0], p.b[:len(block)])
			err := move(iovs[:1])
			if read {
				apart.scatter(p.b[:len(block)])
			}
			return err
		},
		func() error { return move(iovs[:fillMerged(iovs[:], &joined)]) },
	})
}
