package journal

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// now is the time of the tables below, in hours: segment k was begun at hour at[k].
const now = 1000

// hours makes segments of 100 bytes, numbered from 5, that were begun at the given
// hours; 0 is an unknown one.
func hours(at ...int64) held {
	return heldOf(at, func(int) int64 { return 100 })
}

func heldOf(at []int64, size func(i int) int64) held {
	s := held{size: size, created: func(i int) int64 { return at[i] * int64(time.Hour) }}
	for i := range at {
		s.numbers = append(s.numbers, uint64(5+i))
	}
	return s
}

func TestRetention(t *testing.T) {
	five := hours(900, 920, 940, 960, 980)
	older := func(h int) Retention { return Retention{MaxAge: time.Duration(h) * time.Hour} }
	at := func(n uint64) *Position { return &Position{Segment: n, Offset: 9999} }
	for _, c := range []struct {
		name string
		r    Retention
		s    held
		keep *Position
		want int
	}{
		{"no limit", Retention{}, five, nil, 0},
		{"nothing there", Retention{MaxSegments: 1}, hours(), nil, 0},
		{"only the newest", Retention{MaxSegments: 1, MaxBytes: 1, MaxAge: 1, Before: *at(99)}, hours(900), nil, 0},

		{"as many as allowed", Retention{MaxSegments: 5}, five, nil, 0},
		{"one too many", Retention{MaxSegments: 4}, five, nil, 1},
		{"all but one too many", Retention{MaxSegments: 1}, five, nil, 4},

		{"all fits", Retention{MaxBytes: 500}, five, nil, 0},
		{"a byte too much", Retention{MaxBytes: 499}, five, nil, 1},
		{"room for two", Retention{MaxBytes: 299}, five, nil, 3},
		{"nothing fits", Retention{MaxBytes: 1}, five, nil, 4},
		{"the newest alone is too large", Retention{MaxBytes: 99}, five, nil, 4},

		{"before the oldest", Retention{Before: *at(5)}, five, nil, 0},
		{"before what has gone", Retention{Before: *at(2)}, five, nil, 0},
		{"before the third", Retention{Before: *at(7)}, five, nil, 2},
		{"before the end", Retention{Before: *at(1000)}, five, nil, 4},

		{"all young", older(100), five, nil, 0},
		{"the first ended as long ago as allowed", older(80), five, nil, 0},
		{"the first is too old", older(79), five, nil, 1},
		{"its successor has only begun then", older(60), five, nil, 1},
		{"all but the newest", Retention{MaxAge: 1}, five, nil, 4},

		{"a header is damaged: as old as the next one says", older(70), hours(900, 0, 940, 960), nil, 0},
		{"and goes in its turn", older(50), hours(900, 0, 940, 960), nil, 2},
		{"the oldest has none", older(50), hours(0, 920, 940, 960), nil, 2},
		{"the newest has none", older(1), hours(900, 920, 0), nil, 1},
		{"none has any", older(1), hours(0, 0, 0), nil, 0},
		{"the clock was ahead for one", older(50), hours(900, 5000, 940, 960), nil, 2},
		{"the newest is of the future", older(1), hours(900, 920, 5000), nil, 1},
		{"all are of the future", older(1), hours(5000, 6000, 7000), nil, 0},
		{"the clock was back for one", older(200), hours(900, 1, 940, 960), nil, 0},
		{"and it goes with its predecessor", older(50), hours(900, 1, 940, 960), nil, 2},
		{"back, and it stays back", older(1), hours(900, 1, 2, 3), nil, 0},
		{"back, until it has come to where it was", older(50), hours(900, 880, 890, 910), nil, 3},
		{"the first was ahead, a little", older(50), hours(930, 920, 925, 940, 960), nil, 3},
		{"before 1970", older(1), hours(-900, -800, -700), nil, 0},

		{"the strictest limit counts", Retention{MaxSegments: 4, MaxBytes: 299}, five, nil, 3},
		{"in whichever order", Retention{MaxSegments: 2, MaxBytes: 499, MaxAge: 79 * time.Hour}, five, nil, 3},
		{"a consumer holds everything", Retention{MaxSegments: 1}, five, &Position{}, 0},
		{"a consumer holds the third", Retention{MaxSegments: 1, MaxBytes: 1, MaxAge: 1, Before: *at(9)}, five, at(7), 2},
		{"a consumer is done", Retention{MaxSegments: 1}, five, at(9), 4},
		{"a consumer is done with more than may go", Retention{MaxSegments: 4}, five, at(9), 1},
		{"a consumer is behind what has gone", Retention{MaxSegments: 1}, five, at(3), 0},
	} {
		if got := c.r.goes(c.s, c.keep, now*int64(time.Hour)); got != c.want {
			t.Errorf("%s: %d segments go, want %d", c.name, got, c.want)
		}
	}
}

