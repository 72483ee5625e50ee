package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("RIVALS_CHILD") != "" {
		main()
		os.Exit(0)
	}
	if err := os.Setenv("RIVALS_CHILD", "1"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// tiny makes runs short.
func tiny() { *flagTime, *flagBytes, *flagRounds = time.Millisecond, 1<<20, 1 }

// Every contestant can do what the table says it can, in every workload, and what it
// has appended is counted.
func TestContestants(t *testing.T) {
	tiny()
	base, logs := t.TempDir(), t.TempDir()
	for _, w := range workloads {
		base := base
		if w.read != "" {
			base, w.records = logs, 200 // which stay there for the next workload
		}
		all := w.field(contestants())
		for i := range all {
			c := &all[i]
			if survives, whyNot := w.policy(c); (survives == "") != (whyNot != "") {
				t.Errorf("%s, %s: %q, %q", w.id, c.name, survives, whyNot)
			} else if survives == "" {
				continue
			}
			if m, err := w.once(base, c); err != nil || m.Rate <= 0 || m.Records == 0 || m.P99 < m.P50 || m.CPU <= 0 || m.RSS <= 0 || w.read == readScan && m.Records%w.records != 0 {
				t.Errorf("%s, %s: %+v, %v", w.id, c.name, m, err)
			}
		}
	}
	if left, err := os.ReadDir(base); err != nil || len(left) != 0 {
		t.Errorf("%v, %v are left", left, err)
	}
}

// A record that is not there is noticed.
func TestLossIsNoticed(t *testing.T) {
	tiny()
	c := contestants()[0]
	c.count = func(string, options) (int, error) { return 0, nil }
	if _, err := workloads[0].once(t.TempDir(), &c); err == nil {
		t.Error("a contestant that loses everything is measured all the same")
	}
}

// As is one that is not there when a log is read.
func TestShortLogIsNoticed(t *testing.T) {
	tiny()
	w := workload{read: readScan, value: 100, records: 10}
	base := t.TempDir()
	for _, c := range contestants() {
		if c.reads == nil {
			continue
		}
		if _, err := w.once(base, &c); err != nil {
			t.Fatal(err)
		}
		more := w
		more.records++
		if err := os.Rename(w.dataset(base, &c), more.dataset(base, &c)); err != nil {
			t.Fatal(err)
		}
		if _, err := more.once(base, &c); err == nil {
			t.Errorf("%s: a log of 10 records passes for one of 11", c.name)
		}
	}
}

func TestChoose(t *testing.T) {
	if got, err := choose("batch,one-1k"); err != nil || len(got) != 2 || got[0].id != "batch" || got[1].value != 1<<10 {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := choose(""); err != nil || len(got) != len(workloads) {
		t.Errorf("%d, %v", len(got), err)
	}
	if _, err := choose("nonsense"); err == nil || !strings.Contains(err.Error(), "-list") {
		t.Errorf("a workload that does not exist: %v", err)
	}
	floors := map[string]bool{slogFloor: true}
	for _, c := range contestants() {
		floors[c.name] = c.floor || floors[c.name]
	}
	for _, w := range workloads {
		if !floors[w.floor] {
			t.Errorf("%s: %q is no floor", w.id, w.floor)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
}

// sample is a workload with a contestant of each kind.
func sample() result {
	rounds := func(rates ...float64) (all []measurement) {
		for _, r := range rates {
			all = append(all, measurement{Records: 10, Rate: r, P50: 1200, P99: 34 * time.Microsecond, CPU: 1500, RSS: 3 << 20})
		}
		return all
	}
	return result{ID: "id", Name: "a < b & c", Floor: "floor: raw", Rows: []row{
		{Name: "floor: raw", IsFloor: true, Survives: "process", Rounds: rounds(1000, 2000, 1500)},
		{Name: "floor: other", IsFloor: true, WhyNot: "for something else"},
		{Name: "Manypen", Survives: "process", Rounds: rounds(1000, 1000, 1000)},
		{Name: `<"slow">`, Survives: "process", Rounds: rounds(100, 100, 100)},
		{Name: "unable", WhyNot: "one process only"},
		{Name: "left out", Survives: "process"},
	}}
}

// The table and the chart of given figures, to the last byte.
func TestReport(t *testing.T) {
	res := sample()
	var table strings.Builder
	if err := res.table(&table); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"table.md": table.String(), "chart.svg": res.chart()} {
		path := filepath.Join("testdata", name)
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s (%v) is now:\n%s", path, err, got)
		}
	}
}

// What is written names the machine, the versions and every round.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	r, err := describe(t.TempDir(), contestants())
	if err != nil {
		t.Fatal(err)
	}
	r.Results = []result{sample()}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"rivals.json": {`"Machine": "`, `"Rate": 2000`, `"WhyNot": "one process only"`},
		"rivals.md":   {"processors", "| Manypen | process | 1000 | 1.50 |", "![a < b & c](id.svg)"},
		"id.svg":      {"<svg", "&lt;&#34;slow&#34;&gt;"},
	} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range want {
			if !strings.Contains(string(b), s) {
				t.Errorf("%s does not contain %q", name, s)
			}
		}
	}
}
