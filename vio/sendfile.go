package vio

import (
	"errors"
	"io"
	"math"
	"os"
	"syscall"
)

// Socket is what [SendFile] writes to: a connected stream socket, which is a
// *net.TCPConn or a *net.UnixConn of the network "unix".
//
// On Linux the bytes go straight to the descriptor and Write is not called. A
// type that changes what passes through its Write, as TLS does, must therefore
// not have the SyscallConn of the connection below it; *tls.Conn has none.
type Socket interface {
	io.Writer
	syscall.Conn
}

// sendChunk is how many bytes of the file are copied at a time where they have
// to be copied.
const sendChunk = 64 << 10

// SendFile writes the pieces of header, then n bytes of f from the byte offset
// off, then the pieces of trailer to dst, and returns the number of bytes that
// dst has taken of all three together. f's position is neither used nor moved.
//
// A nil error means that all of it has been taken: sent is [Len](header) + n +
// [Len](trailer). Any error is an [*Error] with Op "sendfile", the path of f,
// and sent in N, wrapping
//
//	ErrTooLarge              the sum of the three overflows int64: nothing sent
//	syscall.EINVAL           n or off is negative, or off+n overflows: likewise
//	os.ErrInvalid            dst or f is nil: likewise
//	os.ErrClosed             f is or was closed
//	io.ErrUnexpectedEOF      f ends before off+n
//	net.ErrClosed            dst is or was closed
//	os.ErrDeadlineExceeded   the write deadline of dst has passed
//
// or the error number of the system, such as [syscall.EPIPE] and
// [syscall.ECONNRESET] from dst or [syscall.EIO] from f. The first sent bytes of
// the message are on their way then and cannot be taken back, and the rest will
// not follow; a receiver that counts bytes waits for it until dst is closed. If
// f ends early, this means: the header and what there is of the file, but
// nothing of the trailer. The size is not looked at beforehand, because another
// process may cut f at any time.
//
// # On the wire
//
// On Linux the header waits in the socket for the first bytes of the file, so
// that the two share a packet (MSG_MORE; tcp(7), send(2)), and the file goes
// from the page cache to the socket without a copy (sendfile(2)). A file part of
// at most 32 KiB is copied and leaves in one system call together with header
// and trailer. Behind a longer one the trailer begins a packet of its own, since
// sendfile(2) cannot announce that more follows. An f of which sendfile(2) knows
// no way, as some of /proc, is copied. If f fails, the waiting header is pushed
// out at once, unless TCP_CORK holds it; if the deadline passes, the kernel
// sends the last bytes that dst has taken within 200 ms at the latest.
//
// Bytes that are not copied are not a snapshot: a change of f reaches the peer
// even after SendFile has returned, until the peer has acknowledged the bytes
// (sendfile(2), NOTES). In a file that only grows, as a log does, nothing
// changes.
//
// The other systems copy everything through one buffer of 64 KiB and call
// dst.Write for each full one.
//
// # Concurrency
//
// SendFile keeps no reference to the pieces and does not modify them; they must
// not change until it returns. On Linux the whole message is one write to Go's
// eyes: what other goroutines write to dst comes before or after it. On other
// systems it may come between. While dst is full, SendFile waits as dst.Write
// does. It holds f only for the moment of each system call, so a Close of f
// does not wait for the peer; SendFile then fails at the next one. Neither
// Close can make it read or write another file that got the same descriptor.
//
// The systems raise SIGPIPE when the peer is gone, and Go ignores it for
// sockets. A program that asks for it with signal.Notify gets it from the file
// part, for sendfile(2) has no MSG_NOSIGNAL.
func SendFile(dst Socket, header [][]byte, f *os.File, off, n int64, trailer [][]byte) (sent int64, err error) {
	const op = "sendfile"
	if n < 0 || off < 0 || n > math.MaxInt64-off {
		return 0, newError(op, f, 0, n, syscall.EINVAL)
	}
	total, ok := Len(header)
	t, tok := Len(trailer)
	if !ok || !tok || n > math.MaxInt64-total || t > math.MaxInt64-total-n {
		return 0, newError(op, f, 0, math.MaxInt64, ErrTooLarge)
	}
	total += n + t
	if dst == nil || f == nil {
		return 0, newError(op, f, 0, total, os.ErrInvalid)
	}
	if err := checkOpen(f); err != nil {
		return 0, newError(op, f, 0, total, err)
	}
	if sent, err = sendFile(dst, header, f, off, n, trailer); err != nil {
		return sent, newError(op, f, sent, total, err)
	}
	return sent, nil
}

// fileCause takes the cause out of an error of the os package's ReadAt and
// WriteAt, whose operation and path Error has already.
func fileCause(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}

// shortFile is fileCause for a read of bytes that had to be there.
func shortFile(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return fileCause(err)
}
