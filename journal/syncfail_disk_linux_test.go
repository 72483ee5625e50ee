package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fullableKind is a file system whose write-back can be made to fail.
type fullableKind struct {
	name, kind string
	image      int64  // bytes of the image file, which is sparse
	store      string // size of the tmpfs it lies in: less than the image
	mkfs       []string
	// reserve is how many bytes of the image get their pages before anything
	// is written: where btrfs has its metadata, in the layout of mkfs.
	reserve int64
	// survives says that log and metadata have all the pages they need, so the
	// file system goes on when there is room again. Such a one is the dangerous
	// kind: a second fdatasync has nothing to complain about. The others are
	// made to commit while there is no room, and give up; XFS, which always has
	// its log, is told to do what it does when it cannot write it.
	survives bool
}

var fullableKinds = []fullableKind{
	{name: "ext4", kind: "ext4", image: 64 << 20, store: "28m", survives: true,
		mkfs: []string{"-q", "-b", "4096", "-J", "size=4", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"}},
	{name: "xfs", kind: "xfs", image: 320 << 20, store: "144m", survives: true,
		mkfs: []string{"-q", "-K"}}, // the log, 64 MiB at least, is written with zeros
	{name: "btrfs", kind: "btrfs", image: 128 << 20, store: "44m", survives: true,
		mkfs: []string{"-q", "-K", "-m", "single", "-d", "single"}, reserve: 13 << 20},
	{name: "xfs-shutdown", kind: "xfs", image: 320 << 20, store: "76m",
		mkfs: []string{"-q", "-K"}},
	{name: "ext4-log", kind: "ext4", image: 64 << 20, store: "10m",
		mkfs: []string{"-q", "-b", "4096", "-J", "size=4", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"}},
	{name: "btrfs-metadata", kind: "btrfs", image: 128 << 20, store: "16m",
		mkfs: []string{"-q", "-K", "-m", "single", "-d", "single"}},
}

// fullable is a file system in a sparse image on a tmpfs. When the tmpfs is full
// writes to the file system still succeed, and writing them back does not.
type fullable struct {
	t      *testing.T
	kind   fullableKind
	store  string // the tmpfs
	image  string
	filler string
	copied string // of the image
	dir    string // where the file system is mounted
}

// newFullable makes and mounts a file system of a kind, or skips the test.
func newFullable(t *testing.T, kind fullableKind) *fullable {
	t.Helper()
	base := t.TempDir()
	d := &fullable{t: t, kind: kind, store: filepath.Join(base, "store"), dir: filepath.Join(base, "mounted")}
	d.image, d.filler, d.copied = filepath.Join(d.store, "image"), filepath.Join(d.store, "filler"), filepath.Join(d.store, "copy")
	if err := errors.Join(os.Mkdir(d.store, 0o755), os.Mkdir(d.dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", d.store, "tmpfs", 0, "size="+kind.store); err != nil {
		t.Skip("mounting is not permitted:", err)
	}
	t.Cleanup(d.clean)
	f, err := os.Create(d.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(kind.image), f.Close()); err != nil {
		t.Fatal(err)
	}
	d.withLoop("1024", func(device string) {
		if out, err := exec.Command("mkfs."+kind.kind, append(kind.mkfs, device)...).CombinedOutput(); err != nil {
			t.Fatalf("mkfs.%s: %v: %s", kind.kind, err, out)
		}
	})
	if kind.reserve > 0 {
		f, err := os.OpenFile(d.image, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, kind.reserve), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	d.mount()
	return d
}

// withLoop gives use a loop device of the image, which writes at most so many
// KiB at a time. The kernel takes it away when nobody has it open or mounted any
// more, even if this process is killed.
func (d *fullable) withLoop(request string, use func(device string)) {
	d.t.Helper()
	loop, err := d.attach()
	if err != nil {
		d.t.Skip("no loop device to be had:", err)
	}
	defer loop.Close() // nothing was written through it
	limit := filepath.Join("/sys/block", filepath.Base(loop.Name()), "queue/max_sectors_kb")
	if err := os.WriteFile(limit, []byte(request), 0); err != nil {
		d.t.Fatal(err)
	}
	use(loop.Name())
}

func (d *fullable) attach() (*os.File, error) {
	image, err := os.OpenFile(d.image, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer image.Close() // the loop device has its own
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close() // only asked
	for {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, err
		}
		loop, err := os.OpenFile(fmt.Sprint("/dev/loop", n), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &unix.LoopConfig{
			Fd: uint32(image.Fd()), Size: 4096, Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR},
		})
		if err == nil {
			return loop, nil
		}
		if err := errors.Join(err, loop.Close()); !errors.Is(err, unix.EBUSY) {
			return nil, err // else somebody else was faster
		}
	}
}

func (d *fullable) mount() {
	d.t.Helper()
	// Requests are one page of the tmpfs each, and sectors too. A larger one
	// finds room for its first pages and none for the others, the tmpfs writes
	// what fits, and the loop driver (Linux 6.18, lo_complete_rq) reports the
	// short write as a success. Then it is the disk that lies, and no program
	// could find out.
	d.withLoop("4", func(device string) {
		if err := syscall.Mount(device, d.dir, d.kind.kind, 0, "nodiscard"); err != nil {
			d.t.Skipf("no %s here: %v", d.kind.kind, err)
		}
	})
}

// remount takes the file system away and brings it back, without a page of it
// in memory.
func (d *fullable) remount() {
	d.t.Helper()
	if err := unmountSoon(d.dir); err != nil {
		d.t.Fatalf("unmount: %v; held by %v", err, d.users())
	}
	d.mount()
}

// unmountSoon tries until nobody has dir in use. A process that another test
// starts has for a moment, until its exec closes it, what this one had open.
func unmountSoon(dir string) error {
	for begun := time.Now(); ; runtime.Gosched() {
		err := syscall.Unmount(dir, 0)
		if !errors.Is(err, syscall.EBUSY) || time.Since(begun) > hangs {
			return err
		}
	}
}

// users lists who holds the file system, for the error message.
func (d *fullable) users() (found []string) {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return []string{err.Error()}
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, d.dir) {
			found = append(found, link+" "+to)
		}
	}
	return found
}

// fill takes all room from the image. What is in the file system already is on
// disk before, so that only what comes later can fail.
func (d *fullable) fill() {
	d.t.Helper()
	if err := d.commit(); err != nil {
		d.t.Fatal(err)
	}
	fillDisk(d.t, d.filler)
}

// commit makes the file system write all it has, its own books included.
func (d *fullable) commit() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// giveUp makes the file system, which has no room, find out that it cannot go on.
func (d *fullable) giveUp() error {
	err := d.commit()
	if d.kind.kind != "xfs" {
		return err
	}
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	// XFS_IOC_GOINGDOWN with XFS_FSOP_GOING_FLAGS_NOLOGFLUSH, of xfs_fs.h.
	return errors.Join(unix.IoctlSetPointerInt(int(f.Fd()), 0x8004587d, 2), f.Close())
}

// makeRoom gives the image its room back.
func (d *fullable) makeRoom() {
	d.t.Helper()
	if err := os.Remove(d.filler); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Error(err)
	}
}

// snapshot copies the disk as it would be after a loss of power now, but that the
// file system has written everything before that it knows to be unwritten.
func (d *fullable) snapshot() {
	d.t.Helper()
	f, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close() // only read from
	// FIFREEZE and FITHAW of linux/fs.h.
	if err := unix.IoctlSetInt(int(f.Fd()), 0xc0045877, 0); err != nil {
		d.t.Fatal("freeze:", err)
	}
	out, err := exec.Command("cp", "--sparse=auto", d.image, d.copied).CombinedOutput()
	if err := errors.Join(err, unix.IoctlSetInt(int(f.Fd()), 0xc0045878, 0)); err != nil {
		d.t.Fatalf("copy the disk: %v: %s", err, out)
	}
}

// useSnapshot mounts the copy in the place of the disk.
func (d *fullable) useSnapshot() {
	d.t.Helper()
	d.image = d.copied
	d.remount()
}

// healthy reports whether the file system itself takes and keeps a new file.
func (d *fullable) healthy() error {
	f, err := os.Create(filepath.Join(d.dir, "probe"))
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 64<<10))
	return errors.Join(err, f.Sync(), f.Close())
}

