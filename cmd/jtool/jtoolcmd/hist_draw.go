package jtoolcmd

import (
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode/utf8"
)

// histRow is one line of a histogram.
type histRow struct {
	label string
	bucket
	skipped uint64 // so many empty buckets stand in this one's place
}

// histogram is what is drawn.
type histogram struct {
	of      string // what the labels are
	rows    []histRow
	noBytes bool
	ascii   bool
	width   int // of a line, in characters
}

// leastBar is the shortest a bar gets, however narrow the terminal is.
const leastBar = 10

// appendText draws the histogram: label, records, percent, bytes and bar, in
// columns.
func (h *histogram) appendText(b []byte) []byte {
	var total, most int64
	for _, r := range h.rows {
		total += r.count
		most = max(most, r.count)
	}
	head := [4]string{h.of, "records", "%", "bytes"}
	cells := make([][4]string, len(h.rows))
	width := [4]int{}
	for i, r := range h.rows {
		cells[i] = [4]string{r.label}
		if r.skipped == 0 {
			cells[i] = [4]string{r.label, fmt.Sprint(r.count), fmt.Sprintf("%.1f", 100*float64(r.count)/float64(max(total, 1))), human(r.bytes)}
		}
	}
	for c := range width {
		width[c] = utf8.RuneCountInString(head[c])
		for _, cell := range cells {
			width[c] = max(width[c], utf8.RuneCountInString(cell[c]))
		}
	}
	columns := len(width)
	if h.noBytes {
		columns--
	}
	used := 0
	for _, w := range width[:columns] {
		used += w + 2
	}
	line := func(cell [4]string, bar string) {
		text := ""
		for c := range columns {
			text += fmt.Sprintf("%*s  ", width[c], cell[c])
		}
		b = append(append(b, strings.TrimRight(text+bar, " ")...), '\n')
	}
	line(head, "")
	for i, r := range h.rows {
		if r.skipped > 0 {
			b = fmt.Appendf(b, "%*s  %d empty\n", width[0], "...", r.skipped)
			continue
		}
		line(cells[i], h.bar(r.count, most, max(leastBar, h.width-used)))
	}
	return b
}

// bar draws n of most in so many characters: eighths of one in Unicode. What is not
// nothing is seen.
func (h *histogram) bar(n, most int64, width int) string {
	if n <= 0 || most <= 0 {
		return ""
	}
	part := float64(n) / float64(most) * float64(width)
	if h.ascii {
		if part < 0.5 {
			return "."
		}
		return strings.Repeat("#", int(part+0.5))
	}
	eighths := max(1, int(part*8+0.5))
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

// allowsUnicode reports whether the locale says that text is UTF-8.
func allowsUnicode(getenv func(string) string, goos string) bool {
	if getenv("TERM") == "dumb" {
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return goos == "windows" // which has no such variables, and whose terminals can
}

// rateLayout is how times are written that are multiples of an interval.
func rateLayout(interval int64) string {
	for _, l := range []struct {
		unit   time.Duration
		layout string
	}{
		{day, "2006-01-02"}, {time.Minute, "2006-01-02T15:04Z"}, {time.Second, "2006-01-02T15:04:05Z"},
		{time.Millisecond, "2006-01-02T15:04:05.000Z"}, {time.Microsecond, "2006-01-02T15:04:05.000000Z"},
	} {
		if interval%int64(l.unit) == 0 {
			return l.layout
		}
	}
	return "2006-01-02T15:04:05.000000000Z"
}

// startOf is when bucket k begins.
func (r *rates) startOf(k int64) time.Time {
	sec, ns := new(big.Int).DivMod(r.begin(k), big.NewInt(1e9), new(big.Int))
	return time.Unix(sec.Int64(), ns.Int64()).UTC()
}

// begin is when bucket k begins, in nanoseconds since 1970. The first and the last
// bucket may reach beyond what has 64 bits.
func (r *rates) begin(k int64) *big.Int {
	return new(big.Int).Mul(big.NewInt(k), big.NewInt(r.interval))
}

// rows are the lines of the buckets.
func (r *rates) rows() []histRow {
	layout := rateLayout(r.interval)
	return rowsOf(r.keys(), func(k int64) (string, bucket) { return r.startOf(k).Format(layout), r.buckets[k] })
}

// rows are the lines of the buckets, by their least numbers.
func (p *powers) rows(label func(from uint64) string) []histRow {
	var keys []int64
	for k := range p {
		if p[k].count > 0 {
			keys = append(keys, int64(k))
		}
	}
	return rowsOf(keys, func(k int64) (string, bucket) { return label(powerFrom(int(k))), p[k] })
}

// rowsOf makes lines of buckets that are not empty, with those between them.
func rowsOf(keys []int64, row func(k int64) (label string, b bucket)) []histRow {
	var rows []histRow
	for i, k := range keys {
		// Differences are taken modulo 2^64: buckets may lie further apart than what
		// has a sign.
		empty := uint64(0)
		if i > 0 {
			empty = uint64(k) - uint64(keys[i-1]) - 1
		}
		if empty > maxEmpty {
			rows = append(rows, histRow{skipped: empty})
			empty = 0
		}
		for ; ; empty-- {
			label, b := row(k - int64(empty))
			rows = append(rows, histRow{label: label, bucket: b})
			if empty == 0 {
				break
			}
		}
	}
	return rows
}

// intervalText is a duration without the zeros that package time puts behind it.
func intervalText(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	text := d.String()
	for _, zeros := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zeros) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// shortDuration writes a duration in three digits.
func shortDuration(ns uint64) string {
	for _, u := range []struct {
		name string
		ns   float64
	}{{"d", 864e11}, {"h", 36e11}, {"min", 6e10}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}} {
		// What would be rounded up to a thousand belongs to the next unit.
		if v := float64(ns) / u.ns; v >= 0.9995 {
			if v >= 1000 {
				return fmt.Sprintf("%.0f %s", v, u.name)
			}
			return fmt.Sprintf("%.3g %s", v, u.name)
		}
	}
	return fmt.Sprintf("%d ns", ns)
}
