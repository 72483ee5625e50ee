package host

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// DirWatch tells when files in a directory change (inotify(7)). It needs read
// permission only.
type DirWatch struct {
	f      *os.File
	nudged atomic.Bool
	buf    [4096]byte
}

// WatchDir begins to watch. Instances and watches are limited for each user: that
// is an error like others.
func WatchDir(dir *os.File) (*DirWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	// The runtime waits for it without a thread.
	w := &DirWatch{f: os.NewFile(uintptr(fd), "inotify")}
	err = control("inotify_add_watch", dir, func(dirfd int) error {
		// By the descriptor: the name may belong to another directory by now.
		_, err := unix.InotifyAddWatch(fd, fmt.Sprintf("/proc/self/fd/%d", dirfd),
			unix.IN_MODIFY|unix.IN_CREATE|unix.IN_MOVED_TO|unix.IN_DELETE)
		return err
	})
	if err != nil {
		w.Close() // there is nothing in it
		return nil, err
	}
	return w, nil
}

// Wait sleeps until something has changed since the last Wait, or since the watch
// began, or Nudge is called, and for no longer than max. One goroutine at a time
// calls it.
func (w *DirWatch) Wait(max time.Duration) error {
	if err := w.f.SetReadDeadline(time.Now().Add(max)); err != nil {
		return err
	}
	if w.nudged.Swap(false) { // its deadline may be the one that was just replaced
		return nil
	}
	_, err := w.f.Read(w.buf[:])
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// Nudge ends the Wait that is under way, or the next one.
func (w *DirWatch) Nudge() {
	w.nudged.Store(true)
	_ = w.f.SetReadDeadline(time.Unix(1, 0)) // fails if it is closed: nobody waits
}

// Close ends the watch.
func (w *DirWatch) Close() error { return w.f.Close() }
