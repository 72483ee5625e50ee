//go:build linux && !vio_portable

package vio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// sendControl calls fn with the descriptor of s.
func sendControl[T any](tb testing.TB, s syscall.Conn, fn func(fd int) (T, error)) T {
	tb.Helper()
	rc, err := s.SyscallConn()
	if err != nil {
		tb.Fatal(err)
	}
	var v T
	if cerr := rc.Control(func(fd uintptr) { v, err = fn(int(fd)) }); cerr != nil {
		tb.Fatal(cerr)
	}
	if errors.Is(err, unix.ENOSYS) {
		tb.Skip("the kernel cannot tell:", err) // qemu-user
	}
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func sendSegments(tb testing.TB, s syscall.Conn) uint32 {
	return sendControl(tb, s, func(fd int) (uint32, error) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return 0, err
		}
		return info.Data_segs_out, nil
	})
}

// A message with a short file is one packet; with a longer file the header
// shares one with it. The kernel would send the header of the latter alone if
// this process stood still for 200 ms in between, so one success of many will
// do; without MSG_MORE there is none.
func TestSendFilePackets(t *testing.T) {
	for _, test := range []struct {
		n       int64
		packets uint32
	}{{0, 1}, {1000, 1}, {sendWhole, 1}, {sendWhole + 1000, 2}} {
		from, to := sendPair(t, "tcp", false)
		f := sendSource(t, sendBytes(int(test.n)))
		h, tr := sendPieces(3, 20), sendPieces(2, 8)
		var counts []uint32
		for range 20 {
			before := sendSegments(t, from)
			sent, err := SendFile(from, h, f, 0, test.n, tr)
			if err != nil {
				t.Fatal(err)
			}
			counts = append(counts, sendSegments(t, from)-before)
			// The receiver takes all, so that the next packets have room.
			if _, err := io.CopyN(io.Discard, to, sent); err != nil {
				t.Fatal(err)
			}
			if counts[len(counts)-1] == test.packets {
				break
			}
		}
		if slices.Max(counts) == 0 {
			t.Skip("the kernel does not count segments") // qemu-user
		}
		if got := counts[len(counts)-1]; got != test.packets {
			t.Errorf("%d bytes of the file: packets %v, want %d", test.n, counts, test.packets)
		}
	}
}

// A file without a byte leaves no header behind in the socket.
func TestSendFileUncork(t *testing.T) {
	from, _ := sendPair(t, "tcp", false)
	f := sendSource(t, nil)
	sent, err := SendFile(from, sendPieces(1, 50), f, 0, 1<<20, nil)
	checkSent(t, sent, err, f, 50+1<<20, io.ErrUnexpectedEOF)
	unsent := sendControl(t, from, func(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCOUTQNSD) })
	if sent != 50 || unsent != 0 {
		t.Errorf("sent %d bytes, want 50; %d of them wait in the socket, want 0", sent, unsent)
	}
	cork := sendControl(t, from, func(fd int) (int, error) {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK, 1); err != nil {
			return 0, err
		}
		uncork(fd)
		return unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK)
	})
	if cork != 1 {
		t.Error("the program's own TCP_CORK is gone")
	}
}

// Files that sendfile(2) refuses are copied. Whether it refuses one depends on
// the kernel; the way is the same, and short at every point here.
func TestSendFileCopies(t *testing.T) {
	content := sendBytes(500_000)
	for _, network := range sendNetworks {
		from, to := sendPair(t, network, true)
		f := sendSource(t, content)
		done := receive(to)
		var want []byte
		for _, n := range []int64{1, sendChunk - 1, sendChunk, sendChunk + 1, 3*sendChunk + 5} {
			h, tr := sendPieces(1200, 10), sendPieces(2, 99)
			s := senders.Get().(*sender)
			s.f, s.off, s.left, s.trailer = f, 9, n, tr
			s.queue[0] = h
			sent, err := s.transfer(from, true)
			s.release()
			m := bytes.Join([][]byte{bytes.Join(h, nil), content[9 : 9+n], bytes.Join(tr, nil)}, nil)
			if sent != int64(len(m)) || err != nil {
				t.Errorf("%d bytes: sent %d, %v, want %d, nil", n, sent, err, len(m))
			}
			want = append(want, m...)
		}
		if err := from.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := <-done; got.err != nil || !bytes.Equal(got.b, want) {
			t.Errorf("%s: %d bytes arrive, %v, want %d", network, len(got.b), got.err, len(want))
		}
	}
}

// Files that are none of the disk, in both lengths.
func TestSendFileSpecial(t *testing.T) {
	version, err := os.ReadFile("/proc/version")
	if err != nil {
		t.Skip(err)
	}
	for _, test := range []struct {
		path string
		n    int64
		want []byte
		end  bool
	}{
		{"/proc/version", int64(len(version)), version, false},
		{"/proc/version", 1 << 20, version, true},
		{"/dev/zero", 200, make([]byte, 200), false},
		{"/dev/zero", 200_000, make([]byte, 200_000), false},
		{"/dev/null", 200_000, nil, true},
	} {
		from, to := sendPair(t, "tcp", false)
		done := receive(to)
		f, err := os.Open(test.path)
		if err != nil {
			t.Skip(err)
		}
		sent, err := SendFile(from, nil, f, 0, test.n, nil)
		if test.end {
			checkSent(t, sent, err, f, test.n, io.ErrUnexpectedEOF)
		} else if err != nil {
			t.Errorf("%s: %v", test.path, err)
		}
		if err := errors.Join(from.CloseWrite(), f.Close()); err != nil {
			t.Fatal(err)
		}
		if got := <-done; got.err != nil || !bytes.Equal(got.b, test.want) || sent != int64(len(test.want)) {
			t.Errorf("%s: sent %d, %d arrive, %v, want %d", test.path, sent, len(got.b), got.err, len(test.want))
		}
	}
}

