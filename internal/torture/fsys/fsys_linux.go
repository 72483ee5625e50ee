// Package fsys makes file systems for the classes of the scoreboard.
package fsys

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Kinds are the file systems on which a journal takes several writers.
var Kinds = []string{"ext4", "xfs", "btrfs", "tmpfs"}

// imageSize is what XFS asks for at least, and some room.
const imageSize = 1 << 30

// FS is a file system that was made for a run.
type FS struct {
	Kind string
	Dir  string // where it is mounted

	root string // holds the image and the mount point
}

// Make makes a file system of a kind in a sparse image below dir and mounts it. It
// takes root, and the mkfs program of the kind. It must be closed.
func Make(dir, kind string) (*FS, error) {
	root, err := os.MkdirTemp(dir, "manypen-"+kind+"-")
	if err != nil {
		return nil, err
	}
	fs := &FS{Kind: kind, root: root, Dir: filepath.Join(root, "mnt")}
	if err := fs.mount(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", kind, err), os.RemoveAll(root))
	}
	return fs, nil
}

func (fs *FS) mount() error {
	if err := os.Mkdir(fs.Dir, 0o755); err != nil {
		return err
	}
	if fs.Kind == "tmpfs" {
		return unix.Mount("tmpfs", fs.Dir, "tmpfs", 0, fmt.Sprintf("size=%d", imageSize))
	}
	image := filepath.Join(fs.root, "image")
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(imageSize), f.Close()); err != nil {
		return err
	}
	if err := command("mkfs."+fs.Kind, "-q", image); err != nil {
		return err
	}
	return command("mount", "-o", "loop", image, fs.Dir)
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// Close unmounts the file system and removes it. What has files open there must have
// ended.
func (fs *FS) Close() error {
	if err := unix.Unmount(fs.Dir, 0); err != nil {
		return fmt.Errorf("unmount %s: %w", fs.Dir, err)
	}
	return os.RemoveAll(fs.root)
}

// Loop gives an image a loop device, which the kernel takes away when nobody has it open
// or mounted any more. It takes root.
func Loop(path string) (*os.File, error) {
	image, err := os.OpenFile(path, os.O_RDWR, 0)
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
