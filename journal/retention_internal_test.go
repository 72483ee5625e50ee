package journal

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fakeSegments are segments that a keeper is asked about; a negative age is a time
// that cannot be told.
func keeperOf(r Retention, needed Position, sizes []int64, ages []time.Duration) *keeper {
	now := time.Unix(1_000_000, 0)
	k := &keeper{retention: r, needed: needed, now: now}
	for i := range sizes {
		k.numbers = append(k.numbers, uint64(i)+1)
	}
	k.size = func(n uint64) (int64, error) { return sizes[n-1], nil }
	k.begun = func(n uint64) (time.Time, error) {
		if ages[n-1] < 0 {
			return time.Time{}, nil
		}
		return now.Add(-ages[n-1]), nil
	}
	return k
}

func TestKeeper(t *testing.T) {
	const h = time.Hour
	sizes := []int64{10, 20, 30, 40, 50}
	ages := []time.Duration{9 * h, 7 * h, 5 * h, 3 * h, 1 * h}
	needed := func() Position { panic("the keeper has it already") }
	for name, c := range map[string]struct {
		r      Retention
		needed Position
		sizes  []int64
		ages   []time.Duration
		want   uint64
	}{
		"nothing too old":                {Retention{MaxAge: 8 * h}, Position{}, sizes, ages, 1},
		"the second began 7 hours ago":   {Retention{MaxAge: 7*h - 1}, Position{}, sizes, ages, 2},
		"all but the newest are old":     {Retention{MaxAge: 1}, Position{}, sizes, ages, 5},
		"exactly as large":               {Retention{MaxBytes: 150}, Position{}, sizes, ages, 1},
		"one byte too large":             {Retention{MaxBytes: 149}, Position{}, sizes, ages, 2},
		"the newest is too large":        {Retention{MaxBytes: 1}, Position{}, sizes, ages, 5},
		"number":                         {Retention{MaxSegments: 2}, Position{}, sizes, ages, 4},
		"as many":                        {Retention{MaxSegments: 5}, Position{}, sizes, ages, 1},
		"any limit gives up":             {Retention{MaxSegments: 4, MaxBytes: 125, MaxAge: 100 * h}, Position{}, sizes, ages, 3},
		"needed only":                    {Retention{Needed: needed}, Position{Segment: 3, Offset: 9000}, sizes, ages, 3},
		"needed is the zero position":    {Retention{Needed: needed}, Position{}, sizes, ages, 1},
		"needed is ahead":                {Retention{Needed: needed}, Position{Segment: 30}, sizes, ages, 5},
		"needed bounds the others":       {Retention{Needed: needed, MaxBytes: 1}, Position{Segment: 2}, sizes, ages, 2},
		"needed alone gives nothing up":  {Retention{Needed: needed, MaxBytes: 149}, Position{Segment: 5}, sizes, ages, 2},
		"one segment":                    {Retention{MaxBytes: 1, MaxAge: 1}, Position{}, sizes[:1], ages[:1], 1},
		"a time is unknown":              {Retention{MaxAge: 4 * h}, Position{}, sizes, []time.Duration{9 * h, -1, 5 * h, 3 * h, 1 * h}, 3},
		"unknown up to the newest":       {Retention{MaxAge: 4 * h}, Position{}, sizes, []time.Duration{9 * h, -1, -1, -1, -1}, 1},
		"own time is unknown":            {Retention{MaxAge: 4 * h}, Position{}, sizes, []time.Duration{-1, 7 * h, 5 * h, 3 * h, 1 * h}, 3},
		"begun before its predecessor":   {Retention{MaxAge: 4 * h}, Position{}, sizes, []time.Duration{5 * h, 9 * h, 9 * h, 9 * h, 1 * h}, 1},
		"begun in the future":            {Retention{MaxAge: 4 * h}, Position{}, sizes, []time.Duration{9 * h, 8 * h, 0, 3 * h, 1 * h}, 2},
		"a clock that was an hour ahead": {Retention{MaxAge: 1}, Position{}, sizes, []time.Duration{3 * h, 2 * h, 1 * h, 2 * h, 1 * h}, 3},
	} {
		k := keeperOf(c.r, c.needed, c.sizes, c.ages)
		if got, err := k.first(); err != nil || got != c.want {
			t.Errorf("%s: keeps from %d on, %v; want %d", name, got, err, c.want)
		}
	}
}

// Whatever the limits: what is removed some limit gives up, what is kept none does
// or is needed, and the newest is kept.
func TestKeeperProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "segments")
		sizes := rapid.SliceOfN(rapid.Int64Range(0, 100), n, n).Draw(t, "sizes")
		ages := make([]time.Duration, n) // in order
		for i := n - 1; i >= 0; i-- {
			ages[i] = time.Duration(rapid.IntRange(0, 5).Draw(t, "step"))
			if i < n-1 {
				ages[i] += ages[i+1]
			}
		}
		r := Retention{
			MaxAge:      time.Duration(rapid.IntRange(0, 30).Draw(t, "age")),
			MaxBytes:    rapid.Int64Range(0, 600).Draw(t, "bytes"),
			MaxSegments: rapid.IntRange(0, 12).Draw(t, "number"),
		}
		first, err := keeperOf(r, Position{}, sizes, ages).first()
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for _, s := range sizes {
			total += s
		}
		for i := range n {
			goes := i < n-1 && (r.MaxSegments > 0 && n-i > r.MaxSegments || r.MaxBytes > 0 && total > r.MaxBytes ||
				r.MaxAge > 0 && ages[i+1] > r.MaxAge)
			if removed := uint64(i+1) < first; removed != goes {
				t.Fatalf("segment %d is removed: %v, want %v", i+1, removed, goes)
			}
			if !goes {
				return
			}
			total -= sizes[i]
		}
	})
}

func TestKeeperErrors(t *testing.T) {
	boom := errors.New("boom")
	for _, r := range []Retention{{MaxAge: 1}, {MaxBytes: 1}} {
		k := keeperOf(r, Position{}, []int64{10, 10}, []time.Duration{9, 8})
		k.size = func(uint64) (int64, error) { return 0, boom }
		k.begun = func(uint64) (time.Time, error) { return time.Time{}, boom }
		if _, err := k.first(); !errors.Is(err, boom) {
			t.Errorf("%+v: got %v, want %v", r, err, boom)
		}
	}
}
