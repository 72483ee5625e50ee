package host

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

var errReplaced = errors.New("the name belongs to another file now")

func checkSeal(f *os.File, limit, capOffset int64) error {
	if limit < 1 || capOffset < limit {
		return pathError("seal", nameOf(f),
			fmt.Errorf("limit %d, byte at %d: %w", limit, capOffset, fs.ErrInvalid))
	}
	return nil
}

// sealByte is the seal where there is no fallocate: a zero byte at off, where
// no valid record can reach, through a second descriptor. On Linux a positioned
// write through one with O_APPEND ignores its position and appends. The second
// one comes from the name, and the name may belong to a repaired copy by now
// (V5): a byte in there would seal the wrong inode and leave this one open.
func sealByte(f, dir *os.File, name string, off int64) error {
	plain, err := OpenIn(dir, name, os.O_WRONLY)
	if err != nil {
		return err
	}
	// The byte need not be durable (I4'), so nothing hangs on the close.
	defer plain.Close()
	was, err := StatFile(f)
	if err != nil {
		return err
	}
	is, err := StatFile(plain)
	if err != nil {
		return err
	}
	if !was.SameFile(is) {
		return pathError("seal", nameOf(f), errReplaced)
	}
	n, err := plain.WriteAt([]byte{0}, off)
	if err == nil && n != 1 {
		err = pathError("seal", nameOf(f), io.ErrShortWrite)
	}
	return err
}
