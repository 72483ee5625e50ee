package journal_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/journal"
)

func TestAppendAndReadBack(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	before := time.Now()
	p, err := j.Append([]byte("key"), []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	want := journal.Record{
		Position: p, Next: journal.Position{Segment: p.Segment, Offset: p.Offset + 52 + 8},
		Writer: j.WriterID(), Seq: 1, Kind: journal.KindData, Key: []byte("key"), Value: []byte("value"),
	}
	for name, read := range map[string]func() (journal.Record, error){
		"ReadAt": func() (journal.Record, error) { return j.ReadAt(p) },
		"oldest": func() (journal.Record, error) { return j.ReadAt(journal.Position{}) },
		"Get":    func() (journal.Record, error) { return j.Get([]byte("key")) },
		"Records": func() (r journal.Record, err error) {
			for r, err = range j.Records(p) {
			}
			return r, err
		},
	} {
		got, err := read()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Time.Before(before.Add(-time.Second)) || got.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("%s: time %v", name, got.Time)
		}
		got.Time = time.Time{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	verify(t, dir)
}

func TestBatch(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone})
	var b journal.Batch
	large := bytes.Repeat([]byte("large "), 20_000)
	for round := range 3 {
		b.Reset()
		for i := range 5 {
			b.Put(fmt.Appendf(nil, "k%d", i), fmt.Appendf(nil, "%d/%d", round, i))
		}
		b.Put([]byte("large"), large)
		b.Delete([]byte("k0"))
		b.Put(nil, nil)
		p, err := j.AppendBatch(&b)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for rec, err := range j.Records(p) {
			if err != nil {
				t.Fatal(err)
			}
			want := p
			want.Index = i
			if rec.Position != want || rec.Seq != uint64(round*b.Len()+i+1) {
				t.Errorf("entry %d is at %v with sequence %d", i, rec.Position, rec.Seq)
			}
			again, err := j.ReadAt(rec.Position)
			if err != nil || !cmp.Equal(again, rec) {
				t.Errorf("ReadAt(%v) = %v, %v", rec.Position, again, err)
			}
			from := 0
			for range j.Records(rec.Next) {
				from++
			}
			if from != b.Len()-i-1 {
				t.Errorf("%d records follow entry %d", from, i)
			}
			i++
		}
		if i != b.Len() || i != 8 {
			t.Errorf("%d entries, Len is %d", i, b.Len())
		}
	}
	if _, err := j.Get([]byte("k0")); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("a deleted key: %v", err)
	}
	if rec, err := j.Get([]byte("large")); err != nil || !bytes.Equal(rec.Value, large) {
		t.Errorf("large value differs: %v", err)
	}
	var keys []string
	for rec, err := range j.Range([]byte("k2"), []byte("l")) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(rec.Key)+"="+string(rec.Value))
	}
	if diff := cmp.Diff([]string{"k2=2/2", "k3=2/3", "k4=2/4"}, keys); diff != "" {
		t.Errorf("Range (-want +got):\n%s", diff)
	}
	verify(t, dir)
}

// More entries than one writev takes pieces, small and large ones mixed.
func TestLargeBatch(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone})
	var b journal.Batch
	for i := range 3000 {
		b.Put(fmt.Append(nil, i), bytes.Repeat([]byte{byte(i)}, i%6000))
	}
	if _, err := j.AppendBatch(&b); err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, rec := range all(t, dir) {
		if string(rec.Key) != fmt.Sprint(i) || !bytes.Equal(rec.Value, bytes.Repeat([]byte{byte(i)}, i%6000)) {
			t.Fatalf("entry %d differs", i)
		}
		i++
	}
	if i != 3000 {
		t.Errorf("%d entries", i)
	}
}

