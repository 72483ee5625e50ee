// Cost carries out one operation of the journal again and again, for those who count
// what it costs: its own test counts system calls and instructions, which depend on no
// clock.
//
//	cost OPERATION TIMES DIRECTORY
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/manypen/manypen/journal"
)

// operation is what is repeated, in a handle with these options.
type operation struct {
	options journal.Options
	// prepare makes the journal, which may know how often the operation comes.
	prepare func(j *journal.Journal, times int) error
	once    func(j *journal.Journal, i int) error
}

var (
	key   = make([]byte, 16)
	value = make([]byte, 100)
	large = make([]byte, 1<<10)
)

// What is done once is a function of its own, so that it can be told from what is done
// around it.
var operations = map[string]operation{
	"append":          {options: plain, once: appended},
	"append 1 KiB":    {options: plain, once: appendedLarge},
	"append, durable": {options: journal.Options{Sync: journal.SyncAlways, SegmentSize: 1 << 30}, once: appended},
	"batch":           {options: plain, once: batched},
	"get":             {options: plain, prepare: keys, once: got},
}

func appended(j *journal.Journal, _ int) error {
	_, err := j.Append(key, value)
	return err
}

func appendedLarge(j *journal.Journal, _ int) error {
	_, err := j.Append(key, large)
	return err
}

// batched appends 100 records together.
func batched(j *journal.Journal, _ int) error {
	batch.Reset()
	for range 100 {
		batch.Put(key, value)
	}
	_, err := j.AppendBatch(&batch)
	return err
}

func got(j *journal.Journal, i int) error {
	_, err := j.Get(names[i])
	return err
}

var (
	plain = journal.Options{Sync: journal.SyncNone, SegmentSize: 1 << 30}
	batch journal.Batch
	names [][]byte // of the records to get
)

// keys appends as many records as there will be gets, each with a key of its own.
func keys(j *journal.Journal, times int) error {
	for i := range times {
		names = append(names, fmt.Appendf(nil, "key %012d", i))
		if _, err := j.Append(names[i], value); err != nil {
			return err
		}
	}
	_, err := j.Get(names[0]) // loads the index
	return err
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	if len(args) != 3 {
		return errors.New("the arguments are an operation, how often, and a directory")
	}
	op, ok := operations[args[0]]
	if !ok {
		return fmt.Errorf("no operation %q", args[0])
	}
	times, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	j, err := journal.Open(args[2], op.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if op.prepare != nil {
		if err := op.prepare(j, times); err != nil {
			return err
		}
	}
	for i := range times {
		if err := op.once(j, i); err != nil {
			return err
		}
	}
	return nil
}