// mayGo is the model: a segment goes if any limit gives it up, as long as those in
// front of it have gone, and it is neither the newest nor held.
func mayGo(r Retention, s held, keep *Position, now int64) int {
	credible := func(j int) bool {
		at := s.created(j)
		for i := range j {
			if other := s.created(i); other > at && other <= now {
				return false // the clock went back since
			}
		}
		return at > 0 && at <= now
	}
	gone := 0
	for ; gone < len(s.numbers)-1; gone++ {
		total, old := int64(0), false
		for j := gone; j < len(s.numbers); j++ {
			total += s.size(j)
			old = old || j > gone && credible(j) && now-s.created(j) > int64(r.MaxAge)
		}
		given := r.MaxSegments > 0 && len(s.numbers)-gone > r.MaxSegments ||
			r.MaxBytes > 0 && total > r.MaxBytes ||
			r.MaxAge > 0 && old ||
			!r.Before.IsZero() && s.numbers[gone] < r.Before.Segment
		if !given || keep != nil && s.numbers[gone] >= keep.Segment {
			break
		}
	}
	return gone
}

func TestRetentionModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "segments")
		var at, sizes []int64
		hour := int64(900)
		for range n {
			hour += rapid.Int64Range(0, 12).Draw(t, "hours")
			// Most clocks are right.
			at = append(at, rapid.OneOf(rapid.Just(hour), rapid.Just(hour), rapid.Just(int64(0)), rapid.Int64Range(-10, 1100)).Draw(t, "begun"))
			sizes = append(sizes, rapid.Int64Range(0, 200).Draw(t, "size"))
		}
		s := heldOf(at, func(i int) int64 { return sizes[i] })
		for i := range s.numbers { // some may be missing
			if rapid.IntRange(0, 9).Draw(t, "gap") == 0 {
				for k := i; k < n; k++ {
					s.numbers[k]++
				}
			}
		}
		position := func(name string) Position {
			return Position{Segment: rapid.Uint64Range(0, 25).Draw(t, name)}
		}
		r := Retention{
			MaxSegments: rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 13)).Draw(t, "MaxSegments"),
			MaxBytes:    rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1, 1500)).Draw(t, "MaxBytes"),
			MaxAge:      time.Duration(rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 120)).Draw(t, "MaxAge")) * time.Hour,
			Before:      position("Before"),
		}
		var keep *Position
		if rapid.Bool().Draw(t, "held") {
			p := position("Keep")
			keep = &p
		}
		if got, want := r.goes(s, keep, now*int64(time.Hour)), mayGo(r, s, keep, now*int64(time.Hour)); got != want {
			t.Errorf("%+v of %v, begun %v, sizes %v, keep %v: %d go, want %d", r, s.numbers, at, sizes, keep, got, want)
		}
	})
}

// What is asked about a journal of many segments does not grow with it.
func TestRetentionAsksLittle(t *testing.T) {
	const segments = 10_000
	asked := 0
	s := held{
		size:    func(int) int64 { asked++; return 100 },
		created: func(i int) int64 { asked++; return 900*int64(time.Hour) + int64(i) },
	}
	for i := range segments {
		s.numbers = append(s.numbers, uint64(1+i))
	}
	r := Retention{MaxAge: 500 * time.Hour, MaxBytes: 1000}
	if got := r.goes(s, nil, now*int64(time.Hour)); got != segments-10 || asked > 20 {
		t.Errorf("%d of %d go, after %d questions", got, segments, asked)
	}
}
