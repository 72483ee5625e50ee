package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/manypen/manypen/journal"
)

func init() { roles["limit"] = roleLimit }

// mounts makes small file systems and returns where they are.
func mounts(t *testing.T) map[string]string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	found := make(map[string]string)
	base := t.TempDir()
	if dir := filepath.Join(base, "tmpfs"); os.Mkdir(dir, 0o755) == nil {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
			t.Skip("mount is not permitted:", err)
		}
		t.Cleanup(func() { unmount(t, dir) })
		found["tmpfs"] = dir
	}
	for kind, size := range map[string]int64{"ext4": 24 << 20, "xfs": 320 << 20} {
		image, dir := filepath.Join(base, kind+".img"), filepath.Join(base, kind)
		if err := loopMount(kind, image, dir, size); err != nil {
			t.Logf("no %s here: %v", kind, err)
			continue
		}
		t.Cleanup(func() { unmount(t, dir) })
		found[kind] = dir
	}
	return found
}

func loopMount(kind, image, dir string, size int64) error {
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(size), f.Close(), os.Mkdir(dir, 0o755)); err != nil {
		return err
	}
	args := []string{"-q", image}
	if kind == "vfat" {
		args = args[1:] // it has no such flag
	}
	if out, err := exec.Command("mkfs."+kind, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func unmount(t *testing.T, dir string) {
	if err := syscall.Unmount(dir, 0); err != nil {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

// The disk fills up. Appends fail with a typed error that says where and why,
// and whatever was acknowledged is there; when something is deleted appends
// succeed again, in the same handle and in others, behind the fragments.
func TestFullDisk(t *testing.T) {
	for name, base := range mounts(t) {
		for _, policy := range []journal.SyncPolicy{journal.SyncAlways, journal.SyncInterval, journal.SyncNone} {
			t.Run(fmt.Sprint(name, "/", policy), func(t *testing.T) { fullDisk(t, base, policy) })
		}
	}
}

func fullDisk(t *testing.T, base string, policy journal.SyncPolicy) {
	ballast := filepath.Join(base, "ballast")
	dir := filepath.Join(base, "journal")
	opts := journal.Options{Sync: policy, SegmentSize: 1 << 20, MaxRecord: 1 << 20}
	j, other := open(t, dir, opts), open(t, dir, opts)
	var acked []journal.Position
	must := func(j *journal.Journal, size int) {
		t.Helper()
		p, err := j.Append([]byte("key"), bytes.Repeat([]byte("v"), size))
		if err != nil {
			t.Fatal(err)
		}
		acked = append(acked, p)
	}
	for range 20 {
		must(j, 100_000)
		must(other, 1_000)
	}
	room := fillDisk(t, ballast)
	var full int
	for i := 0; full < 30 && i < 100_000; i++ {
		for _, j := range []*journal.Journal{j, other} {
			p, err := j.Append([]byte("key"), bytes.Repeat([]byte("v"), 30_000+i))
			if err == nil {
				acked = append(acked, p)
				continue
			}
			full++
			var place *journal.Error
			if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &place) || place.Path == "" {
				t.Fatalf("append to a full disk: %v", err)
			}
		}
	}
	if full == 0 {
		t.Fatalf("the disk has %d bytes of ballast and is not full", room)
	}
	wantPositions(t, dir, acked)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		must(j, 100_000)
		must(other, 1_000)
	}
	third := open(t, dir, opts)
	must(third, 10)
	wantPositions(t, dir, acked)
	report := verify(t, dir)
	t.Logf("%d appends failed, fragments: %+v", full, report.Classes[journal.Fragment])
	for _, j := range []*journal.Journal{j, other, third} {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// fillDisk writes to path until nothing fits any more, not even a byte.
func fillDisk(t *testing.T, path string) (size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // only its size matters
	for n := 1 << 20; n > 0; {
		w, err := f.Write(make([]byte, n))
		size += int64(w)
		if err != nil {
			n /= 2
		}
	}
	return size
}

func wantPositions(t *testing.T, dir string, acked []journal.Position) {
	t.Helper()
	there := make(map[journal.Position]int)
	for _, rec := range all(t, dir) {
		there[rec.Position]++
	}
	for _, p := range acked {
		if there[p] != 1 {
			t.Errorf("acknowledged record at %v is there %d times", p, there[p])
		}
	}
	if len(there) != len(acked) {
		t.Errorf("%d records there, %d acknowledged", len(there), len(acked))
	}
}

// Values that hold valid records of the same segment at any alignment, cut off
// anywhere by a file size limit: what was not appended never surfaces.
func TestHostileValuesTorn(t *testing.T) {
	const cases = 1000
	for name, dir := range places(t) {
		t.Run(name, func(t *testing.T) {
			out := spawn(t, "limit", dir, fmt.Sprint(cases)).finish(t)
			var torn, whole int
			if _, err := fmt.Sscanf(out, "%d torn, %d whole", &torn, &whole); err != nil || torn < cases/2 {
				t.Fatalf("%q: %v", out, err)
			}
			recs := all(t, dir)
			for _, rec := range recs {
				if string(rec.Key) != "genuine" {
					t.Fatalf("record at %v was never appended: key %q", rec.Position, rec.Key)
				}
			}
			if len(recs) != whole {
				t.Errorf("%d records, %d were acknowledged", len(recs), whole)
			}
			if n := verify(t, dir).Classes[journal.Fragment].Count; n < uint64(torn) {
				t.Errorf("%d fragments, %d appends were torn", n, torn)
			}
		})
	}
}

// roleLimit appends hostile values under a limit of the file size that cuts
// them off, and genuine ones without one: DIR CASES.
func roleLimit(args []string) error {
	signal.Ignore(syscall.SIGXFSZ) // its default action is to kill
	var cases, torn, whole int
	if _, err := fmt.Sscan(args[1], &cases); err != nil {
		return err
	}
	j, err := journal.Open(args[0], journal.Options{Sync: journal.SyncNone, SegmentSize: 256 << 10})
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for range cases {
		p, err := j.Append([]byte("genuine"), []byte("a record whose bytes are stolen"))
		if err != nil {
			return err
		}
		whole++
		value, size, err := hostile(rng, filepath.Join(args[0], fmt.Sprintf("seg.%09d", p.Segment)), p)
		if err != nil {
			return err
		}
		if err := limitFileSize(uint64(size) + uint64(1+rng.IntN(len(value)+60))); err != nil {
			return err
		}
		_, err = j.Append([]byte("genuine"), value)
		if lerr := limitFileSize(syscall.RLIM_INFINITY & (1<<63 - 1)); lerr != nil {
			return lerr
		}
		var fragment *journal.FragmentError
		switch {
		case err == nil:
			whole++
		case errors.As(err, &fragment) && errors.Is(err, syscall.EFBIG):
			torn++
		default:
			return err
		}
	}
	if got := j.Stats().Fragments; got < uint64(torn) || got > uint64(torn+whole) { // some were whole the second time
		return fmt.Errorf("Stats counts %d fragments, at least %d were left", got, torn)
	}
	fmt.Printf("%d torn, %d whole\n", torn, whole)
	return j.Close()
}

// hostile makes a value of the bytes of the record at p, key changed, again and
// again at random alignments. It returns the size of the segment too.
func hostile(rng *rand.Rand, path string, p journal.Position) ([]byte, int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	stolen := b[p.Offset:]
	value := make([]byte, rng.IntN(100))
	for range 1 + rng.IntN(8) {
		value = append(value, stolen...)
		value = append(value, make([]byte, rng.IntN(9))...)
	}
	return value, int64(len(b)), nil
}

func limitFileSize(n uint64) error {
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: syscall.RLIM_INFINITY & (1<<64 - 1)})
}

// A directory that may not be written refuses a writer with the system's error.
// Root may write everywhere, so the test gives up being root in a child.
func TestNotWritable(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to become somebody else")
	}
	dir, _ := threeSegments(t)
	for d := dir; d != filepath.Dir(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if d == os.TempDir() {
			break
		}
	}
	exe := filepath.Join(filepath.Dir(dir), "test")
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	line := again(exe, dir, "x", "1")
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), roleVariable+"=append")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "permission denied") {
		t.Errorf("%v: %s", err, out)
	}
}
