package main

import "slices"

// A contestant is a way of writing records one after the other.
type contestant struct {
	name   string
	module string // whose version is printed; "" for our own and the system calls
	// plain and durable are what an append that has returned survives, in words, under
	// the two policies: the death of the process, or the loss of power. Empty: it does
	// not offer that, and why says why.
	plain, durable, why string
	goroutines          bool // several may append through one handle
	processes           bool // several may write at a time
	batches             bool // several records can be appended together
	floor               bool // the bare system calls
	logger              bool // a handler for a logging package
	slow                bool // a batch of records is much faster than as many alone
	open                func(dir string, o options) (writer, error)
	count               func(dir string, o options) (int, error)    // what is there afterwards
	reads               func(dir string, o options) (reader, error) // nil: it cannot be read by record
	checks              bool                                        // checksums when it reads
	noGet               string                                      // why a record cannot be asked for
}

// options are what a contestant is opened for.
type options struct {
	durable bool
	value   int // bytes of each value
}

// A writer is an open log. Its appenders belong to one goroutine each.
type writer interface {
	appender() appender
	close() error
}

type appender interface {
	append(key, value []byte) error
}

// batcher is an appender that can append several records together, of the same value.
type batcher interface {
	batch(keys [][]byte, value []byte) error
}

const (
	untilExit  = "process"
	untilPower = "power"
	nothing    = "nothing (it writes later)"
)

// contestants returns the floors, ourselves and the rivals, in the order of the tables.
func contestants() []contestant {
	return slices.Concat(floors, ours, logs, stores, files)
}