// drop makes the kernel forget the pages of the segments, which it may do after
// a failed write-back, since it calls them clean: whoever reads now reads what
// is on disk. Asking for it does not report a write-back error to anybody.
func (d *fullable) drop(paths []string) {
	d.t.Helper()
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			d.t.Fatal(err)
		}
		begun := time.Now()
		for n := 1; n > 0; runtime.Gosched() { // a page that somebody looks at stays
			if n, err = forget(f); err != nil || n > 0 && time.Since(begun) > hangs {
				d.t.Fatalf("%d pages of %s are still in memory, %v", n, filepath.Base(path), err)
			}
		}
		if err := f.Close(); err != nil {
			d.t.Fatal(err)
		}
	}
}

// forget drops the pages of f and counts those that are in memory still.
func forget(f *os.File) (n int, err error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return 0, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, err
	}
	page := os.Getpagesize()
	in := make([]byte, (len(b)+page-1)/page)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&in[0])))
	if errno != 0 {
		err = errno
	}
	for _, c := range in {
		n += int(c & 1)
	}
	return n, errors.Join(err, unix.Munmap(b))
}

// clean leaves nothing mounted, in whatever state the test has ended.
func (d *fullable) clean() {
	d.makeRoom() // an unmount may wait for it
	for _, dir := range []string{d.dir, d.store} {
		err := unmountSoon(dir)
		if errors.Is(err, syscall.EBUSY) {
			d.t.Errorf("unmount %s: %v, held by %v", dir, err, d.users())
			err = syscall.Unmount(dir, unix.MNT_DETACH)
		}
		if err != nil && !errors.Is(err, syscall.EINVAL) { // it was not mounted
			d.t.Errorf("unmount %s: %v", dir, err)
		}
	}
	if left := mountsUnder(d.t, filepath.Dir(d.store)); len(left) > 0 {
		d.t.Errorf("still mounted: %q", left)
	}
}

// mountsUnder lists what is mounted below base.
func mountsUnder(t *testing.T, base string) (left []string) {
	t.Helper()
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only read from
	in := bufio.NewScanner(f)
	for in.Scan() {
		if fields := strings.Fields(in.Text()); len(fields) > 1 && strings.HasPrefix(fields[1], base+"/") {
			left = append(left, fmt.Sprint(fields[:2]))
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return left
}
