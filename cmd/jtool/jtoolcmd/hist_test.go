package jtoolcmd

import (
	"encoding/json"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/journal"
)

// The steps of counting can be merged exactly, and round intervals end in the
// longest of them.
func TestRateSteps(t *testing.T) {
	for i := 1; i < len(rateSteps); i++ {
		if rateSteps[i] <= rateSteps[i-1] || rateSteps[i]%rateSteps[i-1] != 0 {
			t.Errorf("%v is no multiple of %v", rateSteps[i], rateSteps[i-1])
		}
	}
	for i, d := range roundIntervals {
		if i > 0 && d <= roundIntervals[i-1] {
			t.Errorf("%v does not follow %v", d, roundIntervals[i-1])
		}
	}
	for _, step := range rateSteps {
		if last := roundIntervals[len(roundIntervals)-1]; last%step != 0 {
			t.Errorf("%v is no multiple of %v", last, step)
		}
	}
}

// naive counts by an interval with numbers that do not overflow.
func naive(times []int64, interval int64) map[string]bucket {
	counts := make(map[string]bucket)
	for n, ns := range times {
		start := new(big.Int).Div(big.NewInt(ns), big.NewInt(interval)) // Euclidean: down, for an interval above 0
		key := start.Mul(start, big.NewInt(interval)).String()
		b := counts[key]
		b.add(1, int64(n))
		counts[key] = b
	}
	return counts
}

func (r *rates) counted() map[string]bucket {
	counts := make(map[string]bucket)
	for k, b := range r.buckets {
		counts[r.begin(k).String()] = b
	}
	return counts
}

// Whatever the times are, and however often buckets are merged, the result is that
// of counting by the last interval from the beginning; it is bounded, and no record
// is lost.
func TestRatesMatchNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRates(time.Duration(rapid.SampledFrom([]int64{0, 0, 1, 7, 1e9, 90e9, math.MaxInt64}).Draw(t, "interval")))
		r.limit = rapid.IntRange(4, 50).Draw(t, "limit")
		centre := rapid.SampledFrom([]int64{0, -1, 1700000000e9, math.MinInt64, math.MaxInt64}).Draw(t, "centre")
		spread := rapid.SampledFrom([]int64{10, 1e6, 1e12, math.MaxInt64}).Draw(t, "spread")
		var times []int64
		for range rapid.IntRange(0, 200).Draw(t, "records") {
			ns := centre + rapid.Int64Range(0, spread).Draw(t, "time") // may wrap, as clocks may be anywhere
			if rapid.IntRange(0, 50).Draw(t, "outlier") == 0 {
				ns = rapid.SampledFrom([]int64{0, math.MinInt64, math.MaxInt64, 7258118400e9}).Draw(t, "odd")
			}
			r.add(ns, int64(len(times)))
			times = append(times, ns)
			if len(r.buckets) > r.limit {
				t.Fatalf("%d buckets", len(r.buckets))
			}
		}
		if d := cmp.Diff(naive(times, r.interval), r.counted(), cmp.AllowUnexported(bucket{})); d != "" {
			t.Fatal(d)
		}
		n := rapid.IntRange(minBuckets, 60).Draw(t, "lines")
		r.fit(n)
		if d := cmp.Diff(naive(times, r.interval), r.counted(), cmp.AllowUnexported(bucket{})); d != "" {
			t.Fatalf("after fit: %s", d)
		}
		rows := r.rows()
		if len(rows) > n || len(rows) != r.lines(r.keys(), r.interval) {
			t.Fatalf("%d lines, want %d at most, and %d", len(rows), n, r.lines(r.keys(), r.interval))
		}
		var sum bucket
		for _, row := range rows {
			sum.add(row.count, row.bytes)
		}
		if sum.count != int64(len(times)) {
			t.Fatalf("%d of %d records are in the lines", sum.count, len(times))
		}
	})
}

