package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// report is what a run of the program has measured, and on what.
type report struct {
	Machine  string
	Versions []string
	Settings string
	Results  []result
}

// result is a workload.
type result struct {
	ID, Name, Floor string
	Read            string `json:",omitempty"` // if it is about reading
	Rows            []row
}

// row is a contestant in a workload.
type row struct {
	Name     string
	IsFloor  bool
	Survives string        `json:",omitempty"` // what has been appended; of reading, whether checksums are verified
	WhyNot   string        `json:",omitempty"`
	Rounds   []measurement `json:",omitempty"`
}

// describe notes what a figure means nothing without.
func describe(dir string, all []contestant) (*report, error) {
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	r := &report{
		Machine: fmt.Sprintf("%s/%s, %d processors, %s, kernel %s, file system %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(),
			cmp.Or(strings.TrimSpace(string(kernel)), "unknown"), fileSystem(dir)),
		Settings: fmt.Sprintf("keys of %d bytes; %d rounds of %v, at most %d MiB each", keySize, *flagRounds, *flagTime, *flagBytes>>20),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return r, nil
	}
	for _, c := range all {
		for _, m := range info.Deps {
			if m.Path == c.module {
				r.Versions = append(r.Versions, fmt.Sprintf("%s: %s %s", c.name, m.Path, m.Version))
			}
		}
	}
	return r, nil
}

// fileSystem is the type of what dir lies on, by the longest mount point above it.
func fileSystem(dir string) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "unknown"
	}
	best, kind := "", "unknown"
	for l := range strings.Lines(string(mounts)) {
		f := strings.Fields(l)
		if len(f) > 2 && len(f[1]) >= len(best) && (f[1] == "/" || dir == f[1] || strings.HasPrefix(dir, f[1]+"/")) {
			best, kind = f[1], f[2]
		}
	}
	return kind
}

func (r *report) head(to io.Writer) error {
	_, err := fmt.Fprintf(to, "%s; %s.\n\n- %s\n", r.Machine, r.Settings, strings.Join(r.Versions, "\n- "))
	return err
}

// ratios are those of the times of a record to the floor of the same round.
func (res *result) ratios(r *row) []float64 {
	i := slices.IndexFunc(res.Rows, func(r row) bool { return r.Name == res.Floor })
	var ratios []float64
	for k, m := range r.Rounds {
		ratios = append(ratios, res.Rows[i].Rounds[k].Rate/m.Rate)
	}
	return ratios
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func of(rounds []measurement, f func(m measurement) float64) float64 {
	var values []float64
	for _, m := range rounds {
		values = append(values, f(m))
	}
	return median(values)
}

// measured is what a ratio is one of.
func (res *result) measured() string {
	if res.Read == readOpen {
		return "time of opening"
	}
	return "time of a record"
}

// table prints a workload as Markdown.
func (res *result) table(to io.Writer) error {
	var b strings.Builder
	column, unit := "survives the end of the", "records/s"
	if res.Read != "" {
		column = "checksums"
	}
	if res.Read == readOpen {
		unit = "a second"
	}
	fmt.Fprintf(&b, "\n**%s** (%s: %s = 1)\n\n", res.Name, res.measured(), res.Floor)
	fmt.Fprintf(&b, "| | %s | %s | time | of the rounds | p50 | p99 | CPU | MiB |\n|---|---|---|---|---|---|---|---|---|\n", column, unit)
	for i := range res.Rows {
		r := &res.Rows[i]
		switch {
		case r.WhyNot != "" && !r.IsFloor:
			fmt.Fprintf(&b, "| %s | %s | | | | | | | |\n", r.Name, r.WhyNot)
		case len(r.Rounds) > 0:
			ratios := res.ratios(r)
			duration := func(f func(m measurement) time.Duration) time.Duration {
				return time.Duration(of(r.Rounds, func(m measurement) float64 { return float64(f(m)) })).Round(10 * time.Nanosecond)
			}
			rate, digits := of(r.Rounds, func(m measurement) float64 { return m.Rate }), 0
			if rate < 100 {
				digits = 1
			}
			fmt.Fprintf(&b, "| %s | %s | %.*f | %.2f | %.2f to %.2f | %v | %v | %v | %.0f |\n", r.Name, r.Survives,
				digits, rate, median(ratios), slices.Min(ratios), slices.Max(ratios),
				duration(func(m measurement) time.Duration { return m.P50 }), duration(func(m measurement) time.Duration { return m.P99 }),
				duration(func(m measurement) time.Duration { return m.CPU }), of(r.Rounds, func(m measurement) float64 { return float64(m.RSS) / (1 << 20) }))
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// write leaves tables, charts and figures in dir.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	figures, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	var md strings.Builder
	if err := r.head(&md); err != nil {
		return err
	}
	errs := []error{os.WriteFile(filepath.Join(dir, "rivals.json"), append(figures, '\n'), 0o644)}
	for i := range r.Results {
		res := &r.Results[i]
		errs = append(errs, res.table(&md), os.WriteFile(filepath.Join(dir, res.ID+".svg"), []byte(res.chart()), 0o644))
		fmt.Fprintf(&md, "\n![%s](%s.svg)\n", res.Name, res.ID)
	}
	return errors.Join(append(errs, os.WriteFile(filepath.Join(dir, "rivals.md"), []byte(md.String()), 0o644))...)
}

// Measures of a chart, in pixels.
const (
	chartWidth, rowHeight, labelWidth, chartTop = 720, 22, 220, 40
	chartMost                                   = 5.0 // times the floor; what is slower is cut off and says so
)

// chart draws a bar for each contestant: how long it takes for a record, the floor being
// 1, with a line from the fastest of the rounds to the slowest. Colours are those of the
// page that it stands on.
func (res *result) chart() string {
	var rows []*row
	for i := range res.Rows {
		if len(res.Rows[i].Rounds) > 0 {
			rows = append(rows, &res.Rows[i])
		}
	}
	height := chartTop + rowHeight*len(rows) + 10
	scale := (chartWidth - labelWidth - 90) / chartMost
	x := func(ratio float64) float64 { return labelWidth + scale*min(ratio, chartMost) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`+"\n", chartWidth, height)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(res.Name))
	b.WriteString("<style>text{fill:#222}.us{fill:#c2410c}.them{fill:#64748b}.floor{fill:#94a3b8}line{stroke:#222}@media(prefers-color-scheme:dark){text{fill:#ddd}line{stroke:#ddd}}</style>\n")
	fmt.Fprintf(&b, `<text x="10" y="18" font-weight="bold">%s: %s, %s = 1</text>`+"\n", html.EscapeString(res.Name), res.measured(), html.EscapeString(res.Floor))
	for i, r := range rows {
		ratios := res.ratios(r)
		y, m := chartTop+rowHeight*i, median(ratios)
		class := "them"
		switch {
		case r.IsFloor:
			class = "floor"
		case strings.HasPrefix(r.Name, "Manypen"):
			class = "us"
		}
		more := ""
		if m > chartMost {
			more = " →"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelWidth-8, y+14, html.EscapeString(r.Name))
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>`, class, labelWidth, y+3, x(m)-labelWidth, rowHeight-7)
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x(slices.Min(ratios)), x(slices.Max(ratios)), y+10, y+10)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.2f%s</text>`+"\n", max(x(m), x(slices.Max(ratios)))+6, y+14, m, more)
	}
	fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke-dasharray="3 3"/>`+"\n</svg>\n", x(1), x(1), chartTop-8, height-8)
	return b.String()
}
