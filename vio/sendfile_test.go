package vio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"
)

// sendConn is either end of a connection.
type sendConn interface {
	net.Conn
	Socket
	CloseWrite() error
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

var sendNetworks = []string{"tcp", "unix"}

// sendPair returns two ends of a connection. With tight buffers a sender soon
// waits for the receiver, and most of its system calls are short.
func sendPair(tb testing.TB, network string, tight bool) (from, to sendConn) {
	tb.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "vio") // short: the name of a socket may have 100 bytes or so
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				tb.Error(err)
			}
		})
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		tb.Skip(err)
	}
	defer l.Close()
	a, err := net.Dial(network, l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	from, to = a.(sendConn), b.(sendConn)
	tb.Cleanup(func() { // some tests close them before
		from.Close()
		to.Close()
	})
	if tight {
		out, in := 4<<10, 16<<10
		if network == "tcp" {
			// Smaller than its segments, 64 KiB on loopback, TCP's buffers make
			// either side wait for the timers of the other.
			out, in = 64<<10, 256<<10
		}
		if err := errors.Join(from.SetWriteBuffer(out), to.SetReadBuffer(in)); err != nil {
			tb.Fatal(err)
		}
	}
	return from, to
}

type received struct {
	b   []byte
	err error
}

// receive reads all that arrives, in odd portions.
func receive(from io.Reader) <-chan received {
	done := make(chan received, 1)
	go func() {
		var all []byte
		portion := make([]byte, 40_009)
		r := rand.New(rand.NewPCG(1, 2))
		for {
			n, err := from.Read(portion[:1+r.IntN(len(portion))])
			all = append(all, portion[:n]...)
			if err != nil {
				if err == io.EOF {
					err = nil
				}
				done <- received{all, err}
				return
			}
		}
	}()
	return done
}

// sendBytes returns n bytes that tell their place.
func sendBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b) // never fails
	return b
}

func sendSource(tb testing.TB, content []byte) *os.File {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "source")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() }) // some tests close it before
	return f
}

// sendBuiltWith returns a setting of the go command, such as -race and -tags.
func sendBuiltWith(key string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// sendPieces cuts count pieces of size bytes, with an empty one before each.
func sendPieces(count, size int) [][]byte {
	b := sendBytes(count * size)
	var v [][]byte
	for ; len(b) > 0; b = b[size:] {
		v = append(v, nil, b[:size:size])
	}
	return v
}

// checkSent checks an error of SendFile: its fields and its cause.
func checkSent(t *testing.T, sent int64, err error, f *os.File, want int64, cause error) {
	t.Helper()
	if cause == nil { // whatever it is
		cause = err
	}
	wantError(t, err, "sendfile", f, sent, want, cause)
}

// All combinations of headers, lengths and trailers, one message after the
// other on one connection, arrive as the model says, and the file stays where
// it is.
func TestSendFile(t *testing.T) {
	headers := [][][]byte{
		nil, {nil, {}}, sendPieces(1, 100), append(make([][]byte, 1024), sendPieces(3, 7)...),
		sendPieces(1500, 100), sendPieces(2, 150_000),
	}
	lengths := []int{0, 1, 1000, 32 << 10, 32<<10 + 1, 200_000}
	trailers := [][][]byte{nil, sendPieces(1, 10), sendPieces(1100, 50)}
	content := sendBytes(300_000)
	for _, network := range sendNetworks {
		for _, tight := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/tight=%t", network, tight), func(t *testing.T) {
				from, to := sendPair(t, network, tight)
				f := sendSource(t, content)
				done := receive(to)
				var model []byte
				for i := range len(headers) * len(lengths) * len(trailers) {
					h, n, tr := headers[i%6], lengths[i/6%6], trailers[i/36]
					off := 777 * (i % 5)
					message := bytes.Join(append([][]byte{bytes.Join(h, nil), content[off : off+n]}, tr...), nil)
					sent, err := SendFile(from, h, f, int64(off), int64(n), tr)
					if sent != int64(len(message)) || err != nil {
						t.Fatalf("message %d: SendFile = %d, %v, want %d, nil", i, sent, err, len(message))
					}
					model = append(model, message...)
				}
				if err := from.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				got := <-done
				if got.err != nil || !bytes.Equal(got.b, model) {
					t.Errorf("%d bytes arrive, %v, want %d; equal %t", len(got.b), got.err, len(model), bytes.Equal(got.b, model))
				}
				if pos, err := f.Seek(0, io.SeekCurrent); pos != 0 || err != nil {
					t.Errorf("position is %d, %v, want 0", pos, err)
				}
			})
		}
	}
}

