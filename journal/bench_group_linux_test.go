package journal_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/manypen/manypen/journal"
)

// Benchmarks of group commit. Crews, each of one or more processes, take
// turns in rounds of half a second, so that whatever else the machine and its
// disk do hits all of them; the figures that count are the ratios. One
// iteration is one round of each crew:
//
//	go test -run '^$' -bench 'BenchmarkGroup(Goroutines|Processes)' -benchtime 6x ./journal
const (
	groupRound  = 500 * time.Millisecond
	groupWarmup = 100 * time.Millisecond
	// groupLead is the time that members have to get ready for a round: on a
	// busy machine the last of them is woken late.
	groupLead = 50 * time.Millisecond
)

// crew is a number of processes that append to one file or journal.
type crew struct {
	name, way, path string
	members         []*member

	rates   []float64 // records/s of each round
	slowest []float64 // of each round, the fewest records of a member over the mean

	measured, syncs int64 // appended in these rounds and behind their ends, and syncs for it
	appended        int64 // since it exists
	rotated         int
}

type member struct {
	*child
	in io.WriteCloser
}

func newCrew(b *testing.B, name, way, path string, processes, goroutines int) *crew {
	b.Helper()
	p := &crew{name: name, way: way, path: path}
	for range processes {
		p.members = append(p.members, startMember(b, way, path, goroutines))
	}
	for _, m := range p.members {
		if line := m.hear(b); line != "ready\n" {
			b.Fatalf("member says %q", line)
		}
	}
	return p
}

// startMember is spawn for a role that is spoken to.
func startMember(b *testing.B, way, path string, goroutines int) *member {
	b.Helper()
	m := &member{child: &child{cmd: exec.Command(os.Args[0], way, path, strconv.Itoa(goroutines))}}
	m.cmd.Env = append(os.Environ(), roleVariable+"=member")
	m.cmd.Stderr = &m.err
	in, err := m.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	m.in, m.out = in, bufio.NewReader(out)
	if err := m.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if m.cmd.ProcessState == nil {
			m.cmd.Process.Kill() // it may have ended by itself
			m.cmd.Wait()         // only to be rid of it
		}
	})
	return m
}

// hear returns the next line of the member.
func (m *member) hear(b *testing.B) string {
	b.Helper()
	line, err := m.out.ReadString('\n')
	if err != nil {
		m.in.Close() // so that it ends, if it has not
		m.finish(b)
		b.Fatal(err)
	}
	return line
}

// round has all members append at the same time.
func (p *crew) round(b *testing.B, length time.Duration) {
	b.Helper()
	p.rotate(b)
	begin := time.Now().Add(groupLead).UnixNano()
	for _, m := range p.members {
		if _, err := fmt.Fprintln(m.in, begin, length.Nanoseconds()); err != nil {
			b.Fatal(err, m.err.String())
		}
	}
	var counts []float64
	sum := 0.0
	for _, m := range p.members {
		var inside, appended, syncs int64
		line := m.hear(b)
		if _, err := fmt.Sscan(line, &inside, &appended, &syncs); err != nil {
			b.Fatalf("member says %q: %v", line, err)
		}
		counts = append(counts, float64(inside))
		sum += float64(inside)
		p.appended += appended
		p.measured += appended
		p.syncs += syncs
	}
	p.rates = append(p.rates, sum/length.Seconds())
	p.slowest = append(p.slowest, slices.Min(counts)*float64(len(counts))/max(sum, 1))
}

// rotate puts a raw file aside that has the size at which a journal begins its
// next segment. It is kept, like a segment: to free its blocks is work for the
// disk that the journal does not have. The rolls of the journal are measured,
// this is not, which is in favour of the raw crew.
func (p *crew) rotate(b *testing.B) {
	b.Helper()
	if p.way == "journal" {
		return
	}
	st, err := os.Stat(p.path)
	if err == nil && st.Size() >= journal.DefaultSegmentSize {
		p.rotated++
		err = os.Rename(p.path, fmt.Sprint(p.path, ".", p.rotated))
	}
	if err != nil {
		b.Fatal(err)
	}
}

