package journal

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What readers of a handle meet and keep is in its statistics, of a read-only one too.
func TestStatsOfReaders(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir, Options{Sync: SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := j.Append(fmt.Append(nil, "key ", i%4), make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	p, err := j.Append(nil, make([]byte, 100))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(nil, []byte("behind it")); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "seg.000000001"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("damage"), p.Offset+60)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var told []Damage
	r, err := Open(dir, Options{ReadOnly: true, OnDamage: func(d Damage) { told = append(told, d) }})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // only read from
	if diff := cmp.Diff(Stats{}, r.Stats()); diff != "" {
		t.Errorf("nothing was read (-want +got):\n%s", diff)
	}
	var want Stats
	for round := range uint64(2) {
		for _, err := range r.Records(Position{}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		want.Damage.Corruption.Count = round + 1
		want.Damage.Corruption.Bytes += told[round].Bytes()
	}
	if diff := cmp.Diff(want, r.Stats()); diff != "" {
		t.Errorf("damage was met twice (-want +got):\n%s", diff)
	}
	if _, err := r.Get([]byte("key 1")); err != nil {
		t.Fatal(err)
	}
	ended := r.readers.following()
	if s := r.Stats(); s.IndexKeys != 4 || s.Followers != 1 || s.Damage.Corruption.Count != 3 || len(told) != 3 {
		t.Errorf("%+v", s)
	}
	ended()
	// While the index reads it is not waited for.
	r.keys.mu.Lock()
	if s := r.Stats(); s.IndexKeys != 4 || s.Followers != 0 {
		t.Errorf("%+v", s)
	}
	r.keys.mu.Unlock()
}

// The variable for expvar is the statistics of the moment, as JSON.
func TestVar(t *testing.T) {
	j, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close() // everything in it is on disk
	v := j.Var()
	for range 3 {
		if _, err := j.Append(nil, []byte("x")); err != nil {
			t.Fatal(err)
		}
		var got Stats
		if err := json.Unmarshal([]byte(v.String()), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(j.Stats(), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// Statistics are asked for all the time, from everywhere; counters never go back.
func TestStatsConcurrent(t *testing.T) {
	j, err := Open(t.TempDir(), Options{SegmentSize: 64 << 10, Retention: Retention{MaxSegments: 2}})
	if err != nil {
		t.Fatal(err)
	}
	var work, ask sync.WaitGroup
	stop := make(chan struct{})
	ask.Go(func() {
		for last := (Stats{}); ; {
			s := j.Stats()
			if s.Records < last.Records || s.Bytes < last.Bytes || s.Syncs < last.Syncs || s.Marks < last.Marks ||
				s.SegmentsBegun < last.SegmentsBegun || s.SegmentsRemoved < last.SegmentsRemoved || s.Grouped < last.Grouped {
				t.Errorf("%+v\ncame before\n%+v", last, s)
				return
			}
			last = s
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	const workers, each = 4, 100
	for range workers {
		work.Go(func() {
			for range each {
				if _, err := j.Append([]byte("key"), make([]byte, 1000)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	close(stop)
	ask.Wait()
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	s := j.Stats()
	if s.Records != workers*each || s.Appends != s.Records || s.Bytes < s.Records*1000 || s.Marks == 0 ||
		s.Grouped < s.Groups || s.GroupMax == 0 || s.SegmentsRemoved == 0 {
		t.Errorf("%+v", s)
	}
}
