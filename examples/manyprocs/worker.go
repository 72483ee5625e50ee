package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/manypen/manypen/journal"
)

// What a worker says, one line each. Every line is one write of less than a
// pipe takes at once, so a killed worker leaves a whole line or none.
const (
	lineWriter = "writer" // writer ID
	lineBegin  = "begin"  // begin "KEY": a large record is about to be appended
	lineAck    = "ack"    // ack SEGMENT:OFFSET SEQ "KEY": Append has returned
)

// large is the value size from which a worker says that it begins: there the
// others aim at when they want to kill it in the middle of a record.
const large = 256 << 10

// work is a worker. It imports the files whose quoted names it reads from in,
// until that ends.
func work(cfg config, in io.Reader, out io.Writer) (err error) {
	j, err := journal.Open(cfg.dir, cfg.options())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if _, err := fmt.Fprintf(out, "%s %d\n", lineWriter, j.WriterID()); err != nil {
		return err
	}
	keys := bufio.NewScanner(in)
	for keys.Scan() {
		var key string
		if _, err := fmt.Sscanf(keys.Text(), "%q", &key); err != nil {
			return fmt.Errorf("order %q: %w", keys.Text(), err)
		}
		if err := importFile(cfg, j, key, out); err != nil {
			return err
		}
	}
	return keys.Err()
}

// importFile appends one file and acknowledges it.
func importFile(cfg config, j *journal.Journal, key string, out io.Writer) error {
	value, err := readFile(cfg.src, key)
	if err != nil {
		return err
	}
	if len(value) >= large {
		if _, err := fmt.Fprintf(out, "%s %q\n", lineBegin, key); err != nil {
			return err
		}
	}
	ack, err := j.AppendAck([]byte(key), value)
	if err != nil {
		return fmt.Errorf("append %s: %w", key, err)
	}
	_, err = fmt.Fprintf(out, "%s %v %d %q\n", lineAck, ack.Position, ack.Seq, key)
	return err
}