// Many goroutines of many handles append at once under every policy.
func TestConcurrentAppends(t *testing.T) {
	for _, policy := range []journal.SyncPolicy{journal.SyncAlways, journal.SyncInterval, journal.SyncNone} {
		t.Run(policy.String(), func(t *testing.T) {
			dir := t.TempDir()
			var mu sync.Mutex
			var wg sync.WaitGroup
			acked := make(map[journal.Position]string)
			for range 3 {
				j := open(t, dir, journal.Options{Sync: policy, SyncInterval: time.Millisecond, SegmentSize: 64 << 10})
				for g := range 8 {
					wg.Go(func() {
						for i := range 40 {
							text := fmt.Sprintf("%d %d %d %s", j.WriterID(), g, i, strings.Repeat("x", i*30))
							p, err := j.Append(nil, []byte(text))
							if err != nil {
								t.Error(err)
								return
							}
							mu.Lock()
							acked[p] = text
							mu.Unlock()
						}
					})
				}
			}
			wg.Wait()
			got := make(map[journal.Position]string)
			for _, rec := range all(t, dir) {
				got[rec.Position] = string(rec.Value)
			}
			if diff := cmp.Diff(acked, got); diff != "" {
				t.Errorf("journal differs (-acknowledged +read):\n%s", diff)
			}
			verify(t, dir)
		})
	}
}

// A follower sees what is appended while it waits, over a rotation, and ends
// when its context does.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
	reader := open(t, dir, journal.Options{ReadOnly: true})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next := 0
	appendNext := func() {
		if _, err := j.Append(nil, fmt.Appendf(nil, "%d %0500d", next, 0)); err != nil {
			t.Error(err)
		}
	}
	appendNext()
	for rec, err := range reader.Follow(ctx, journal.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(rec.Value), fmt.Sprint(next, " ")) {
			t.Fatalf("record %d is %.20q", next, rec.Value)
		}
		if next++; next == 100 {
			cancel()
			continue
		}
		appendNext() // in the loop: the follower has to wait for each one
	}
	if next != 100 {
		t.Errorf("the loop ended after %d records", next)
	}
}

func TestFollowEndsWithItsHandle(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, journal.Options{})
	reader := open(t, dir, journal.Options{ReadOnly: true})
	go reader.Close() // at any moment of the loop
	var last error
	for _, err := range reader.Follow(t.Context(), journal.Position{}) {
		last = err
	}
	if !errors.Is(last, journal.ErrClosed) {
		t.Errorf("the loop ended with %v", last)
	}
}

func TestPrune(t *testing.T) {
	dir, recs := threeSegments(t)
	j := open(t, dir, journal.Options{SegmentSize: 12 << 10})
	if _, err := j.Get(recs[0].Key); err != nil {
		t.Fatal(err)
	}
	if err := j.Prune(journal.Position{Segment: 2}); err != nil {
		t.Fatal(err)
	}
	_, err := j.ReadAt(recs[0].Position)
	if !errors.Is(err, journal.ErrPruned) {
		t.Errorf("ReadAt of a pruned position: %v", err)
	}
	if _, err := j.Get(recs[0].Key); !errors.Is(err, journal.ErrNotFound) {
		t.Errorf("Get of a pruned record: %v", err)
	}
	var gone *journal.GoneError
	for _, err := range j.Records(recs[0].Next) {
		if errors.As(err, &gone) {
			break
		}
	}
	if gone == nil || !errors.Is(gone, journal.ErrPruned) || gone.Oldest != journal.FirstPosition(2) {
		t.Errorf("reading from a pruned position: %v", gone)
	}
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil || rec.Position.Segment != 2 {
			t.Errorf("the oldest record is at %v, %v", rec.Position, err)
		}
		break
	}
	verify(t, dir)
}

