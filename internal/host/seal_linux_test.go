package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// eachSeal runs a test with fallocate and without.
func eachSeal(t *testing.T, run func(t *testing.T)) {
	for _, with := range []bool{true, false} {
		t.Run(map[bool]string{true: "fallocate", false: "byte"}[with], func(t *testing.T) {
			allocates = with
			defer func() { allocates = true }()
			run(t)
		})
	}
}

func TestSealSizes(t *testing.T) {
	const limit, capOffset = 10_000, 12_000
	eachSeal(t, func(t *testing.T) {
		dir := newDir(t)
		for _, was := range []int{0, 1, 9_999, 10_000, 10_001, 11_999, 12_000, 12_001, 50_000} {
			text := string(bytes.Repeat([]byte{'x'}, was))
			f := newFile(t, dir, "seg", text, os.O_RDWR|os.O_APPEND)
			for range 2 { // as often as one likes
				if err := Seal(f, dir, "seg", limit, capOffset); err != nil {
					t.Fatal(was, err)
				}
			}
			want := max(was, limit)
			if !allocates {
				want = max(was, capOffset+1)
			}
			got, err := os.ReadFile(f.Name())
			if err != nil || len(got) != want {
				t.Errorf("%d bytes became %d, want %d, %v", was, len(got), want, err)
			}
			for i, b := range got {
				old := i < was && (allocates || i != capOffset)
				if old != (b == 'x') {
					t.Fatalf("%d bytes: byte %d is %q", was, i, b)
				}
			}
		}
	})
}

func TestSealArguments(t *testing.T) {
	dir := newDir(t)
	f := newFile(t, dir, "seg", "text", os.O_RDWR|os.O_APPEND)
	for _, at := range [][2]int64{{0, 5}, {-1, 5}, {5, 4}} {
		if err := Seal(f, dir, "seg", at[0], at[1]); !errors.Is(err, fs.ErrInvalid) {
			t.Error(at, err)
		}
	}
	wantContent(t, dir, "seg", "text")
}

// The byte must not land in a file that has taken the name.
func TestSealByteChecksInode(t *testing.T) {
	allocates = false
	defer func() { allocates = true }()
	dir := newDir(t)
	f := newFile(t, dir, "seg", "old", os.O_RDWR|os.O_APPEND)
	if err := Replace(dir, "seg", 0o600, false, content("new")); err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	if err := Seal(f, dir, "seg", 10, 20); !errors.Is(err, errReplaced) {
		t.Error(err)
	}
	wantContent(t, dir, "seg", "new")
	if err := RemoveIn(dir, "seg"); err != nil {
		t.Fatal(err)
	}
	if err := Seal(f, dir, "seg", 10, 20); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// ramfs has no fallocate at all.
func TestSealWithoutFallocate(t *testing.T) {
	dir := mount(t, "ramfs", "")
	f := newFile(t, dir, "seg", "text", os.O_RDWR|os.O_APPEND)
	if err := control("fallocate", f, func(fd int) error { return unix.Fallocate(fd, 0, 0, 1) }); !errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("ramfs has learned to allocate: %v", err)
	}
	if err := Seal(f, dir, "seg", 10, 20); err != nil {
		t.Fatal(err)
	}
	wantContent(t, dir, "seg", "text"+string(make([]byte, 17)))
}

// A record is its length, twice, and that many bytes, all the same.
const maxRecord = 2 << 20

func init() {
	// An appender fills a segment until its records start above limit.
	roles["appender"] = func(args []string) string {
		limit, _ := strconv.ParseInt(args[1], 10, 64)
		size, _ := strconv.Atoi(args[2])
		record := bytes.Repeat([]byte(args[3]), size)
		binary.LittleEndian.PutUint32(record, uint32(size))
		binary.LittleEndian.PutUint32(record[4:], uint32(size))
		f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return err.Error()
		}
		defer f.Close()
		for n := 0; ; n++ {
			if _, err := f.Write(record); err != nil {
				return err.Error()
			}
			end, err := f.Seek(0, 1)
			if err != nil {
				return err.Error()
			}
			if end-int64(size) >= limit {
				return fmt.Sprint(n, " valid")
			}
		}
	}
}

// records counts those that begin below limit, and says where the first one
// lies that is not whole; torn is -1 if there is none.
func records(b []byte, limit int) (n, torn int) {
	off := 0
	for ; off < limit; n++ {
		head := b[off:min(off+8, len(b))]
		if len(bytes.Trim(head, "\x00")) == 0 {
			return n, -1 // the seal came before the segment was full
		}
		if len(head) < 8 {
			return n, off
		}
		size := int(binary.LittleEndian.Uint32(head))
		if size < 9 || size > maxRecord || int(binary.LittleEndian.Uint32(head[4:])) != size || off+size > len(b) ||
			bytes.Count(b[off+8:off+size], b[off+8:off+9]) != size-8 {
			return n, off
		}
		off += size
	}
	return n, -1
}

// Two processes append big records until the segment is closed, and a third
// one, this, seals it at some moment. When Seal has returned, every record that
// begins below limit is whole, and from then on none is added.
//
//	appender 1   ---[ append ]---[ append across limit  ]
//	appender 2   ------[ wait  append ]--[ wait                append: void ]
//	this              size >= when, Seal [ wait         ] look
func TestSealIsBarrier(t *testing.T) {
	const limit = 4 << 20
	places := map[string]*os.File{"temp": newDir(t)}
	if shm, err := os.MkdirTemp("/dev/shm", "host-test"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(shm) })
		places["shm"] = openDir(t, shm)
	}
	one, two := start(t, "appender"), start(t, "appender")
	eachSeal(t, func(t *testing.T) {
		for place, dir := range places {
			under, grown := 0, 0
			rounds := 24
			if testing.Short() {
				rounds = 8
			}
			for round := range rounds {
				f := newFile(t, dir, "seg", "", os.O_RDWR|os.O_APPEND)
				path := filepath.Join(dir.Name(), "seg")
				one.tell(path, limit, maxRecord-round*4096, "a")
				two.tell(path, limit, maxRecord-round*70_001, "b")
				// Early, late, and where an append crosses limit.
				when := int64(round%16+1) * limit / 12
				var before Stat
				for before.Size < when {
					var err error
					if before, err = StatFile(f); err != nil {
						t.Fatal(err)
					}
				}
				if err := Seal(f, dir, "seg", limit, limit+maxRecord); err != nil {
					t.Fatal(err)
				}
				sealed := read(t, f)
				n, torn := records(sealed, limit)
				if torn >= 0 {
					t.Errorf("%s, round %d: the record at %d was not whole when Seal had returned", place, round, torn)
				}
				acknowledged := 0
				for _, p := range []*process{one, two} {
					var valid int
					if _, err := fmt.Sscanf(p.hear(), "%d valid", &valid); err != nil {
						t.Fatal(err)
					}
					acknowledged += valid
				}
				after, torn := records(read(t, f), limit)
				if after != n || torn >= 0 || acknowledged != n {
					t.Errorf("%s, round %d: %d records at the seal, %d in the end, %d acknowledged, torn %d", place, round, n, after, acknowledged, torn)
				}
				if whole, _ := records(sealed[:before.Size], limit); whole < n {
					under++
				}
				if before.Size < limit {
					grown++
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			t.Logf("%s: %d rounds, %d of them sealed below the limit, %d with an append under way", place, rounds, grown, under)
		}
	})
}

func read(t *testing.T, f *os.File) []byte {
	t.Helper()
	st, err := StatFile(f)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, st.Size)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}
