package vio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pageSizePipe returns a pipe that the runtime polls, with room for one page.
func pageSizePipe(t *testing.T) (r, w *os.File, room int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close() // closed already in some tests
		w.Close()
	})
	room, err = control(w, func(fd int) (int, error) {
		return unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, os.Getpagesize())
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, w, room
}

// control calls fn with f's descriptor, leaving it non-blocking, which
// os.File.Fd did not always.
func control(f *os.File, fn func(fd int) (int, error)) (n int, err error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	if cerr := rc.Control(func(fd uintptr) { n, err = fn(int(fd)) }); cerr != nil {
		return 0, cerr
	}
	return n, err
}

func TestPipe(t *testing.T) {
	r, w, _ := pageSizePipe(t)
	b := pattern(300, 10)
	appendAll(t, w, cut(b, 100, 0, 150))
	got := make([]byte, 300)
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, b) {
		t.Errorf("read back: %v, equal %t", err, bytes.Equal(got, b))
	}
	_, err := ReadvAt(r, cut(got, 100), 0)
	wantError(t, err, "readvat", r, 0, 300, syscall.ESPIPE)
	_, err = ReadvFullAt(r, cut(got, 100), 0)
	wantError(t, err, "readvfullat", r, 0, 300, syscall.ESPIPE)
}

// More than the pipe holds is a short write, and the rest is the caller's: a
// second call could come after another writer's bytes.
func TestPipeShort(t *testing.T) {
	r, w, room := pageSizePipe(t)
	b := pattern(room*5/2, 11)
	n, err := Appendv(w, even(b, 4))
	if n != int64(room) {
		t.Errorf("n = %d, want %d", n, room)
	}
	wantError(t, err, "appendv", w, int64(room), int64(len(b)), io.ErrShortWrite)
	got := make([]byte, room)
	if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, b[:room]) {
		t.Errorf("read back: %v, equal %t", err, bytes.Equal(got, b[:room]))
	}
}

func TestPipeBroken(t *testing.T) {
	r, w, _ := pageSizePipe(t)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Appendv(w, [][]byte{{1}, {2}})
	wantError(t, err, "appendv", w, 0, 2, syscall.EPIPE)
	if n, err := Appendv(w, [][]byte{nil}); n != 0 || err != nil {
		t.Errorf("empty vector: %d, %v, want 0, nil", n, err)
	}
}

// blocked starts an Appendv on a full pipe.
func blocked(t *testing.T) (r, w *os.File, result <-chan error) {
	t.Helper()
	r, w, room := pageSizePipe(t)
	appendAll(t, w, [][]byte{make([]byte, room)})
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		close(started)
		n, err := Appendv(w, [][]byte{{1}, {2}, {3}})
		if err == nil && n != 3 {
			err = errors.New("not 3 bytes")
		}
		done <- err
	}()
	<-started
	return r, w, done
}

// A full pipe that the runtime polls parks the goroutine until there is room,
// a deadline passes or the file is closed. Whether the goroutine is parked
// already when the other side acts makes no difference to the result.
func TestPipeWait(t *testing.T) {
	t.Run("room", func(t *testing.T) {
		r, _, done := blocked(t)
		if _, err := io.ReadFull(r, make([]byte, os.Getpagesize())); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		_, w, done := blocked(t)
		if err := w.SetWriteDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		wantError(t, <-done, "appendv", w, 0, 3, os.ErrDeadlineExceeded)
	})
	t.Run("close", func(t *testing.T) {
		_, w, done := blocked(t)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		wantError(t, <-done, "appendv", w, 0, 3, os.ErrClosed)
	})
}

// A descriptor that is non-blocking, but that the runtime does not poll, gets
// EAGAIN itself.
func TestCannotWait(t *testing.T) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	// Blocking when os.NewFile looks, so that it is not registered to poll.
	r, w := os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	defer r.Close()
	defer w.Close()
	room, err := control(w, func(fd int) (int, error) {
		if err := unix.SetNonblock(fd, true); err != nil {
			return 0, err
		}
		return unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, os.Getpagesize())
	})
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, w, [][]byte{make([]byte, room)})
	_, err = Appendv(w, [][]byte{{1}})
	wantError(t, err, "appendv", w, 0, 1, syscall.EAGAIN)
}

// A record does not land inside what another goroutine writes to the pipe with
// os.File.Write, which takes many system calls for it.
func TestPipeTurns(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const big = 4 << 20
	written := make(chan error, 1)
	got := make(chan []byte, 1)
	go func() { b, err := io.ReadAll(r); written <- err; got <- b }()
	var both sync.WaitGroup
	both.Add(2)
	go func() {
		defer both.Done()
		if _, err := w.Write(bytes.Repeat([]byte{'.'}, big)); err != nil {
			t.Error(err)
		}
	}()
	go func() {
		defer both.Done()
		if n, err := Appendv(w, even(bytes.Repeat([]byte{'x'}, 800), 8)); n != 800 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}()
	both.Wait()
	if err := errors.Join(w.Close(), <-written); err != nil {
		t.Fatal(err)
	}
	if b := <-got; len(b) != big+800 || b[0] != 'x' && b[len(b)-1] != 'x' {
		t.Errorf("%d bytes, the record is inside the other write", len(b))
	}
}