// The interval is round, and has some 20 to 40 lines for records that come evenly.
func TestRatesInterval(t *testing.T) {
	for span, want := range map[time.Duration]time.Duration{
		30 * time.Microsecond: time.Microsecond, time.Millisecond: 50 * time.Microsecond, 38 * time.Second: time.Second, time.Minute: 2 * time.Second,
		10 * time.Minute: 15 * time.Second, time.Hour: 2 * time.Minute, day: time.Hour, week: 6 * time.Hour, 30 * day: day, 52 * week: 2 * week, 52 * 40 * week: 104 * week,
	} {
		r := newRates(0)
		start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
		for n := range int64(1000) {
			r.add(start+int64(span)/1000*n, 1)
		}
		r.fit(defaultBuckets)
		if rows := len(r.rows()); time.Duration(r.interval) != want || rows > defaultBuckets || rows < 15 {
			t.Errorf("%v: %v, %d lines; want %v", span, time.Duration(r.interval), rows, want)
		}
		// A few records of other centuries do not change the interval.
		r = newRates(0)
		for n := range int64(1000) {
			r.add(start+int64(span)/1000*n, 1)
		}
		r.add(0, 1)
		r.add(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(), 1)
		r.fit(defaultBuckets + 4)
		if rows := len(r.rows()); time.Duration(r.interval) != want || rows > defaultBuckets+4 {
			t.Errorf("%v with outliers: %v, %d lines; want %v", span, time.Duration(r.interval), rows, want)
		}
	}
}

func TestPowers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p powers
		list := rapid.SliceOf(rapid.Uint64()).Draw(t, "numbers")
		if rapid.Bool().Draw(t, "small") {
			list = rapid.SliceOf(rapid.Uint64Range(0, 20)).Draw(t, "small numbers")
		}
		for _, n := range list {
			p.add(n, 1)
		}
		lo, hi := p.bounds()
		var sum int64
		for k := range p {
			var want int64
			for _, n := range list {
				from, to := new(big.Int).SetUint64(powerFrom(k)), new(big.Int)
				to.SetString(powerTo(k), 10)
				if v := new(big.Int).SetUint64(n); v.Cmp(from) >= 0 && v.Cmp(to) < 0 {
					want++
				}
			}
			if p[k].count != want || want > 0 && (k < lo || k > hi) {
				t.Fatalf("bucket %d from %d to %s: %d, want %d", k, powerFrom(k), powerTo(k), p[k].count, want)
			}
			sum += p[k].count
		}
		if sum != int64(len(list)) {
			t.Fatalf("%d of %d are counted", sum, len(list))
		}
	})
}

func TestGaps(t *testing.T) {
	var g gaps
	for _, ns := range []int64{5, 5, 8, 6, math.MaxInt64, math.MinInt64, math.MaxInt64} {
		g.add(ns, 1)
	}
	if g.back.count != 2 || g.furthestBack != math.MaxUint64 || g.shortest != 0 || g.longest != math.MaxUint64 {
		t.Errorf("%+v", g)
	}
	if g.powers[0].count != 1 || g.powers[2].count != 1 || g.powers[63].count != 1 || g.powers[64].count != 1 {
		t.Errorf("%v", g.powers)
	}
}

func TestShortDuration(t *testing.T) {
	for ns, want := range map[uint64]string{
		0: "0 ns", 1: "1 ns", 512: "512 ns", 999: "999 ns", 1000: "1 us", 1024: "1.02 us", 524288: "524 us", 999_499: "999 us", 999_600: "1 ms", 1 << 30: "1.07 s",
		59e9: "59 s", 6e10: "1 min", 36e11: "1 h", 864e11: "1 d", 1 << 62: "53376 d", math.MaxUint64: "213504 d",
	} {
		if got := shortDuration(ns); got != want {
			t.Errorf("%d: got %s, want %s", ns, got, want)
		}
	}
}

