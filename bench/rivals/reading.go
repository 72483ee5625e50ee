package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// reader is a log that is open to be read.
type reader interface {
	// scan hands over all records in the order in which they were appended, each good
	// until the next one.
	scan(visit func(key, value []byte)) error
	// get returns the value of record i, which was appended with the given key.
	get(i int, key []byte) ([]byte, error)
	close() error
}

// What a reading workload measures.
const (
	readScan = "scan" // open and read everything
	readOpen = "open" // open and get one record
	readGet  = "get"  // get records in random order, after a while
	readFill = "fill" // not measured: what the others read
)

// keyOf is the key of record i of a log that is filled to be read.
func keyOf(key []byte, i int) []byte {
	digits := strconv.Itoa(i)
	key = append(key[:0], "key-000000000000"...)
	copy(key[len(key)-len(digits):], digits)
	return key
}

// fillChild makes the log that is read later.
func fillChild(c *contestant) error {
	log, err := c.open(*flagDir, options{value: *flagValue})
	if err != nil {
		return err
	}
	if err := fill(log, c.slow); err != nil {
		return errors.Join(err, log.close())
	}
	if err := log.close(); err != nil {
		return err
	}
	syscall.Sync() // or the reading would be beside the writing
	return nil
}

// fillBytes is about how many bytes of values are appended together where that is faster.
const fillBytes = 1 << 20

func fill(log writer, slow bool) error {
	value := valueOf(*flagValue)
	a := log.appender()
	b, ok := a.(batcher)
	n := max(fillBytes / *flagValue, 1)
	if !ok || !slow {
		n = 1
	}
	keys := make([][]byte, n)
	for i := 0; i < *flagRecords; {
		keys = keys[:min(n, *flagRecords-i)]
		for k := range keys {
			keys[k] = keyOf(keys[k], i)
			i++
		}
		var err error
		if n > 1 {
			err = b.batch(keys, value)
		} else {
			err = a.append(keys[0], value)
		}
		if err != nil {
			return err
		}
	}
	if f, ok := log.(interface{ filled() error }); ok {
		return f.filled()
	}
	return nil
}

// readOnce reads the log of c, which is filled the first time.
func (w workload) readOnce(base string, c *contestant) (m measurement, err error) {
	dir := w.dataset(base, c)
	switch err := os.Mkdir(dir, 0o755); {
	case err == nil:
		if _, err := w.readProcess(dir, c, readFill); err != nil {
			return m, err
		}
	case !errors.Is(err, os.ErrExist):
		return m, err
	}
	out, err := w.readProcess(dir, c, w.read)
	if err == nil {
		err = json.Unmarshal(out, &m)
	}
	return m, err
}

// readProcess does one thing in a process of its own, and returns what that prints.
func (w workload) readProcess(dir string, c *contestant, what string) ([]byte, error) {
	cmd := exec.Command(os.Args[0], "-child", c.name, "-dir", dir, "-time", flagTime.String(), "-value", strconv.Itoa(w.value),
		"-read", what, "-records", strconv.Itoa(w.records))
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// dataset is where the log of a contestant is that this and other workloads read.
func (w workload) dataset(base string, c *contestant) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '-'
	}, c.name)
	return filepath.Join(base, fmt.Sprintf("%d-%d-%s", w.value, w.records, plain))
}

// readChild reads, and prints what came of it.
func readChild(c *contestant) error {
	if *flagRead == readFill {
		return fillChild(c)
	}
	log := func() (reader, error) { return c.reads(*flagDir, options{value: *flagValue}) }
	before, err := used()
	if err != nil {
		return err
	}
	var samples []time.Duration // of each record, or of each opening
	var each int                // records that a sample stands for
	switch *flagRead {
	case readScan:
		each = *flagRecords
		samples, err = scanOnce(log)
	case readOpen:
		each = 1
		samples, err = openOnce(log)
	case readGet:
		each = 1
		before, samples, err = getSome(log)
	default:
		err = fmt.Errorf("nobody can %q", *flagRead)
	}
	if err != nil {
		return err
	}
	after, err := used()
	if err != nil {
		return err
	}
	var sum time.Duration
	for _, s := range samples {
		sum += s
	}
	slices.Sort(samples)
	n := each * len(samples)
	return json.NewEncoder(os.Stdout).Encode(measurement{
		Records: n, Rate: float64(n) / sum.Seconds(),
		P50: samples[len(samples)/2], P99: samples[len(samples)*99/100],
		CPU: (after.cpu - before.cpu) / time.Duration(n), RSS: after.rss,
	})
}

// scanOnce opens and reads everything. A process does so once, as some do not let go of
// their files when they are closed.
func scanOnce(open func() (reader, error)) ([]time.Duration, error) {
	begin := time.Now()
	r, err := open()
	if err != nil {
		return nil, err
	}
	records, size := 0, 0
	err = r.scan(func(key, value []byte) {
		records++
		size += len(value)
	})
	took := time.Since(begin)
	if err = errors.Join(err, r.close()); err == nil && (records != *flagRecords || size != *flagRecords**flagValue) {
		err = fmt.Errorf("%d records with %d bytes of values were read, want %d", records, size, *flagRecords)
	}
	return []time.Duration{took}, err
}

// openOnce opens and gets one record.
func openOnce(open func() (reader, error)) ([]time.Duration, error) {
	i := *flagRecords / 2
	key := keyOf(nil, i)
	begin := time.Now()
	r, err := open()
	if err != nil {
		return nil, err
	}
	err = getOne(r, i, key)
	took := time.Since(begin)
	return []time.Duration{took}, errors.Join(err, r.close())
}

// getSome gets records in random order. What is measured begins when a quarter of them
// has been asked for, or some time has gone by: who reads its index piece by piece is
// done with it then.
func getSome(open func() (reader, error)) (before usage, samples []time.Duration, err error) {
	r, err := open()
	if err != nil {
		return before, nil, err
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(*flagRecords)
	var key []byte
	begin, measured := time.Now(), false
	for k := 0; !measured || len(samples) == 0 || time.Since(begin) < *flagTime; k++ {
		if !measured && (k >= len(order)/4 || time.Since(begin) > 3**flagTime) {
			measured = true
			if before, err = used(); err != nil {
				return before, nil, err
			}
			begin = time.Now()
		}
		i := order[k%len(order)]
		key = keyOf(key, i)
		at := time.Now()
		if err := getOne(r, i, key); err != nil {
			return before, nil, errors.Join(err, r.close())
		}
		if measured {
			samples = append(samples, time.Since(at))
		}
	}
	return before, samples, r.close()
}

func getOne(r reader, i int, key []byte) error {
	v, err := r.get(i, key)
	if err == nil && len(v) < *flagValue {
		err = fmt.Errorf("record %d has %d bytes", i, len(v))
	}
	return err
}

// readPolicy is whether checksums are verified by a contestant that can do w, or why it
// cannot.
func (w workload) readPolicy(c *contestant) (checks, whyNot string) {
	switch {
	case c.reads == nil:
		return "", "has no records"
	case w.read != readScan && c.noGet != "":
		return "", c.noGet
	case c.checks:
		return "verified", ""
	}
	return "not verified", ""
}

func valueOf(size int) []byte { return []byte(strings.Repeat("v", size)) }
