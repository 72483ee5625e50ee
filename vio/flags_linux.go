//go:build linux && !vio_portable

package vio

import (
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"golang.org/x/sys/unix"
)

// probed has the answers for each file that was asked about. The keys do not
// keep the files alive, and an entry goes away with its file.
var probed sync.Map // of weak.Pointer[os.File] to answers

// anyProbed spares files the look into the map as long as no flag of any file
// has been refused.
var anyProbed atomic.Bool

func knownAnswers(f *os.File) (answers, bool) {
	if !anyProbed.Load() {
		return answers{}, false
	}
	a, ok := probed.Load(weak.Make(f))
	if !ok {
		return answers{}, false
	}
	return a.(answers), true
}

// answersFor asks if that was not done yet. Only a regular file can be asked,
// and ok is false for others.
func answersFor(f *os.File) (a answers, ok bool) {
	if a, ok := knownAnswers(f); ok {
		return a, true
	}
	if a, ok = probe(f); !ok {
		return a, false
	}
	key := weak.Make(f)
	if _, there := probed.LoadOrStore(key, a); !there {
		runtime.AddCleanup(f, func(key weak.Pointer[os.File]) { probed.Delete(key) }, key)
	}
	anyProbed.Store(true)
	return a, true
}

// refused reports whether the kernel knows the call and not the flags, or not
// even the call. It has moved nothing then.
func refused(err error) bool { return err == unix.EOPNOTSUPP || err == unix.ENOSYS }

// unreadable is a page that every access to faults. The kernel looks at flags
// and file first, and at memory when it copies: a transfer from or to this page
// ends in EFAULT if the flags are accepted, and moves nothing.
var unreadable = sync.OnceValues(func() ([]byte, error) {
	return unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
})

func probe(f *os.File) (a answers, ok bool) {
	if !isRegular(f) {
		return a, false // a transfer on a pipe or device could wait, or do something
	}
	page, err := unreadable()
	if err != nil {
		return a, false
	}
	rc, err := f.SyscallConn()
	if err != nil {
		return a, false
	}
	iovs := make([]iov, 1)
	setIov(&iovs[0], page[:1])
	err = rc.Control(func(fd uintptr) {
		for bit := HiPri; bit <= DontCache; bit <<= 1 {
			c := call{iovs: iovs, place: place{0, bit}}
			if bit&readFlags != 0 && c.accepted(unix.SYS_PREADV2, fd) {
				a.read |= bit
			}
			if bit == Atomic && atomicWrites(fd) || bit != Atomic && c.accepted(unix.SYS_PWRITEV2, fd) {
				a.write |= bit
			}
		}
	})
	return a, err == nil
}

// accepted makes a transfer that cannot succeed and tells from the answer
// whether its flags were accepted. The kernel looks at them before anything else
// (kiocb_set_rw_flags), but for the direction that the file is open in: an
// answer about memory, alignment, room or time says that they were.
func (c *call) accepted(trap, fd uintptr) bool {
	for c.positional(trap, fd); c.errno == unix.EINTR; {
		c.positional(trap, fd)
	}
	return !refused(c.errno) && c.errno != unix.EBADF
}

func isRegular(f *os.File) bool {
	var st unix.Stat_t
	return fstat(f, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// atomicWrites reports whether the file can have Atomic writes: the file system
// names a largest size (statx(2)), and the file is open with O_DIRECT, which
// every file system asks for as of Linux 6.18.
func atomicWrites(fd uintptr) bool {
	var st unix.Statx_t
	if err := unix.Statx(int(fd), "", unix.AT_EMPTY_PATH, unix.STATX_WRITE_ATOMIC, &st); err != nil {
		return false
	}
	fl, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	return err == nil && fl&unix.O_DIRECT != 0 && st.Mask&unix.STATX_WRITE_ATOMIC != 0 && st.Atomic_write_unit_max > 0
}

// wouldWait returns EAGAIN if a read of nothing means that: Linux 5.9 and 5.10
// return 0 for it in the middle of a file (readv(2), BUGS).
func wouldWait(f *os.File, p place) error {
	var st unix.Stat_t
	if fstat(f, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	if p.off == Current {
		pos, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil
		}
		p.off = pos
	}
	if p.off < st.Size {
		return unix.EAGAIN
	}
	return nil
}

// syncAfter does for a write what the refused flags would have done.
func syncAfter(f *os.File, missing Flags) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	sync := unix.Fdatasync
	if missing&Sync != 0 {
		sync = unix.Fsync
	}
	var cause error
	err = rc.Control(func(fd uintptr) {
		for cause = sync(int(fd)); cause == unix.EINTR; {
			cause = sync(int(fd))
		}
	})
	if err != nil {
		return os.ErrClosed // Control fails for nothing else
	}
	if cause == unix.EINVAL && !isRegular(f) {
		return nil // nothing to sync, as DSync on a pipe does nothing
	}
	return cause
}

var _ = [1]int{}[Flags(unix.RWF_HIPRI)-HiPri|Flags(unix.RWF_DSYNC)-DSync|Flags(unix.RWF_SYNC)-Sync|
	Flags(unix.RWF_NOWAIT)-NoWait|Flags(unix.RWF_APPEND)-Append|Flags(unix.RWF_NOAPPEND)-NoAppend|
	Flags(unix.RWF_ATOMIC)-Atomic|Flags(unix.RWF_DONTCACHE)-DontCache]
