package host

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts a small file system and opens its root; only root may.
func mount(t *testing.T, kind, options string) *os.File {
	t.Helper()
	point := t.TempDir()
	if err := unix.Mount("host-test", point, kind, 0, options); err != nil {
		t.Skipf("mounting a %s takes root: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return openDir(t, point)
}

func TestFileSystemOf(t *testing.T) {
	for path, want := range map[string]FileSystem{
		"/dev/shm": {"tmpfs", true},
		"/proc":    {"proc", false},
		"/sys":     {"sysfs", false},
	} {
		dir, err := os.Open(path)
		if err != nil {
			t.Logf("%s: %v", path, err)
			continue
		}
		got, err := FileSystemOf(dir)
		if got != want || err != nil {
			t.Errorf("%s is on %+v, want %+v, %v", path, got, want, err)
		}
		_ = dir.Close()
	}
	root, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if got, err := FileSystemOf(root); err != nil || got.Name == "" {
		t.Errorf("/ is on %+v, %v", got, err)
	}
}

func TestFileSystemsUnknown(t *testing.T) {
	dir := mount(t, "cgroup2", "")
	if got, err := FileSystemOf(dir); err != nil || got != (FileSystem{Name: "0x63677270"}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBootID(t *testing.T) {
	text, err := os.ReadFile(bootIDFile)
	if err != nil {
		t.Skip("this kernel or container shows no boot id:", err)
	}
	id, err := BootID()
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""); hex.EncodeToString(id[:]) != want {
		t.Errorf("%x, want %s", id, want)
	}
	for _, bad := range []string{
		"", "\n", strings.Repeat("0", 36),
		"00000000-0000-0000-0000-000000000000\n",
		"12345678-1234-1234-1234-12345678901",
		"12345678-1234-1234-1234-1234567890123",
		"12345678-1234-1234-1234-12345678901g",
		"12345678-1234-1234-1234-1234-6789012",
		"12345678012340123401234012345678901",
	} {
		if id, ok := parseBootID([]byte(bad)); ok {
			t.Errorf("%q is %x", bad, id)
		}
	}
}

func TestStatFileDoesNotAllocate(t *testing.T) {
	f := newFile(t, newDir(t), "f", "text", os.O_RDONLY)
	n := testing.AllocsPerRun(100, func() {
		if _, err := StatFile(f); err != nil {
			t.Error(err)
		}
	})
	if n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

func TestOpenInRefusesSpecialFiles(t *testing.T) {
	dir := newDir(t)
	if err := unix.Mkfifo(filepath.Join(dir.Name(), "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	newFile(t, dir, "f", "text", os.O_RDONLY)
	if err := os.Symlink("f", filepath.Join(dir.Name(), "link")); err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	if _, err := OpenIn(dir, "fifo", os.O_RDONLY); !errors.Is(err, errNotRegular) { // and does not hang
		t.Error(err)
	}
	if _, err := OpenIn(dir, "link", os.O_RDONLY); !errors.Is(err, unix.ELOOP) {
		t.Error(err)
	}
	if ok, err := ExistsIn(dir, "link"); !ok || err != nil {
		t.Error(ok, err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// What is opened must not be inherited, and must look like any other file.
func TestDescriptorFlags(t *testing.T) {
	dir := newDir(t)
	f := newFile(t, dir, "f", "text", os.O_RDWR|os.O_APPEND)
	check := func(f *os.File) error {
		return control("fcntl", f, func(fd int) error {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s is inherited, %v", f.Name(), err)
			}
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
				t.Errorf("%s does not block, %v", f.Name(), err)
			}
			return nil
		})
	}
	if err := check(f); err != nil {
		t.Error(err)
	}
	eachWay(t, func(t *testing.T) {
		if err := Publish(newDir(t), "f", 0o600, false, check); err != nil {
			t.Error(err)
		}
	})
}

func TestUnnamedIsUsed(t *testing.T) {
	dir := newDir(t)
	err := Publish(dir, "f", 0o600, false, func(*os.File) error {
		if names, err := ListIn(dir); len(names) != 0 || err != nil {
			t.Errorf("a file that is being written has a name: %v, %v", names, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRenameNewNeverReplaces(t *testing.T) {
	dir := newDir(t)
	newFile(t, dir, "a", "a", os.O_RDONLY)
	newFile(t, dir, "b", "b", os.O_RDONLY)
	if err := renameNew(dir, "a", "b"); !errors.Is(err, os.ErrExist) {
		t.Error(err)
	}
	wantContent(t, dir, "b", "b")
	if err := renameNew(dir, "a", "c"); err != nil {
		t.Error(err)
	}
	wantContent(t, dir, "c", "a")
}

func TestFullDisk(t *testing.T) {
	dir := mount(t, "tmpfs", "size=1m")
	before := openFiles(t)
	big := content(strings.Repeat("x", 2<<20))
	eachWay(t, func(t *testing.T) {
		for what, place := range map[string]placer{"Publish": Publish, "Replace": Replace} {
			if err := place(dir, "f", 0o600, false, big); !errors.Is(err, unix.ENOSPC) {
				t.Errorf("%s: %v", what, err)
			}
			if names, err := ListIn(dir); len(names) != 0 || err != nil {
				t.Errorf("%s left %v, %v", what, names, err)
			}
		}
	})
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	f := newFile(t, dir, "seg", "", os.O_RDWR|os.O_APPEND)
	n, err := f.WriteString(strings.Repeat("x", 2<<20))
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(n, err)
	}
	eachSeal(t, func(t *testing.T) {
		if err := Seal(f, dir, "seg", 8<<20, 9<<20); !errors.Is(err, unix.ENOSPC) {
			t.Error(err)
		}
		if st, err := StatFile(f); err != nil || st.Size != int64(n) {
			t.Errorf("size %d, was %d, %v", st.Size, n, err)
		}
	})
}