func TestAllowsUnicode(t *testing.T) {
	for _, c := range []struct {
		env  string
		goos string
		want bool
	}{
		{"", "linux", false}, {"", "windows", true}, {"LANG=C", "linux", false}, {"LANG=en_US.UTF-8", "linux", true}, {"LANG=de_DE.utf8", "darwin", true},
		{"LC_ALL=C LANG=en_US.UTF-8", "linux", false}, {"LC_CTYPE=C.UTF-8 LANG=C", "linux", true}, {"TERM=dumb LANG=C.UTF-8", "linux", false}, {"LC_ALL= LANG=C.UTF-8", "linux", true},
	} {
		getenv := func(name string) string {
			for _, f := range strings.Fields(c.env) {
				if v, ok := strings.CutPrefix(f, name+"="); ok {
					return v
				}
			}
			return ""
		}
		if got := allowsUnicode(getenv, c.goos); got != c.want {
			t.Errorf("%s on %s: got %v", c.env, c.goos, got)
		}
	}
}

// histOf counts made records and returns what is printed.
func histOf(t *testing.T, by string, ascii bool, interval time.Duration, records []journal.Record) string {
	t.Helper()
	h := &histRun{t: &tool{err: new(strings.Builder)}, by: by, buckets: 12, width: 60, ascii: ascii, fixed: interval, rates: newRates(interval)}
	for _, r := range records {
		h.add(&r)
	}
	return string(h.appendResult(nil, false))
}

func madeRecords() []journal.Record {
	start := time.Date(2024, 5, 6, 7, 0, 0, 0, time.UTC)
	var list []journal.Record
	for n := range 300 {
		at := start.Add(time.Duration(n*n) * 10 * time.Millisecond)
		if n == 150 {
			at = start.Add(-2 * time.Second)
		}
		list = append(list, journal.Record{Time: at, Kind: journal.KindData, Key: []byte("key"), Value: make([]byte, n*n/16)})
	}
	return append(list, journal.Record{Time: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), Kind: journal.KindData})
}