// end lets the members go and checks that everything they appended is there.
func (p *crew) end(b *testing.B) {
	b.Helper()
	for _, m := range p.members {
		if err := m.in.Close(); err != nil {
			b.Error(err)
		}
		m.finish(b)
	}
	if p.way == "journal" {
		if report := verify(b, p.path); report.Records != uint64(p.appended) {
			b.Errorf("%d records in the journal, %d were appended", report.Records, p.appended)
		}
		return
	}
	files, err := filepath.Glob(p.path + "*")
	if err != nil {
		b.Fatal(err)
	}
	size := int64(0)
	for _, name := range files {
		st, err := os.Stat(name)
		if err != nil {
			b.Fatal(err)
		}
		size += st.Size()
	}
	if size != p.appended*groupRecord {
		b.Errorf("%d bytes in raw files, %d records were appended", size, p.appended)
	}
}

// ratio is the median of the ratios of rounds that came one right after the
// other. A disk that is slow for some seconds is slow in both of them; of the
// medians of all rounds it could change one and not the other.
func ratio(ours, rival *crew) float64 {
	var r []float64
	for i, rate := range ours.rates {
		r = append(r, rate/rival.rates[i])
	}
	return median(r)
}

// median is the mean of the middle two if there are as many above as below.
func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// compete plays rounds of all crews in turns and reports the figures of ours
// and its ratio to each rival.
func compete(b *testing.B, ours *crew, rivals ...*crew) {
	b.Helper()
	crews := append(rivals, ours)
	for _, p := range crews { // the first sync of a file is a slow one
		p.round(b, groupWarmup)
		p.rates, p.slowest, p.measured, p.syncs = nil, nil, 0, 0
	}
	for b.Loop() {
		for _, p := range crews {
			p.round(b, groupRound)
		}
	}
	b.ReportMetric(0, "ns/op") // it would be the length of the rounds
	b.ReportMetric(median(ours.rates), "records/s")
	b.ReportMetric(float64(ours.syncs)/float64(ours.measured), "syncs/record")
	if len(ours.members) > 1 {
		b.ReportMetric(median(ours.slowest), "slowest/mean")
		b.ReportMetric(slices.Min(ours.slowest), "slowest/mean-worst")
	}
	for _, p := range rivals {
		b.ReportMetric(median(p.rates), p.name+"-records/s")
		b.ReportMetric(float64(p.syncs)/float64(p.measured), p.name+"-syncs/record")
		b.ReportMetric(ratio(ours, p), "x-"+p.name)
	}
	for _, p := range crews {
		p.end(b)
	}
}

// inPlaces runs f in a fresh directory, or in one on each file system that
// -dirs names.
func inPlaces(b *testing.B, f func(b *testing.B, dir string)) {
	b.Helper()
	if *flagDirs == "" {
		f(b, b.TempDir())
		return
	}
	for base := range strings.SplitSeq(*flagDirs, ",") {
		b.Run(filepath.Base(base), func(b *testing.B) {
			dir, err := os.MkdirTemp(base, "manypen")
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() {
				if err := os.RemoveAll(dir); err != nil {
					b.Error(err)
				}
			})
			f(b, dir)
		})
	}
}

// BenchmarkGroupGoroutines compares durable appends of goroutines that share a
// handle with a plain group commit of as many, and with one of them alone.
func BenchmarkGroupGoroutines(b *testing.B) {
	for _, goroutines := range []int{64} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			inPlaces(b, func(b *testing.B, dir string) {
				one := newCrew(b, "one", "journal", filepath.Join(dir, "one"), 1, 1)
				raw := newCrew(b, "raw", "group", filepath.Join(dir, "raw"), 1, goroutines)
				ours := newCrew(b, "", "journal", filepath.Join(dir, "journal"), 1, goroutines)
				compete(b, ours, one, raw)
			})
		})
	}
}

// BenchmarkGroupProcesses compares durable appends of processes that share a
// journal: those of one goroutine each with processes that share a file and
// sync for themselves, those of several with one process of as many goroutines
// as all of them have.
func BenchmarkGroupProcesses(b *testing.B) {
	for _, c := range []struct{ processes, goroutines int }{{2, 1}, {4, 1}, {8, 1}, {8, 8}} {
		b.Run(fmt.Sprintf("%dx%d", c.processes, c.goroutines), func(b *testing.B) {
			inPlaces(b, func(b *testing.B, dir string) {
				var rival *crew
				if c.goroutines == 1 {
					rival = newCrew(b, "raw", "each", filepath.Join(dir, "raw"), c.processes, 1)
				} else {
					rival = newCrew(b, "one-process", "journal", filepath.Join(dir, "one"), 1, c.processes*c.goroutines)
				}
				ours := newCrew(b, "", "journal", filepath.Join(dir, "journal"), c.processes, c.goroutines)
				compete(b, ours, rival)
			})
		})
	}
}
