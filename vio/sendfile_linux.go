//go:build linux && !vio_portable

package vio

import (
	"io"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendWhole is the largest part of a file that is copied, so that header, file
// and trailer leave with one sendmsg(2). BenchmarkSendFile shows about where
// the copy costs as much as the second system call.
const sendWhole = 32 << 10

// sender is one SendFile under way. Its loop is left in the middle each time
// the socket is full, and entered again when it has room.
type sender struct {
	f       *os.File
	off     int64    // of the next byte of f
	left    int64    // bytes of f that are not sent and not in the queue
	trailer [][]byte // goes into the queue when left becomes 0

	// queue is the memory to send before anything else: header, what was read
	// of the file, trailer. The caller's slices are not changed, only where
	// these begin.
	queue [3][][]byte
	skip  int // bytes of the first piece of the queue that are sent

	copying bool  // the file is read, not given to sendfile(2)
	corked  bool  // the last bytes went out with MSG_MORE
	sent    int64 // bytes that the socket has taken
	err     error // why left was set to 0

	file [1][]byte // the middle of the queue
	buf  *buffer   // the memory of file; nil if there is none
	msg  unix.Msghdr
	used int // iovecs to clear
	iovs [MaxIovs]unix.Iovec

	// step is the method run, bound once: binding allocates.
	step func(fd uintptr) bool
}

var senders = sync.Pool{New: func() any {
	s := new(sender)
	s.step = s.run
	return s
}}

// sendFile is SendFile with arguments that have been checked.
func sendFile(dst Socket, header [][]byte, f *os.File, off, n int64, trailer [][]byte) (int64, error) {
	s := senders.Get().(*sender)
	defer s.release()
	s.f, s.off, s.left, s.trailer = f, off, n, trailer
	s.queue[0] = header
	return s.transfer(dst, n <= sendWhole)
}

// transfer sends. If copying, the beginning of the file joins the header.
//
// It is all in one RawConn.Write, which holds the lock of dst's writers and its
// descriptor until the end, and parks the goroutine whenever run returns false.
func (s *sender) transfer(dst Socket, copying bool) (int64, error) {
	if s.copying = copying; copying {
		s.load()
	}
	rc, err := dst.SyscallConn()
	if err != nil {
		return 0, err
	}
	if err := rc.Write(s.step); err != nil {
		return s.sent, err
	}
	return s.sent, s.err
}

// release gives s back. Nothing in it may keep the caller's memory alive.
func (s *sender) release() {
	clear(s.iovs[:s.used])
	if s.buf != nil {
		putBuffer(s.buf)
	}
	s.reset()
	senders.Put(s)
}

// reset sets all but the iovecs, which are long, and the bound method to zero.
func (s *sender) reset() {
	s.f, s.off, s.left, s.trailer = nil, 0, 0, nil
	s.queue, s.skip = [3][][]byte{}, 0
	s.copying, s.corked, s.sent, s.err = false, false, 0, nil
	s.file[0], s.buf, s.msg, s.used = nil, nil, unix.Msghdr{}, 0
}

// run sends until everything is sent or cannot be (true), or until the socket
// fd is full (false).
func (s *sender) run(fd uintptr) bool {
	for {
		wait := false
		switch {
		case len(s.next()) > 0:
			wait = s.sendQueue(fd)
		case s.left > 0 && s.copying:
			s.load()
		case s.left > 0:
			wait = s.sendPages(fd)
		default:
			if s.err != nil && s.corked {
				uncork(int(fd))
			}
			return true
		}
		if wait {
			return false
		}
	}
}

// fail ends the file: nothing more of it is sent, and no trailer.
func (s *sender) fail(err error) {
	s.err, s.left, s.trailer = err, 0, nil
}

// took counts n bytes of the file as sent or queued.
func (s *sender) took(n int) {
	s.off += int64(n)
	if s.left -= int64(n); s.left == 0 {
		s.queue[2], s.trailer = s.trailer, nil
	}
}

// load puts the next bytes of the file into the queue.
func (s *sender) load() {
	want := int(min(s.left, sendChunk))
	if want == 0 {
		s.took(0)
		return
	}
	if s.buf == nil {
		s.buf = getBuffer(want) // and never more: left only shrinks
	}
	b := s.buf.b[:want]
	n, err := s.f.ReadAt(b, s.off)
	s.file[0] = b[:n]
	s.queue[1] = s.file[:]
	s.took(n)
	if err != nil && n < want {
		s.fail(shortFile(err))
	}
}

// sendPages gives the next bytes of the file to sendfile(2) and reports whether
// the socket is full. It goes through f's RawConn for each call, and not once
// for all, since one that waits for the peer would keep f open.
func (s *sender) sendPages(fd uintptr) (wait bool) {
	rc, err := s.f.SyscallConn()
	if err != nil {
		s.fail(err)
		return false
	}
	n, off, count := 0, s.off, int(min(s.left, maxCall))
	var cause error
	err = rc.Control(func(in uintptr) {
		n, cause = unix.Sendfile(int(fd), int(in), &off, count)
	})
	if err != nil {
		s.fail(connError(s.f, err, 0))
		return false
	}
	switch cause {
	case nil:
		if n == 0 {
			// The end of the file, or one of those kernel files that are
			// empty for the page cache: reading knows which.
			s.copying = true
			return false
		}
		s.sent += int64(n)
		s.took(n)
		// Linux up to 6.4 left MSG_MORE set on the last bytes of a file that
		// was shorter than asked (splice_direct_to_actor).
		s.corked = s.left > 0
	case unix.EINTR:
	case unix.EAGAIN:
		return true
	case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EOVERFLOW:
		// No splice_read in the file, or an offset beyond its file system's
		// largest; or a mistake in either descriptor, which shows again.
		s.copying = true
	default:
		s.fail(cause)
	}
	return false
}

// sendQueue sends the queue, which is not empty, or as much of it as one
// sendmsg(2) takes, and reports whether the socket is full.
func (s *sender) sendQueue(fd uintptr) (wait bool) {
	k, all := s.fill()
	s.used = max(s.used, k)
	s.msg.Iov = &s.iovs[0]
	s.msg.SetIovlen(k)
	more := !all || s.left > 0
	flags := unix.MSG_NOSIGNAL
	if more {
		flags |= unix.MSG_MORE
	}
	// The number exists on 386 and s390x since Linux 4.3 only; before that they
	// had socketcall(2) alone.
	n, _, errno := unix.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&s.msg)), uintptr(flags))
	switch errno {
	case 0:
		if n == 0 { // no stream socket does this, and it must not loop
			s.abort(io.ErrNoProgress)
			return false
		}
		s.sent += int64(n)
		s.corked = more
		s.consume(int(n))
	case unix.EINTR:
	case unix.EAGAIN:
		return true
	default:
		s.abort(errno)
	}
	return false
}

