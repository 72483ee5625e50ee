package writer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
	"github.com/manypen/manypen/vio"
)

// fileLimit lets no file of this process grow beyond size until it is called again
// with -1. The kernel cuts a write off there and then refuses with EFBIG, as a full
// disk does with ENOSPC, and sends a signal that has to be ignored.
func fileLimit(t testing.TB, size int64) {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur = l.Max; size >= 0 {
		l.Cur = uint64(size)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
}

// Writes are cut short, one after the other, with room for a piece of the record each
// time. The record is tried twice and not for ever; nothing of it is read, its number
// goes to the next record, and others go on behind it.
func TestShortWriteAmongOthers(t *testing.T) {
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	defer fileLimit(t, -1)
	dir := t.TempDir()
	other := start(t, dir, small, realSystem())
	var w *Writer
	tries, cut := 0, false
	sys := realSystem()
	sys.step = func(name string) {
		switch {
		case name == "A2" && cut:
			if tries++; tries > 4 { // it would go on until the disk is full
				fileLimit(t, -1)
				return
			}
			size, err := w.cur.Size()
			if err != nil {
				t.Fatal(err)
			}
			fileLimit(t, size+100)
		case name == "wait":
			runtime.Gosched()
		}
	}
	w = start(t, dir, small, sys)
	before := put(t, w, "before")
	cut = true
	_, err := w.Append(record.Header{Kind: record.KindData}, nil, []byte(strings.Repeat("x", 500)), false)
	cut = false
	fileLimit(t, -1)
	var torn *FragmentError
	if !errors.As(err, &torn) || !errors.Is(err, io.ErrShortWrite) || torn.Written != 100 || tries != 2 {
		t.Errorf("after %d tries: %v; want a fragment of 100 bytes after 2", tries, err)
	}
	put(t, other, "of another one")
	after := put(t, w, "after")
	if after.Seq != before.Seq+1 {
		t.Errorf("record %d comes behind %d, though none was there in between", after.Seq, before.Seq)
	}
	got, damage := contents(t, dir)
	if diff := cmp.Diff([]string{"before", "of another one", "after"}, got); diff != "" {
		t.Errorf("journal differs (-want +got):\n%s", diff)
	}
	if want := []record.Class{record.Fragment, record.Fragment}; !slices.Equal(damage, want) {
		t.Errorf("damage %v, want %v", damage, want)
	}
}

// A2: one system call per record. What a short write has left over is never added by
// a second one, for another process may have appended in between. The stand-in for a
// disk with little room is a pipe that has some.
func TestAppendIsOneCall(t *testing.T) {
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // only read from
	capacity := query(t, p, func(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0) })
	dir := t.TempDir()
	w := start(t, dir, small, realSystem())
	rest := make([]byte, capacity) // more than there is room for
	if _, err := p.Write(rest[:capacity/2]); err != nil {
		t.Fatal(err)
	}
	out, err := vio.NewAppender(p)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, _, err := w.write(&pin{File: &segment.File{F: p}, out: out}, [][]byte{rest})
		done <- errors.Join(err, p.Close())
	}()
	for full := 0; full < capacity; runtime.Gosched() {
		full = query(t, r, func(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.TIOCINQ) })
	}
	got, err := io.ReadAll(r) // makes room for a second call, should there be one
	if err != nil || len(got) != capacity {
		t.Errorf("%d bytes went into a pipe for %d, %v: what did not fit was added", len(got), capacity, err)
	}
	if err := <-done; !errors.Is(err, ErrOutcomeUnknown) { // a pipe has no offset
		t.Errorf("write: %v", err)
	}
	wantContents(t, dir, nil)
}

// query asks the kernel about a file. Fd would take it away from the poller.
func query(t testing.TB, f *os.File, ask func(fd int) (int, error)) (n int) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = conn.Control(func(fd uintptr) { n, failed = ask(int(fd)) })
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return n
}

// A5: a handle that has filled a segment goes to the next one by itself, and one that
// finds it full appends a single void record.
func TestVoidsAreFew(t *testing.T) {
	dir := t.TempDir()
	w, other := start(t, dir, small, realSystem()), start(t, dir, small, realSystem())
	var want []string
	for i := range 200 {
		for k, w := range []*Writer{w, other} {
			text := fmt.Sprintf("%d %d %0200d", k, i, 0)
			want = append(want, text)
			h := record.Header{Kind: record.KindData, Time: time.Now().UnixNano()}
			if _, err := w.Append(h, nil, []byte(text), false); err != nil {
				t.Fatal(err)
			}
		}
	}
	segments := w.cur.Number
	for _, w := range []*Writer{w, other} {
		if voids := w.count.appended.Voids; voids > segments {
			t.Errorf("%d void records in %d segments", voids, segments)
		}
	}
	wantContents(t, dir, want)
}
