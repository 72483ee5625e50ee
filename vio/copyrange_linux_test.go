package vio

import (
	"errors"
	"os"
	"os/signal"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// rangeShm is the other file system: a tmpfs on every usual Linux.
const rangeShm = "/dev/shm"

// From one file system to another, and within the other one.
func TestCopyRangeAcross(t *testing.T) {
	if probe, err := os.CreateTemp(rangeShm, "vioprobe"); err != nil {
		t.Skip(err)
	} else if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		t.Fatal(err)
	}
	content := rangeBytes(600_001)
	for _, dirs := range [][2]string{{t.TempDir(), rangeShm}, {rangeShm, t.TempDir()}, {rangeShm, rangeShm}} {
		src := rangeFile(t, dirs[0], content)
		for _, n := range rangeSizes {
			dst := rangeFile(t, dirs[1], nil)
			copied, err := CopyRange(dst, 11, src, 7, int64(n))
			have := min(n, len(content)-7)
			if err := wantRange(copied, err, have, n); err != nil {
				t.Fatalf("%v, %d bytes: %v", dirs, n, err)
			}
			wantContent(t, dst, overlay(nil, content[7:7+have], 11))
		}
	}
}

// Files whose bytes copy_file_range(2) does not see.
func TestCopyRangeSpecial(t *testing.T) {
	version, err := os.ReadFile("/proc/version")
	if err != nil {
		t.Skip(err)
	}
	for _, test := range []struct {
		path string
		off  int64
		n    int
		want []byte
	}{
		{"/proc/version", 0, len(version), version},
		{"/proc/version", 5, len(version) - 7, version[5 : len(version)-2]},
		{"/proc/version", 0, 1 << 20, version},
		{"/proc/version", 1 << 20, 5, nil},
		{"/dev/zero", 0, 300_000, make([]byte, 300_000)},
		{"/dev/null", 0, 5, nil},
	} {
		src, err := os.Open(test.path)
		if err != nil {
			t.Skip(err)
		}
		dst := rangeFile(t, t.TempDir(), nil)
		copied, err := CopyRange(dst, 0, src, test.off, int64(test.n))
		if err := errors.Join(wantRange(copied, err, len(test.want), test.n), src.Close()); err != nil {
			t.Errorf("%s: %v", test.path, err)
		}
		wantContent(t, dst, overlay(nil, test.want, 0))
	}
}

func TestCopyRangeFull(t *testing.T) {
	dst, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer dst.Close()
	src := rangeFile(t, t.TempDir(), rangeBytes(1000))
	copied, err := CopyRange(dst, 0, src, 0, 900)
	checkRange(t, copied, err, dst, 0, 900, unix.ENOSPC)
}

// Files that cannot be read, written or positioned: the error is about the
// right one.
func TestCopyRangeUnable(t *testing.T) {
	f := rangeFile(t, t.TempDir(), rangeBytes(100))
	open := func(path string, flag int) *os.File {
		t.Helper()
		g, err := os.OpenFile(path, flag, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() }) // nothing was written
		return g
	}
	dir := open(t.TempDir(), os.O_RDONLY)
	ro := open(rangeFile(t, t.TempDir(), nil).Name(), os.O_RDONLY)
	wo := open(rangeFile(t, t.TempDir(), nil).Name(), os.O_WRONLY)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, test := range []struct {
		dst, src, at *os.File
		cause        error
	}{
		{f, dir, dir, unix.EISDIR}, {dir, f, dir, unix.EBADF}, {ro, f, ro, unix.EBADF},
		{f, wo, wo, unix.EBADF}, {f, r, r, unix.ESPIPE}, {w, f, w, unix.ESPIPE},
	} {
		copied, err := CopyRange(test.dst, 0, test.src, 0, 10)
		checkRange(t, copied, err, test.at, 0, 10, test.cause)
	}
	wantContent(t, f, rangeBytes(100))
}

// O_APPEND set behind the back of the os package.
func TestCopyRangeAppendLater(t *testing.T) {
	if strings.Contains(sendBuiltWith("-tags"), "vio_portable") {
		t.Skip("WriteAt knows only how a file was opened")
	}
	dst := rangeFile(t, t.TempDir(), rangeBytes(100))
	if _, err := unix.FcntlInt(dst.Fd(), unix.F_SETFL, unix.O_APPEND); err != nil {
		t.Fatal(err)
	}
	src := rangeFile(t, t.TempDir(), rangeBytes(50))
	copied, err := CopyRange(dst, 0, src, 0, 50)
	checkRange(t, copied, err, dst, 0, 50, ErrAppendMode)
}

// A file that may not grow further, in the middle of a copy: what fits is there
// and counted. RLIMIT_FSIZE is for a whole process, so the test runs itself
// again.
func TestCopyRangeLimit(t *testing.T) {
	const env, limit = "VIO_TEST_COPYRANGE", 1 << 20
	if os.Getenv(env) == "" {
		cmd := again(t, "-test.run=^TestCopyRangeLimit$")
		cmd.Env = append(os.Environ(), env+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	content := rangeBytes(2 << 20)
	src := rangeFile(t, t.TempDir(), content)
	signal.Ignore(unix.SIGXFSZ) // its default action is to kill
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	for _, room := range []int64{0, 1, 4095, 5000, copyChunk, copyChunk + 1, 700_000, 1<<20 - 8, 1<<20 - 1} {
		dst := rangeFile(t, t.TempDir(), nil)
		n := 1<<20 + room%3 // the last chunk is not always a power of two
		copied, err := CopyRange(dst, limit-room, src, 3, n)
		checkRange(t, copied, err, dst, room, n, unix.EFBIG)
		wantContent(t, dst, overlay(nil, content[3:3+room], int(limit-room)))
	}
}
