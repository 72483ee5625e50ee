package jtoolcmd

import (
	"testing"

	"github.com/manypen/manypen/journal"
)

// How far a reader is in a part of a journal, either way.
func TestWay(t *testing.T) {
	at := func(n uint64, off int64) journal.Position { return journal.Position{Segment: n, Offset: off} }
	for _, c := range []struct {
		name      string
		scan      journal.ScanOptions
		at        journal.Position
		read, all int64
	}{
		{"not begun", journal.ScanOptions{}, at(0, 0), 0, 600},
		{"in the first", journal.ScanOptions{}, at(3, 10), 10, 600},
		{"in the second", journal.ScanOptions{}, at(4, 50), 150, 600},
		{"at the end", journal.ScanOptions{}, at(5, 300), 600, 600},
		{"behind what there was", journal.ScanOptions{}, at(6, 300), 600, 600},
		{"a part", journal.ScanOptions{From: at(3, 40), To: at(5, 100)}, at(4, 100), 160, 360},
		{"within one segment", journal.ScanOptions{From: at(5, 100), To: at(5, 200)}, at(5, 150), 50, 100},
		{"backwards", journal.ScanOptions{Reverse: true}, at(5, 200), 100, 600},
		{"backwards, further", journal.ScanOptions{Reverse: true}, at(3, 100), 500, 600},
		{"backwards, a part", journal.ScanOptions{From: at(3, 40), To: at(5, 100), Reverse: true}, at(4, 150), 150, 360},
	} {
		w := way{scan: c.scan, sizes: []journal.SegmentInfo{{Number: 3, Size: 100}, {Number: 4, Size: 200}, {Number: 5, Size: 300}}}
		w.once.Do(func() {}) // the sizes are there
		w.segment.Store(c.at.Segment)
		w.offset.Store(c.at.Offset)
		if read, all := w.bytes(); read != c.read || all != c.all {
			t.Errorf("%s: %d of %d, want %d of %d", c.name, read, all, c.read, c.all)
		}
	}
}
