package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/manypen/manypen/journal"
)

// All sizes are measured, and nothing is left behind.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	if err := run(&out, dir, 10_000, 10); err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| (\d+) \| [1-9]\d* \| [1-9]\d* \| \d+\.\d\d \| \d+ \|$`).FindAllStringSubmatch(out.String(), -1)
	var records []string
	for _, r := range rows {
		records = append(records, r[1])
	}
	if want := []string{"1000", "10000", "10485", "104850"}; !slices.Equal(records, want) {
		t.Errorf("%q, want %q:\n%s", records, want, out.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v, %v are left", left, err)
	}
}

// A record that is missing, and one in another's place, are noticed.
func TestCount(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []byte{1, 2, 4} {
		if _, err := j.Append([]byte{0, 0, 0, 0, 0, 0, 0, n}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := count(dir, 3); err == nil || !strings.Contains(err.Error(), "record 4 is where 3") {
		t.Error(err)
	}
	if err := count(dir+"x", 3); err == nil {
		t.Error("no journal, and no error")
	}
}