// Where one call moves little, as many as it takes do the same, also if they
// end within a piece.
func TestSendFileSmallCalls(t *testing.T) {
	defer func(was int64) { maxCall = was }(maxCall)
	for _, maxCall = range []int64{1, 99, 100, 101, 7777} {
		from, to := sendPair(t, "unix", false)
		content := sendBytes(50_000)
		f := sendSource(t, content)
		done := receive(to)
		h, tr := sendPieces(4, 100), sendPieces(1, 300)
		var want []byte
		for _, n := range []int{0, 300, 40_000} {
			if sent, err := SendFile(from, h, f, 5, int64(n), tr); sent != int64(700+n) || err != nil {
				t.Errorf("at most %d bytes a call: sent %d, %v, want %d, nil", maxCall, sent, err, 700+n)
			}
			want = append(want, bytes.Join([][]byte{bytes.Join(h, nil), content[5 : 5+n], bytes.Join(tr, nil)}, nil)...)
		}
		if err := from.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := <-done; got.err != nil || !bytes.Equal(got.b, want) {
			t.Errorf("at most %d bytes a call: %d bytes arrive, %v, want %d", maxCall, len(got.b), got.err, len(want))
		}
	}
}

// A file that ends early: the header and what there is of it arrive, and the
// trailer does not.
func TestSendFileEnds(t *testing.T) {
	content := sendBytes(100_000)
	header, trailer := sendPieces(3, 9), sendPieces(1, 8)
	for _, network := range sendNetworks {
		for _, test := range []struct{ off, n int64 }{
			{99_990, 11}, {100_000, 1}, {100_001, 5}, {0, 100_001}, {1, 100_000},
			{50_000, 1 << 40}, {100_000, 1 << 33}, {math.MaxInt64 - 100, 1}, {200_000, 40_000},
		} {
			from, to := sendPair(t, network, false)
			f := sendSource(t, content)
			done := receive(to)
			sent, err := SendFile(from, header, f, test.off, test.n, trailer)
			checkSent(t, sent, err, f, 27+test.n+8, io.ErrUnexpectedEOF)
			if err := from.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			want := append(bytes.Join(header, nil), content[min(test.off, 100_000):]...)
			if got := <-done; got.err != nil || !bytes.Equal(got.b, want) || sent != int64(len(want)) {
				t.Errorf("%s, %d at %d: sent %d, %d arrive, %v, want %d", network, test.n, test.off, sent, len(got.b), got.err, len(want))
			}
		}
	}
}