// abort ends everything.
func (s *sender) abort(err error) {
	s.fail(err)
	s.queue, s.skip = [3][][]byte{}, 0
}

// next steps over empty pieces and returns what is left of the first other one
// in the queue, nothing if there is none.
func (s *sender) next() []byte {
	for i := range s.queue {
		for len(s.queue[i]) > 0 {
			if b := s.queue[i][0][s.skip:]; len(b) > 0 {
				return b
			}
			s.queue[i], s.skip = s.queue[i][1:], 0
		}
	}
	return nil
}

// consume steps over the first n bytes of the queue, which has as many.
func (s *sender) consume(n int) {
	for n > 0 {
		k := min(n, len(s.next()))
		s.skip += k
		n -= k
	}
}

// fill points the iovecs at the beginning of the queue. It returns their number
// and whether they cover all of it. Empty pieces take none.
func (s *sender) fill() (k int, all bool) {
	room, skip := maxCall, s.skip
	for _, bufs := range s.queue {
		for _, b := range bufs {
			b, skip = b[skip:], 0
			if len(b) == 0 {
				continue
			}
			if k == len(s.iovs) || room == 0 {
				return k, false
			}
			whole := int64(len(b)) <= room
			if !whole {
				b = b[:room]
			}
			s.iovs[k].Base = unsafe.SliceData(b)
			s.iovs[k].SetLen(len(b))
			k++
			if room -= int64(len(b)); !whole {
				return k, false
			}
		}
	}
	return k, true
}

// uncork makes TCP send what MSG_MORE has kept back: to clear TCP_CORK does so
// even where it is not set (__tcp_sock_set_cork in net/ipv4/tcp.c). Where it is
// set, the program that did so decides.
func uncork(fd int) {
	on, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK)
	if err != nil || on != 0 {
		return // not TCP: nothing is kept back
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK, 0) // failing, it leaves them to the kernel's timer
}
