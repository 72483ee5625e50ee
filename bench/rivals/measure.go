package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// measurement is one run of one contestant.
type measurement struct {
	Records int           // that were appended
	Rate    float64       // records a second, of all processes
	P50     time.Duration // of a call; of several processes the slowest one's
	P99     time.Duration
	CPU     time.Duration // of a record, user and system
	RSS     int64         // bytes, of the largest process
}

// sampleEvery is how many calls there are for one whose duration is taken: to look at
// the clock twice costs 0.1 microseconds, which is shared by so many.
const sampleEvery = 16

// once is one run in processes of their own.
func (w workload) once(base string, c *contestant) (sum measurement, err error) {
	if w.read != "" {
		return w.readOnce(base, c)
	}
	dir, err := os.MkdirTemp(base, "run")
	if err != nil {
		return sum, err
	}
	defer os.RemoveAll(dir) // what is left is temporary
	var cmds []*exec.Cmd
	var outs []*bytes.Buffer
	var gates []io.Closer
	for range max(w.processes, 1) {
		cmd := exec.Command(os.Args[0], "-child", c.name, "-dir", dir, "-time", flagTime.String(), "-bytes", strconv.FormatInt(*flagBytes, 10),
			"-sync="+strconv.FormatBool(w.durable), "-value", strconv.Itoa(w.value), "-goroutines", strconv.Itoa(max(w.goroutines, 1)), "-batch", strconv.Itoa(max(w.batch, 1)))
		out := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		gate, err := cmd.StdinPipe()
		if err != nil {
			return sum, err
		}
		if err := cmd.Start(); err != nil {
			return sum, err
		}
		cmds, outs, gates = append(cmds, cmd), append(outs, out), append(gates, gate)
	}
	for _, gate := range gates {
		err = errors.Join(err, gate.Close())
	}
	for i, cmd := range cmds {
		if werr := cmd.Wait(); werr != nil {
			return sum, werr
		}
		var one measurement
		if jerr := json.Unmarshal(outs[i].Bytes(), &one); jerr != nil {
			return sum, fmt.Errorf("%q: %w", outs[i].String(), jerr)
		}
		sum.add(one)
	}
	sum.CPU /= time.Duration(max(sum.Records, 1))
	there, cerr := c.count(dir, options{w.durable, w.value})
	if err = errors.Join(err, cerr); err == nil && there != sum.Records {
		err = fmt.Errorf("%d records were appended and %d are there", sum.Records, there)
	}
	return sum, err
}

func (m *measurement) add(one measurement) {
	m.Records += one.Records
	m.Rate += one.Rate
	m.CPU += one.CPU
	m.P50, m.P99, m.RSS = max(m.P50, one.P50), max(m.P99, one.P99), max(m.RSS, one.RSS)
}

// child appends for the given time, as soon as its standard input is closed, or reads,
// and prints what came of it.
func child(name string) error {
	all := contestants()
	i := slices.IndexFunc(all, func(c contestant) bool { return c.name == name })
	if i < 0 {
		return fmt.Errorf("no contestant %q", name)
	}
	if *flagRead != "" {
		return readChild(&all[i])
	}
	// Beside the directory of the run, which a journal that comes first wants for itself.
	if err := touch(filepath.Dir(*flagDir), min(*flagBytes, 256<<20)); err != nil {
		return err
	}
	w, err := all[i].open(*flagDir, options{*flagSync, *flagValue})
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	before, err := used()
	if err != nil {
		return err
	}
	start := time.Now()
	total, samples, err := appendAll(w, start)
	passed := time.Since(start)
	if err != nil {
		return err
	}
	after, err := used()
	if err != nil {
		return err
	}
	if err := w.close(); err != nil {
		return err
	}
	slices.Sort(samples)
	return json.NewEncoder(os.Stdout).Encode(measurement{
		Records: total, Rate: float64(total) / passed.Seconds(),
		P50: samples[len(samples)/2], P99: samples[len(samples)*99/100],
		CPU: after.cpu - before.cpu, RSS: after.rss,
	})
}

// appendAll appends in goroutines until the time is over or there are enough bytes.
func appendAll(w writer, start time.Time) (total int, samples []time.Duration, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var written atomic.Int64
	for g := range *flagGoroutines {
		wg.Go(func() {
			n, taken, gerr := appendSome(w.appender(), g, start, &written)
			mu.Lock()
			defer mu.Unlock()
			total += n
			samples = append(samples, taken...)
			err = errors.Join(err, gerr)
		})
	}
	wg.Wait()
	return total, samples, err
}

func appendSome(a appender, g int, start time.Time, written *atomic.Int64) (n int, samples []time.Duration, err error) {
	key, value := make([]byte, keySize), valueOf(*flagValue)
	call := func() error { return a.append(key, value) }
	if b, ok := a.(batcher); ok && *flagBatch > 1 {
		keys := slices.Repeat([][]byte{key}, *flagBatch)
		call = func() error { return b.batch(keys, value) }
	}
	for i := 0; ; i++ {
		copy(key, strconv.AppendInt([]byte("key-"), int64(g<<40|i), 10))
		if i%sampleEvery != 0 {
			err = call()
		} else {
			if time.Since(start) > *flagTime && i > 0 {
				return n, samples, nil
			}
			begin := time.Now()
			err = call()
			samples = append(samples, time.Since(begin))
		}
		if err != nil {
			return n, samples, err
		}
		n += *flagBatch
		if written.Add(int64(*flagBatch*len(value))) > *flagBytes {
			return n, samples, nil
		}
	}
}

// touch makes the machine have as much memory at hand as a run will write, of the kind
// that files use. A virtual machine may have given it back, and the first contestant
// would pay for it, up to eight times the time of the write.
func touch(dir string, size int64) (err error) {
	f, err := os.CreateTemp(dir, "touched")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	b := make([]byte, 1<<20)
	for n := int64(0); n < size; n += int64(len(b)) {
		if _, err := f.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// usage is what this process has used so far.
type usage struct {
	cpu time.Duration
	rss int64
}

func used() (usage, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}, err
	}
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return usage{}, err
	}
	var size, resident int64
	_, err = fmt.Sscan(string(b), &size, &resident)
	return usage{time.Duration(r.Utime.Nano() + r.Stime.Nano()), resident * int64(os.Getpagesize())}, err
}