func TestSendFileArguments(t *testing.T) {
	from, to := sendPair(t, "tcp", false)
	closed, _ := sendPair(t, "tcp", false)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	f := sendSource(t, sendBytes(100))
	closedFile := sendSource(t, sendBytes(100))
	if err := closedFile.Close(); err != nil {
		t.Fatal(err)
	}
	h := sendPieces(1, 10)
	done := receive(to)
	for _, test := range []struct {
		name   string
		dst    Socket
		f      *os.File
		off, n int64
		want   int64
		cause  error
	}{
		{"negative n", from, f, 0, -1, -1, syscall.EINVAL},
		{"negative offset", from, f, -1, 1, 1, syscall.EINVAL},
		{"end overflows", from, f, 2, math.MaxInt64 - 1, math.MaxInt64 - 1, syscall.EINVAL},
		{"sum overflows", from, f, 0, math.MaxInt64 - 19, math.MaxInt64, ErrTooLarge},
		{"header overflows", from, f, 0, math.MaxInt64 - 9, math.MaxInt64, ErrTooLarge},
		{"no socket", nil, f, 0, 5, 25, os.ErrInvalid},
		{"no connection", new(net.TCPConn), f, 0, 5, 25, syscall.EINVAL},
		{"no file", from, nil, 0, 0, 20, os.ErrInvalid},
		{"closed file", from, closedFile, 0, 5, 25, os.ErrClosed},
		{"closed file, no bytes", from, closedFile, 0, 0, 20, os.ErrClosed},
		{"closed socket", closed, f, 0, 5, 25, net.ErrClosed},
		{"closed socket, long file", closed, f, 0, 1 << 40, 1<<40 + 20, net.ErrClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			sent, err := SendFile(test.dst, h, test.f, test.off, test.n, h)
			checkSent(t, sent, err, test.f, test.want, test.cause)
			if sent != 0 {
				t.Errorf("sent %d bytes", sent)
			}
		})
	}
	sent, err := SendFile(closed, nil, f, 0, 0, nil)
	checkSent(t, sent, err, f, 0, net.ErrClosed)
	if sent, err := SendFile(from, nil, f, 0, 0, nil); sent != 0 || err != nil {
		t.Errorf("nothing to send: %d, %v, want 0, nil", sent, err)
	}
	if err := from.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || len(got.b) != 0 {
		t.Errorf("%d bytes arrive, %v", len(got.b), got.err)
	}
}

