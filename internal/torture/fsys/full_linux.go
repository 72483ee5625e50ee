package fsys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FullKind is a file system whose write-back can be made to fail.
type FullKind struct {
	Name string // of the kind
	Type string // of the file system
	// Survives says that log and metadata have all the pages they need, so the file
	// system goes on when there is room again. Such a one is the dangerous kind: a
	// second fdatasync has nothing to complain about. The others give up when they are
	// made to commit while there is no room ([Full.GiveUp]).
	Survives bool

	image   int64  // bytes of the image file, which is sparse
	store   string // size of the tmpfs it lies in: less than the image
	mkfs    []string
	reserve int64 // of the image that gets its pages at once: where btrfs has its metadata
}

// FullKinds are those that survive, one of each type, and then those that do not.
var FullKinds = []FullKind{
	{Name: "ext4", Type: "ext4", Survives: true, image: 64 << 20, store: "28m",
		mkfs: []string{"-q", "-b", "4096", "-J", "size=4", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"}},
	{Name: "xfs", Type: "xfs", Survives: true, image: 320 << 20, store: "144m",
		mkfs: []string{"-q", "-K"}}, // the log, 64 MiB at least, is written with zeros
	{Name: "btrfs", Type: "btrfs", Survives: true, image: 128 << 20, store: "44m",
		mkfs: []string{"-q", "-K", "-m", "single", "-d", "single"}, reserve: 13 << 20},
	{Name: "xfs-shutdown", Type: "xfs", image: 320 << 20, store: "76m",
		mkfs: []string{"-q", "-K"}},
	{Name: "ext4-log", Type: "ext4", image: 64 << 20, store: "10m",
		mkfs: []string{"-q", "-b", "4096", "-J", "size=4", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"}},
	{Name: "btrfs-metadata", Type: "btrfs", image: 128 << 20, store: "16m",
		mkfs: []string{"-q", "-K", "-m", "single", "-d", "single"}},
}

// Full is a file system in a sparse image on a tmpfs. When the tmpfs is full, writes
// to the file system still succeed, and writing them back does not.
type Full struct {
	Kind FullKind
	Dir  string // where it is mounted

	base, store, image, filler, copied string
}

// MakeFull makes and mounts a file system below base. It takes root, and the mkfs
// program of the type. It must be closed, even with an error.
func MakeFull(base string, kind FullKind) (*Full, error) {
	d := &Full{Kind: kind, Dir: filepath.Join(base, "mounted"), base: base, store: filepath.Join(base, "store")}
	d.image, d.filler, d.copied = filepath.Join(d.store, "image"), filepath.Join(d.store, "filler"), filepath.Join(d.store, "copy")
	if err := errors.Join(os.Mkdir(d.store, 0o755), os.Mkdir(d.Dir, 0o755)); err != nil {
		return d, err
	}
	if err := unix.Mount("tmpfs", d.store, "tmpfs", 0, "size="+kind.store); err != nil {
		return d, fmt.Errorf("mount: %w", err)
	}
	f, err := os.Create(d.image)
	if err != nil {
		return d, err
	}
	if err := errors.Join(f.Truncate(kind.image), f.Close()); err != nil {
		return d, err
	}
	err = d.withLoop("1024", func(device string) error { return command("mkfs."+kind.Type, append(kind.mkfs, device)...) })
	if err == nil && kind.reserve > 0 {
		if f, err = os.OpenFile(d.image, os.O_RDWR, 0); err == nil {
			err = errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, kind.reserve), f.Close())
		}
	}
	if err != nil {
		return d, err
	}
	return d, d.mount()
}

// withLoop gives use a loop device of the image, which writes at most so many KiB at a
// time. The kernel takes it away when nobody has it open or mounted any more.
func (d *Full) withLoop(request string, use func(device string) error) error {
	loop, err := Loop(d.image)
	if err != nil {
		return fmt.Errorf("no loop device: %w", err)
	}
	defer loop.Close() // nothing was written through it
	limit := filepath.Join("/sys/block", filepath.Base(loop.Name()), "queue/max_sectors_kb")
	if err := os.WriteFile(limit, []byte(request), 0); err != nil {
		return err
	}
	return use(loop.Name())
}

// mount mounts with requests of one page: a larger one finds room for its first pages
// and none for the others, the tmpfs writes what fits, and the loop driver reports the
// short write as a success (Linux 6.18, lo_complete_rq). Then it is the disk that lies,
// and no program could find out.
func (d *Full) mount() error {
	return d.withLoop("4", func(device string) error {
		if err := unix.Mount(device, d.Dir, d.Kind.Type, 0, "nodiscard"); err != nil {
			return fmt.Errorf("mount %s: %w", d.Kind.Type, err)
		}
		return nil
	})
}

// Remount takes the file system away and brings it back, without a page of it in
// memory.
func (d *Full) Remount() error {
	if err := unmountSoon(d.Dir); err != nil {
		return fmt.Errorf("unmount: %w; held by %q", err, d.users())
	}
	return d.mount()
}

// patience is how long is waited for what the kernel does by itself. It is no measure
// of speed.
const patience = time.Minute

// unmountSoon tries until nobody has dir in use: a process that somebody starts has,
// until its exec, what this one has open.
func unmountSoon(dir string) error {
	for begun := time.Now(); ; runtime.Gosched() {
		err := unix.Unmount(dir, 0)
		if !errors.Is(err, unix.EBUSY) || time.Since(begun) > patience {
			return err
		}
	}
}

// Fill takes all room from the image. What is in the file system already is on disk
// before, so that only what comes later can fail.
func (d *Full) Fill() error {
	if err := d.commit(); err != nil {
		return err
	}
	f, err := os.Create(d.filler)
	if err != nil {
		return err
	}
	for _, size := range []int{1 << 20, 4096} {
		for b := make([]byte, size); err == nil; {
			_, err = f.Write(b)
		}
		if !errors.Is(err, unix.ENOSPC) {
			break
		}
		err = nil
	}
	return errors.Join(err, f.Close())
}

// commit makes the file system write all it has, its own books included.
func (d *Full) commit() error {
	f, err := os.Open(d.Dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// GiveUp makes a file system that does not survive, and has no room, find out that it
// cannot go on. XFS, which always has its log, is told to do what it does when it
// cannot write it.
func (d *Full) GiveUp() error {
	err := d.commit()
	if d.Kind.Type != "xfs" {
		return err
	}
	f, err := os.Open(d.Dir)
	if err != nil {
		return err
	}
	// XFS_IOC_GOINGDOWN with XFS_FSOP_GOING_FLAGS_NOLOGFLUSH, of xfs_fs.h.
	return errors.Join(unix.IoctlSetPointerInt(int(f.Fd()), 0x8004587d, 2), f.Close())
}

// MakeRoom gives the image its room back.
func (d *Full) MakeRoom() error {
	if err := os.Remove(d.filler); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Snapshot copies the disk as it would be after a loss of power now, but that the file
// system has written everything before that it knows to be unwritten.
func (d *Full) Snapshot() error {
	f, err := os.Open(d.Dir)
	if err != nil {
		return err
	}
	defer f.Close()                             // only read from
	const freeze, thaw = 0xc0045877, 0xc0045878 // FIFREEZE and FITHAW of linux/fs.h
	if err := unix.IoctlSetInt(int(f.Fd()), freeze, 0); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	out, err := exec.Command("cp", "--sparse=auto", d.image, d.copied).CombinedOutput()
	if err := errors.Join(err, unix.IoctlSetInt(int(f.Fd()), thaw, 0)); err != nil {
		return fmt.Errorf("copy the disk: %w: %s", err, out)
	}
	return nil
}

// UseSnapshot mounts the copy in the place of the disk.
func (d *Full) UseSnapshot() error {
	d.image = d.copied
	return d.Remount()
}

// Healthy reports whether the file system itself takes and keeps a new file.
func (d *Full) Healthy() error {
	f, err := os.Create(filepath.Join(d.Dir, "probe"))
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 64<<10))
	return errors.Join(err, f.Sync(), f.Close())
}

// Drop makes the kernel forget the pages of files, which it may do after a failed
// write-back, since it calls them clean: whoever reads now reads what is on disk.
// Asking for it does not report a write-back error to anybody.
func (d *Full) Drop(paths []string) error {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		begun := time.Now()
		for n := 1; n > 0 && err == nil; runtime.Gosched() { // a page that somebody looks at stays
			if n, err = forget(f); err == nil && n > 0 && time.Since(begun) > patience {
				err = fmt.Errorf("%d pages of %s are still in memory", n, path)
			}
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
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

// Close leaves nothing mounted, whatever has happened. It takes away what somebody has
// still in use, and says who.
func (d *Full) Close() error {
	errs := []error{d.MakeRoom()} // an unmount may wait for it
	for _, dir := range []string{d.Dir, d.store} {
		err := unmountSoon(dir)
		if errors.Is(err, unix.EBUSY) {
			err = errors.Join(fmt.Errorf("unmount %s: %w; held by %q", dir, err, d.users()), unix.Unmount(dir, unix.MNT_DETACH))
		}
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) { // it was not mounted
			errs = append(errs, err)
		}
	}
	left, err := mounted(d.base)
	if len(left) > 0 {
		err = fmt.Errorf("still mounted: %q", left)
	}
	return errors.Join(append(errs, err)...)
}

// users lists who holds the file system, for an error message.
func (d *Full) users() (found []string) {
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return []string{err.Error()}
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, d.Dir) {
			found = append(found, link+" "+to)
		}
	}
	return found
}

// mounted lists what is mounted below base.
func mounted(base string) (dirs []string, err error) {
	b, err := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], base+"/") {
			dirs = append(dirs, fields[1])
		}
	}
	return dirs, err
}
