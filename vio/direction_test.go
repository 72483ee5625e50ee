//go:build !windows && !plan9

package vio

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestWrongDirection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, count := range []int{1, 4, 64} {
		bufs := even(make([]byte, count), count)
		n, err := Appendv(r, bufs)
		if n != 0 {
			t.Errorf("n = %d, want 0", n)
		}
		wantError(t, err, "appendv", r, 0, int64(count), syscall.EBADF)
		_, err = ReadvAt(w, bufs, 0)
		wantError(t, err, "readvat", w, 0, int64(count), syscall.EBADF)
	}
	if n, err := Appendv(r, [][]byte{nil}); n != 0 || err != nil {
		t.Errorf("empty vector: %d, %v, want 0, nil", n, err)
	}
}