// A pipe is no socket and no source.
func TestSendFilePipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	f := sendSource(t, sendBytes(100))
	sent, err := SendFile(w, sendPieces(1, 5), f, 0, 100, nil)
	checkSent(t, sent, err, f, 105, unix.ENOTSOCK)
	from, _ := sendPair(t, "tcp", false)
	for _, n := range []int64{5, 1 << 20} {
		sent, err = SendFile(from, nil, r, 0, n, nil)
		checkSent(t, sent, err, r, n, unix.ESPIPE)
		if sent != 0 {
			t.Errorf("sent %d bytes of a pipe", sent)
		}
	}
}

// The peer's end is EPIPE or, with unread bytes, a reset.
func TestSendFileReset(t *testing.T) {
	for _, network := range sendNetworks {
		from, to := sendPair(t, network, true)
		f := sendSource(t, sendBytes(1<<20))
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		for round := 0; ; round++ {
			sent, err := SendFile(from, sendPieces(3, 8), f, 0, 1<<20, nil)
			if err == nil && round < 100 {
				continue // taken by the socket before the reset arrived
			}
			checkSent(t, sent, err, f, 24+1<<20, nil)
			if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("%s: error is %v", network, err)
			}
			break
		}
	}
}

// What several goroutines send at a time arrives message by message, also
// where each of them had to wait in the middle.
func TestSendFileTogether(t *testing.T) {
	const senders, each, size = 4, 10, 40_000
	from, to := sendPair(t, "tcp", true)
	done := receive(to)
	var wg sync.WaitGroup
	for g := range senders {
		f := sendSource(t, bytes.Repeat([]byte{byte(g)}, size))
		wg.Go(func() {
			h := [][]byte{{'<', byte(g)}}
			tr := [][]byte{{byte(g), '>'}}
			for range each {
				if _, err := SendFile(from, h, f, 0, size, tr); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := from.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got := <-done
	if got.err != nil || len(got.b) != senders*each*(size+4) {
		t.Fatalf("%d bytes arrive, %v", len(got.b), got.err)
	}
	for b := got.b; len(b) > 0; b = b[size+4:] {
		g := b[1]
		if b[0] != '<' || b[size+3] != '>' || bytes.Count(b[1:size+3], []byte{g}) != size+2 {
			t.Fatalf("a message is mixed with another, %d bytes before the end", len(b))
		}
	}
}

// A sender in the pool keeps nothing of the caller alive.
func TestSendFileRelease(t *testing.T) {
	from, to := sendPair(t, "tcp", false)
	done := receive(to)
	f := sendSource(t, sendBytes(100_000))
	s := &sender{f: f, left: 100_000, trailer: sendPieces(5, 5)}
	s.step = s.run
	s.queue[0] = sendPieces(1500, 5)
	_, err := s.transfer(from, false)
	s.release()
	if err := errors.Join(err, from.CloseWrite(), (<-done).err); err != nil {
		t.Fatal(err)
	}
	if s.f != nil || s.trailer != nil || s.file[0] != nil || s.buf != nil || s.msg.Iov != nil || s.left != 0 {
		t.Error("the sender is not clear")
	}
	for i, v := range s.iovs {
		if v.Base != nil {
			t.Fatalf("iovec %d is not clear", i)
		}
	}
	for i, q := range s.queue {
		if q != nil {
			t.Errorf("part %d of the queue is not clear", i)
		}
	}
}

// One allocation of 8 bytes is left: the RawConn that package net makes.
func TestSendFileAllocs(t *testing.T) {
	if sendBuiltWith("-race") == "true" {
		t.Skip("under the race detector sync.Pool drops items at random")
	}
	from, to := sendPair(t, "tcp", false)
	done := receiveNothing(to)
	f := sendSource(t, sendBytes(100_000))
	h, tr := sendPieces(1100, 3), sendPieces(2, 3)
	for _, n := range []int64{0, 100, 100_000} {
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := SendFile(from, h, f, 0, n, tr); err != nil {
				t.Error(err)
			}
		})
		if allocs > 1 {
			t.Errorf("%d bytes: %v allocations, want 1", n, allocs)
		}
	}
	if err := errors.Join(from.CloseWrite(), <-done); err != nil {
		t.Fatal(err)
	}
}

// receiveNothing reads all that arrives and forgets it.
func receiveNothing(from io.Reader) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{from})
		done <- err
	}()
	return done
}

// Copying has no allocation at all. It stands here because this file is for the
// implementation that asks the kernel.
func TestCopyRangeAllocs(t *testing.T) {
	if sendBuiltWith("-race") == "true" {
		t.Skip("under the race detector sync.Pool drops items at random")
	}
	a, b := rangeFile(t, t.TempDir(), rangeBytes(9000)), rangeFile(t, t.TempDir(), nil)
	allocs := testing.AllocsPerRun(100, func() {
		if copied, err := CopyRange(b, 0, a, 0, 9000); copied != 9000 || err != nil {
			t.Error(copied, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

func TestKernelCopies(t *testing.T) {
	for release, want := range map[string]bool{
		"5.3.0": true, "5.10.0-28-amd64": true, "6.18.44": true, "10.0": true, "5.3-rc1": true,
		"5.2.21": false, "4.18.0-553.el8_10.x86_64": false, "3.10.0": false, "": false, "unknown": false,
	} {
		if got := copiesSince(release); got != want {
			t.Errorf("%q: %t, want %t", release, got, want)
		}
	}
}
