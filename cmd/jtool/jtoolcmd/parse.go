package jtoolcmd

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parseTime reads a time as people write it: RFC 3339, a date, @SECONDS since
// 1970, "now", or a duration before now (10m and -10m mean the same).
func parseTime(s string, now time.Time) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	if rest, ok := strings.CutPrefix(s, "@"); ok {
		if sec, err := strconv.ParseFloat(rest, 64); err == nil && math.Abs(sec) < 1<<33 {
			whole := math.Floor(sec)
			return time.Unix(int64(whole), int64((sec-whole)*1e9)), nil
		}
	}
	if d, err := parseAge(strings.TrimPrefix(s, "-")); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: want RFC 3339, a date, @SECONDS, now, or a duration such as -10m", s)
}

// parseAge is time.ParseDuration with days (d) and weeks (w), alone.
func parseAge(s string) (time.Duration, error) {
	for unit, d := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			if v, err := strconv.ParseFloat(n, 64); err == nil && v >= 0 && v*float64(d) < math.MaxInt64 {
				return time.Duration(v * float64(d)), nil
			}
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration: want something like 90s, 10m, 24h or 7d", s)
	}
	return d, nil
}

// size is a flag for a number of bytes.
type size int64

var units = []struct {
	suffix string
	factor int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1000}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}, {"b", 1},
}

func (v *size) String() string { return strconv.FormatInt(int64(*v), 10) }
func (v *size) Type() string   { return "size" }

func (v *size) Set(s string) error {
	n, err := parseSize(s)
	if err == nil {
		*v = size(n)
	}
	return err
}

// parseSize reads a number of bytes.
func parseSize(s string) (int64, error) {
	number, factor := strings.ToLower(strings.TrimSpace(s)), int64(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = n, u.factor
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("%q is no size: want something like 4096, 64k, 4MiB", s)
	}
	return n * factor, nil
}

// human writes a number of bytes in three digits.
func human(n int64) string {
	const names = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1024, 0
	for v >= 999.5 && i < len(names)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.3g %ciB", v, names[i])
}
