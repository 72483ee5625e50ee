package vio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A Close while others append and read: each call either does all of its work
// or reports os.ErrClosed. Another file is opened right behind it, which gets
// the same descriptor on Unix; not one byte may reach that.
func TestConcurrentClose(t *testing.T) {
	for round := range 20 {
		dir := t.TempDir()
		f, err := openAppend(filepath.Join(dir, "closed"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		var started, done sync.WaitGroup
		work := []func() error{
			func() error { return closedOr(Appendv(f, even(make([]byte, 40), 4))) },
			func() error { return closedOr(Appendv(f, even(make([]byte, 40), 20))) },
			func() error { return closedOr(ReadvFullAt(f, even(make([]byte, 40), 4), 1)) },
		}
		for _, call := range work {
			started.Add(1)
			done.Go(func() {
				err := call()
				started.Done()
				for n := 0; err == nil; n++ {
					err = call()
				}
				if err != errStopped {
					t.Error(err)
				}
			})
		}
		started.Wait()
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		next, err := openAppend(filepath.Join(dir, fmt.Sprint("next", round)))
		if err != nil {
			t.Fatal(err)
		}
		done.Wait()
		if fi, err := next.Stat(); err != nil || fi.Size() != 0 {
			t.Errorf("the next file has %d bytes, %v", fi.Size(), err)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

var errStopped = errors.New("closed as expected")

func closedOr(n int64, err error) error {
	switch {
	case err == nil && n == 40:
		return nil
	case n == 0 && errors.Is(err, os.ErrClosed):
		return errStopped
	}
	return fmt.Errorf("n = %d, %w, want 40, nil or 0, %w", n, err, os.ErrClosed)
}

// Readers of one file do not wait for each other and get their own bytes.
func TestConcurrentReads(t *testing.T) {
	b := pattern(64<<10, 13)
	f := tempFile(t, b)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				off := (g*4999 + i*331) % len(b)
				got := make([]byte, 500)
				n, err := ReadvFullAt(f, even(got, 10), int64(off))
				if string(got[:n]) != string(b[off:off+int(n)]) || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("at %d: %d bytes, %v", off, n, err)
				}
			}
		})
	}
	wg.Wait()
}