func TestIntervalText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1s", 90 * time.Second: "1m30s", 5 * time.Minute: "5m", 10 * time.Minute: "10m", time.Hour: "1h", 90 * time.Minute: "1h30m", day: "1d", week: "7d", 30 * time.Second: "30s", 1500 * time.Microsecond: "1.5ms",
	} {
		if got := intervalText(d); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestHistDrawn(t *testing.T) {
	for _, c := range []struct {
		by       string
		ascii    bool
		interval time.Duration
		want     string
	}{
		{"rate", true, 0, `
        time from  records     %     bytes
2024-05-06T06:58Z        1   0.3  1.38 KiB  .
2024-05-06T07:00Z      110  36.5    27 KiB  ################
2024-05-06T07:02Z       44  14.6  47.1 KiB  ######
2024-05-06T07:04Z       35  11.6  63.5 KiB  #####
2024-05-06T07:06Z       30  10.0  76.8 KiB  ####
2024-05-06T07:08Z       25   8.3  82.3 KiB  ####
2024-05-06T07:10Z       24   8.0  96.5 KiB  ###
2024-05-06T07:12Z       21   7.0  99.9 KiB  ###
2024-05-06T07:14Z       10   3.3    53 KiB  #
              ...  46192822 empty
2200-01-01T00:00Z        1   0.3       0 B  .

301 records, 547 KiB of keys and values, 2024-05-06T06:59:58Z to 2200-01-01T00:00:00Z
one line is 2m
`},
		{"rate", false, 5 * time.Minute, `
        time from  records     %     bytes
2024-05-06T06:55Z        1   0.3  1.38 KiB  ▏
2024-05-06T07:00Z      173  57.5   105 KiB  ████████████████
2024-05-06T07:05Z       71  23.6   191 KiB  ██████▋
2024-05-06T07:10Z       55  18.3   249 KiB  █████▏
              ...  18477129 empty
2200-01-01T00:00Z        1   0.3       0 B  ▏

301 records, 547 KiB of keys and values, 2024-05-06T06:59:58Z to 2200-01-01T00:00:00Z
one line is 5m
`},
		{"size", false, 0, `
size from  records     %     bytes
      0 B        1   0.3       0 B  ▍
      1 B        0   0.0       0 B
      2 B        4   1.3      12 B  █▎
      4 B        5   1.7      26 B  █▋
      8 B        6   2.0      67 B  █▉
     16 B        7   2.3     163 B  ██▎
     32 B       10   3.3     472 B  ███▎
     64 B       13   4.3  1.19 KiB  ████▏
    128 B       19   6.3  3.47 KiB  ██████▏
    256 B       27   9.0  9.94 KiB  ████████▋
    512 B       37  12.3  27.2 KiB  ███████████▉
    1 KiB       53  17.6  77.6 KiB  █████████████████
    2 KiB       75  24.9   220 KiB  ████████████████████████
    4 KiB       44  14.6   207 KiB  ██████████████▏

301 records, 547 KiB of keys and values, 2024-05-06T06:59:58Z to 2200-01-01T00:00:00Z
mean 1.82 KiB
`},
		{"gap", true, 0, `
gap from  records     %
 earlier        1   0.3  .
 8.39 ms        1   0.3  .
 16.8 ms        1   0.3  .
 33.6 ms        1   0.3  .
 67.1 ms        4   1.3  #
  134 ms        6   2.0  ##
  268 ms       14   4.7  #####
  537 ms       27   9.0  #########
  1.07 s       53  17.7  ##################
  2.15 s      106  35.3  ###################################
  4.29 s       84  28.0  ############################
     ...  4 empty
2.29 min        1   0.3  .
     ...  24 empty
 53376 d        1   0.3  .

301 records, 547 KiB of keys and values, 2024-05-06T06:59:58Z to 2200-01-01T00:00:00Z
gaps 10 ms to 64157 d
1 earlier than the one in front, by 3.73 min at most
`},
	} {
		if d := cmp.Diff(strings.TrimPrefix(c.want, "\n"), histOf(t, c.by, c.ascii, c.interval, madeRecords())); d != "" {
			t.Errorf("%s, ASCII %v, interval %v:\n%s", c.by, c.ascii, c.interval, d)
		}
	}
	for _, by := range []string{"rate", "size", "gap"} {
		if got := histOf(t, by, true, 0, nil); got != "no records\n" {
			t.Errorf("%s of nothing: %q", by, got)
		}
	}
}

// All of the JSON is of the schema, and its buckets have all records.
func TestHistJSON(t *testing.T) {
	for by, want := range map[string]int{"rate": 301, "size": 301, "gap": 300} {
		h := &histRun{t: &tool{json: true}, by: by, buckets: 12, rates: newRates(0)}
		for _, r := range madeRecords() {
			h.add(&r)
		}
		text := h.appendResult(nil, false)
		counts, err := checkJSON(text)
		if err != nil || counts["summary"] != 1 || counts["status"] < 5 {
			t.Fatalf("%s: %v, %v", by, counts, err)
		}
		sum := 0
		for line := range strings.Lines(string(text)) {
			var o jsonBucket
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatal(err)
			}
			n, err := strconv.Atoi(o.Records)
			if err != nil {
				t.Fatal(err)
			}
			if o.What == "bucket" {
				sum += n
			}
		}
		if sum != want {
			t.Errorf("%s: %d of %d are in buckets", by, sum, want)
		}
	}
}

// A given interval stays, unless it makes too many buckets; then it is doubled, and
// that is told.
func TestHistInterval(t *testing.T) {
	var errOut strings.Builder
	h := &histRun{t: &tool{err: &errOut}, by: "rate", buckets: 10, fixed: 3 * time.Second, rates: newRates(3 * time.Second)}
	for n := range int64(100) {
		h.add(&journal.Record{Time: time.Unix(n*3, 0)})
	}
	h.appendResult(nil, false)
	if h.rates.interval != 3e9 || errOut.Len() > 0 || len(h.rates.rows()) != 100 {
		t.Errorf("%d, %q", h.rates.interval, errOut.String())
	}
	h.appendResult(nil, true)
	if h.rates.interval != 48e9 || !strings.Contains(errOut.String(), "merged to such of 48s") || len(h.rates.rows()) > 10 {
		t.Errorf("%d, %q", h.rates.interval, errOut.String())
	}
}