// A reader needs no write permission on anything, and no writer.
func TestReadOnlyDirectory(t *testing.T) {
	dir, recs := threeSegments(t)
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range before {
		if err := os.Chmod(filepath.Join(dir, e.Name()), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o755) // so that it can be removed
	if got := all(t, dir); len(got) != len(recs) {
		t.Errorf("%d records instead of %d", len(got), len(recs))
	}
	j := open(t, dir, journal.Options{ReadOnly: true})
	if rec, err := j.Get(recs[7].Key); err != nil || !bytes.Equal(rec.Value, recs[7].Value) {
		t.Errorf("Get: %v", err)
	}
	for name, f := range map[string]func() error{
		"Append":      func() error { _, err := j.Append(nil, nil); return err },
		"Delete":      func() error { _, err := j.Delete([]byte("k")); return err },
		"AppendBatch": func() error { _, err := j.AppendBatch(new(journal.Batch)); return err },
		"Prune":       func() error { return j.Prune(journal.Position{Segment: 9}) },
	} {
		if err := f(); !errors.Is(err, journal.ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := j.Sync(); err != nil {
		t.Errorf("Sync, with nothing to sync: %v", err)
	}
	after, err := os.ReadDir(dir)
	if err != nil || len(after) != len(before) {
		t.Errorf("reading has changed the directory: %v, %v", after, err)
	}
}

// Bad input gets a typed error and changes nothing.
func TestBadInput(t *testing.T) {
	j := open(t, t.TempDir(), journal.Options{Sync: journal.SyncNone, MaxRecord: 1000})
	batch := func(f func(*journal.Batch)) error {
		var b journal.Batch
		f(&b)
		_, err := j.AppendBatch(&b)
		return err
	}
	for _, test := range []struct {
		name string
		err  error
		want error
	}{
		{"key over 65535", second(j.Append(make([]byte, 1<<16), nil)), journal.ErrTooLarge},
		{"value over the limit", second(j.Append(nil, make([]byte, 1001))), journal.ErrTooLarge},
		{"key and value over the limit", second(j.Append(make([]byte, 501), make([]byte, 500))), journal.ErrTooLarge},
		{"value at the limit", second(j.Append(nil, make([]byte, 1000))), nil},
		{"delete without a key", second(j.Delete(nil)), journal.ErrEmptyKey},
		{"delete with an empty key in a batch", batch(func(b *journal.Batch) { b.Delete([]byte{}) }), journal.ErrEmptyKey},
		{"batch without entries", batch(func(b *journal.Batch) {}), journal.ErrEmptyBatch},
		{"batch over the limit", batch(func(b *journal.Batch) { b.Put(nil, make([]byte, 1000)) }), journal.ErrTooLarge},
		{"key over 65535 in a batch", batch(func(b *journal.Batch) { b.Put(make([]byte, 1<<16), nil) }), journal.ErrTooLarge},
		{"position where no record is", second(j.ReadAt(journal.Position{Segment: 1, Offset: 9000})), journal.ErrNoRecord},
		{"position in a header", second(j.ReadAt(journal.Position{Segment: 1, Offset: 5})), journal.ErrNoRecord},
		{"negative position", second(j.ReadAt(journal.Position{Segment: 1, Offset: -5})), journal.ErrNoRecord},
		{"position in a segment to come", second(j.ReadAt(journal.Position{Segment: 77, Offset: 8192})), journal.ErrNoRecord},
		{"entry of a record that is no batch", second(j.ReadAt(journal.Position{Segment: 1, Offset: 8192, Index: 1})), journal.ErrNoRecord},
		{"unknown key", second(j.Get([]byte("no"))), journal.ErrNotFound},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, test.err, test.want)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"Append": second(j.Append(nil, nil)), "Get": second(j.Get([]byte("k"))), "Sync": j.Sync(),
		"ReadAt": second(j.ReadAt(journal.Position{})), "Close": j.Close(), "Prune": j.Prune(journal.Position{}),
	} {
		if !errors.Is(err, journal.ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestBadOptions(t *testing.T) {
	for _, opts := range []journal.Options{
		{Sync: 7}, {SyncInterval: -1}, {LockTimeout: -1}, {SegmentSize: 1}, {SegmentSize: 1 << 40},
		{MaxRecord: -1}, {MaxRecord: 1 << 30}, {Mode: os.ModeDir},
	} {
		dir := filepath.Join(t.TempDir(), "journal")
		if _, err := journal.Open(dir, opts); err == nil || !strings.Contains(err.Error(), "want") {
			t.Errorf("Open with %+v: %v", opts, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("bad options have made a directory")
		}
	}
}

// Directories that cannot be opened, and what is said about them.
func TestBadDirectories(t *testing.T) {
	prepare := func(f func(dir string)) string {
		dir, _ := threeSegments(t)
		f(dir)
		return dir
	}
	file := filepath.Join(t.TempDir(), "file")
	rewrite(t, file, []byte("I am a file"))
	foreign := t.TempDir()
	rewrite(t, filepath.Join(foreign, "main.go"), []byte("package main"))
	for _, test := range []struct {
		name, dir string
		readOnly  bool
		want      error
	}{
		{"a file", file, false, journal.ErrNotJournal},
		{"a file, to read", file, true, journal.ErrNotJournal},
		{"nothing there, to read", filepath.Join(t.TempDir(), "no"), true, journal.ErrNotJournal},
		{"an empty directory, to read", t.TempDir(), true, journal.ErrNotJournal},
		{"a directory of another program", foreign, false, journal.ErrNotJournal},
		{"newer journal", prepare(func(dir string) {
			id := "manypen journal 2 some things to come"
			rewrite(t, filepath.Join(dir, "journal.id"), fmt.Appendf(nil, "%s %016x\n", id, xxhash.Sum64String(id)))
		}), false, journal.ErrVersion},
		{"newer segment", prepare(func(dir string) { newerSegment(t, segments(t, dir)[2]) }), false, journal.ErrVersion},
		{"two journals in one directory", prepare(func(dir string) {
			other, _ := threeSegments(t)
			for _, from := range segments(t, other) {
				b, err := os.ReadFile(from)
				if err != nil {
					t.Fatal(err)
				}
				rewrite(t, filepath.Join(dir, filepath.Base(from)), b)
			}
		}), false, journal.ErrForeign},
	} {
		t.Run(test.name, func(t *testing.T) {
			j, err := journal.Open(test.dir, journal.Options{ReadOnly: test.readOnly})
			if err == nil {
				j.Close()
			}
			var place *journal.Error
			if !errors.Is(err, test.want) || !errors.As(err, &place) || !strings.Contains(err.Error(), filepath.Base(test.dir)) {
				t.Errorf("error %v, want %v and the place", err, test.want)
			}
		})
	}
}

// newerSegment gives a segment a header of version 9.
func newerSegment(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range [][]byte{b[:4096], b[4096:8192]} {
		binary.LittleEndian.PutUint32(page[8:], 9)
		binary.LittleEndian.PutUint64(page[4088:], xxhash.Sum64(page[:4088]))
	}
	rewrite(t, path, b)
}

// Files get the mode that was asked for, whatever the umask is.
func TestMode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir, journal.Options{Mode: 0o660})
	if _, err := j.Append(nil, nil); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("%s has mode %v (%v)", e.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o770 {
		t.Errorf("the directory has mode %v (%v)", info.Mode(), err)
	}
}

// A copy of a journal, made while nobody writes, opens and goes on by itself.
func TestCopiedJournal(t *testing.T) {
	dir, recs := threeSegments(t)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	j := open(t, copied, journal.Options{})
	if _, err := j.Append(nil, []byte("more")); err != nil {
		t.Fatal(err)
	}
	if got := all(t, copied); len(got) != len(recs)+1 {
		t.Errorf("%d records instead of %d", len(got), len(recs)+1)
	}
	if got := all(t, dir); len(got) != len(recs) {
		t.Errorf("the original has %d records instead of %d", len(got), len(recs))
	}
	verify(t, copied)
}
