package jtoolcmd

import (
	"math"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC)
	for text, want := range map[string]time.Time{
		"now":                            now,
		"-10m":                           now.Add(-10 * time.Minute),
		"10m":                            now.Add(-10 * time.Minute),
		"-1h30m":                         now.Add(-90 * time.Minute),
		"2d":                             now.Add(-48 * time.Hour),
		"-1.5w":                          now.Add(-252 * time.Hour),
		"0s":                             now,
		"@0":                             time.Unix(0, 0),
		"@1700000000.5":                  time.Unix(1700000000, 5e8),
		"@-0.25":                         time.Unix(-1, 75e7),
		"2024-01-02":                     time.Date(2024, 1, 2, 0, 0, 0, 0, time.Local),
		"2024-01-02 03:04":               time.Date(2024, 1, 2, 3, 4, 0, 0, time.Local),
		"2024-01-02 03:04:05":            time.Date(2024, 1, 2, 3, 4, 5, 0, time.Local),
		"2024-01-02T03:04:05":            time.Date(2024, 1, 2, 3, 4, 5, 0, time.Local),
		"2024-01-02T03:04:05Z":           time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC),
		"2024-01-02T03:04:05.000000006Z": time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC),
		"2024-01-02T03:04:05+02:00":      time.Date(2024, 1, 2, 1, 4, 5, 0, time.UTC),
	} {
		if got, err := parseTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", "--10m", "@", "@x", "@1e99", "@nan", "yesterday", "10", "2024", "2024-13-01", "10 m", "1d2h", "-now", "99999999d"} {
		if got, err := parseTime(text, now); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "24h": 24 * time.Hour, "7d": 168 * time.Hour, "1w": 168 * time.Hour,
		"0.5d": 12 * time.Hour, "0s": 0, "0d": 0, "1h1m": 61 * time.Minute,
	} {
		if got, err := parseAge(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-1s", "1", "x", "infd", "nand", "1e6d", "1y", "200000w", "20000w", "99999w", "15251w", "106752d"} {
		if got, err := parseAge(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "4096": 4096, "64k": 64 << 10, "64K": 64 << 10, "4MiB": 4 << 20, "4mib": 4 << 20, "1 GiB": 1 << 30, "2g": 2 << 30,
		"1kB": 1000, "1MB": 1e6, "1GB": 1e9, "1TB": 1e12, "1TiB": 1 << 40, "17b": 17, " 5 ": 5, "9223372036854775807": math.MaxInt64,
	} {
		var v size
		if err := v.Set(text); err != nil || int64(v) != want {
			t.Errorf("%q: got %d, %v; want %d", text, v, err, want)
		}
	}
	for _, text := range []string{"", "-1", "k", "1.5k", "x", "1kk", "1KiBs", "9223372036854775808", "9223372036854775807k", "8388608TiB"} {
		var v size
		if err := v.Set(text); err == nil {
			t.Errorf("%q is taken for %d", text, v)
		}
	}
}

func TestHuman(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 999 << 10: "999 KiB", 1000 << 10: "0.977 MiB",
		1 << 20: "1 MiB", 1023590: "0.976 MiB", 1023480: "999 KiB", 64 << 20: "64 MiB", 5 << 30: "5 GiB", math.MaxInt64: "8 EiB",
	} {
		if got := human(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestParseWriter(t *testing.T) {
	for text, want := range map[string][2]uint64{
		"1":                    {1, 1},
		"18446744073709551615": {math.MaxUint64, math.MaxUint64},
		"ffffffffffffffff":     {math.MaxUint64, math.MaxUint64},
		"93ccc3f15ea1dfae":     {0x93ccc3f15ea1dfae, 0x93ccc3f15ea1dfae},
		"0xff":                 {255, 255},
		"0x93ccc3f15ea1dfae":   {0x93ccc3f15ea1dfae, 0x93ccc3f15ea1dfae},
		"1234567890123456":     {0x1234567890123456, 1234567890123456},
		"0000000000000010":     {16, 10},
	} {
		if got, err := parseWriter(text); err != nil || got != want {
			t.Errorf("%q: got %x, %v; want %x", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "ff", "-1", "+1", "0x", "0xg", "18446744073709551616", "0x10000000000000000", "93ccc3f15ea1dfag"} {
		if got, err := parseWriter(text); err == nil {
			t.Errorf("%q is taken for %x", text, got)
		}
	}
}