// A file that cannot be read.
func TestSendFileUnreadable(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		t.Skip("directories have other errors")
	}
	from, to := sendPair(t, "tcp", false)
	done := receive(to)
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	w, err := os.Create(filepath.Join(t.TempDir(), "write only"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	wo, err := os.OpenFile(w.Name(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer wo.Close()
	var all int64
	for _, n := range []int64{5, 1 << 40} {
		sent, err := SendFile(from, nil, dir, 0, n, nil)
		checkSent(t, sent, err, dir, n, syscall.EISDIR)
		all += sent
		sent, err = SendFile(from, nil, wo, 0, n, nil)
		checkSent(t, sent, err, wo, n, nil) // EBADF, which not all systems have
		all += sent
	}
	if err := from.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || len(got.b) != 0 || all != 0 {
		t.Errorf("%d bytes arrive, %d were sent, %v", len(got.b), all, got.err)
	}
}

// sendBlocked starts a SendFile of 8 MiB, which no two tight buffers hold, and
// returns when the first byte has arrived. The caller stops it somehow and gets
// what SendFile returned from wait, which checks that the bytes that arrive are
// those it has reported. wait may only be called after that.
func sendBlocked(t *testing.T, network string) (from, to sendConn, f *os.File, wait func(drain bool, cause error)) {
	t.Helper()
	from, to = sendPair(t, network, true)
	content := sendBytes(8 << 20)
	f = sendSource(t, content)
	header := sendPieces(2, 50)
	type result struct {
		sent int64
		err  error
	}
	done := make(chan result, 1)
	go func() {
		sent, err := SendFile(from, header, f, 0, int64(len(content)), header)
		done <- result{sent, err}
		from.Close() // ends the reader; a test may have done it
	}()
	first := make([]byte, 1)
	if _, err := io.ReadFull(to, first); err != nil {
		t.Fatal(err)
	}
	return from, to, f, func(drain bool, cause error) {
		t.Helper()
		var arrives <-chan received
		if drain {
			arrives = receive(to)
		}
		r := <-done
		total := int64(len(content) + 200)
		checkSent(t, r.sent, r.err, f, total, cause)
		if r.sent <= 0 || r.sent >= total {
			t.Errorf("sent %d of %d bytes", r.sent, total)
		}
		if !drain {
			return
		}
		got := <-arrives
		got.b = append(first, got.b...)
		want := append(bytes.Join(header, nil), content...)
		if got.err != nil || int64(len(got.b)) != r.sent || !bytes.Equal(got.b, want[:r.sent]) {
			t.Errorf("%d bytes arrive, %v, but %d were sent", len(got.b), got.err, r.sent)
		}
	}
}

func TestSendFileStopped(t *testing.T) {
	for _, network := range sendNetworks {
		t.Run(network+"/deadline", func(t *testing.T) {
			from, _, _, wait := sendBlocked(t, network)
			if err := from.SetWriteDeadline(time.Now()); err != nil {
				t.Fatal(err)
			}
			// Not drained before it has returned: it could be done first.
			wait(false, os.ErrDeadlineExceeded)
		})
		t.Run(network+"/close", func(t *testing.T) {
			from, _, _, wait := sendBlocked(t, network)
			if err := from.Close(); err != nil {
				t.Fatal(err)
			}
			wait(true, net.ErrClosed)
		})
		t.Run(network+"/close file", func(t *testing.T) {
			_, _, f, wait := sendBlocked(t, network)
			if err := f.Close(); err != nil { // while the peer reads nothing
				t.Fatal(err)
			}
			wait(true, os.ErrClosed)
		})
		t.Run(network+"/peer", func(t *testing.T) {
			_, to, _, wait := sendBlocked(t, network)
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
			wait(false, nil)
		})
	}
}

// The deadline that has passed before the call: nothing is sent.
func TestSendFileLate(t *testing.T) {
	from, _ := sendPair(t, "tcp", false)
	f := sendSource(t, sendBytes(100))
	if err := from.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	sent, err := SendFile(from, nil, f, 0, 100, nil)
	checkSent(t, sent, err, f, 100, os.ErrDeadlineExceeded)
	if sent != 0 {
		t.Errorf("sent %d bytes, want 0", sent)
	}
}

// BenchmarkSendFile compares with what a program writes without it.
func BenchmarkSendFile(b *testing.B) {
	ways := []struct {
		name string
		send func(to sendConn, h []byte, f *os.File, n int64, tr []byte) error
	}{
		{"vio", func() func(sendConn, []byte, *os.File, int64, []byte) error {
			var h, tr [1][]byte
			return func(to sendConn, header []byte, f *os.File, n int64, trailer []byte) error {
				h[0], tr[0] = header, trailer
				_, err := SendFile(to, h[:], f, 0, n, tr[:])
				return err
			}
		}()},
		{"std", func(to sendConn, h []byte, f *os.File, n int64, tr []byte) error {
			if _, err := to.Write(h); err != nil {
				return err
			}
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				return err
			}
			if _, err := io.CopyN(to, f, n); err != nil {
				return err
			}
			_, err := to.Write(tr)
			return err
		}},
	}
	for _, network := range sendNetworks {
		for _, n := range []int{1 << 10, 16 << 10, 32 << 10, 64 << 10, 1 << 20} {
			for _, way := range ways {
				b.Run(fmt.Sprintf("%s/%dK/%s", network, n>>10, way.name), func(b *testing.B) {
					from, to := sendPair(b, network, false)
					f := sendSource(b, sendBytes(n))
					h, tr := sendBytes(64), sendBytes(16)
					done := make(chan error, 1)
					go func() {
						_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{to}, make([]byte, 256<<10))
						done <- err
					}()
					b.SetBytes(int64(n + 80))
					b.ReportAllocs()
					for b.Loop() {
						if err := way.send(from, h, f, int64(n), tr); err != nil {
							b.Fatal(err)
						}
					}
					if err := errors.Join(from.CloseWrite(), <-done); err != nil {
						b.Fatal(err)
					}
				})
			}
		}
	}
}
