package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/manypen/manypen/journal"
)

// audit holds the journal against the acknowledgements and the files.
type audit struct {
	cfg   config
	files []string
	acks  map[identity]ack
	dead  map[uint64]bool

	report journal.Report
	seen   *sequence

	lost       int // acknowledged, and not there as it was acknowledged
	duplicated int // records whose writer and sequence were there before, and files acknowledged twice
	spare      int // whole records that killed writers could not acknowledge any more
	mismatched int // followers that saw another sequence
	problems   []string
}

func newAudit(cfg config, files []string, acks []ack, dead map[uint64]bool) *audit {
	a := &audit{cfg: cfg, files: files, acks: make(map[identity]ack), dead: dead, seen: newSequence()}
	byKey := make(map[string]bool)
	for _, k := range acks {
		if _, twice := a.acks[k.identity]; twice || byKey[k.key] {
			a.duplicated++
			a.problem("%s, record %d of writer %016x, was acknowledged twice", k.key, k.seq, k.writer)
		}
		a.acks[k.identity] = k
		byKey[k.key] = true
	}
	return a
}

func (a *audit) problem(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

func (a *audit) run() (err error) {
	a.report, err = journal.Verify(context.Background(), a.cfg.dir, journal.VerifyOptions{})
	if err != nil {
		return err
	}
	if a.report.Corrupt() || a.report.Missing() > 0 {
		a.problem("verify: corrupt %v, missing %d: %v", a.report.Corrupt(), a.report.Missing(), a.report.Problems)
	}
	j, err := journal.Open(a.cfg.dir, journal.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if err := a.records(j); err != nil {
		return err
	}
	return a.values(j)
}

// records goes through the journal once: every acknowledged record must be
// there exactly once, at its position, with its key and its bytes, and the
// records of each writer in their order.
func (a *audit) records(j *journal.Journal) error {
	last := make(map[uint64]uint64)    // sequence, by writer
	spares := make(map[uint64]int)     // by writer
	found := make(map[identity]uint64) // how often
	var end journal.Position
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			return err
		}
		a.seen.add(r)
		if !end.IsZero() && r.Position.Before(end) {
			a.problem("the record at %v begins before the end of the one in front of it, %v", r.Position, end)
		}
		end = r.Next
		id := identity{r.Writer, r.Seq}
		if found[id]++; found[id] > 1 {
			a.duplicated++
			a.problem("record %d of writer %016x is at %v too", r.Seq, r.Writer, r.Position)
			continue
		}
		if r.Seq != last[r.Writer]+1 {
			a.problem("writer %016x: record %d stands behind record %d", r.Writer, r.Seq, last[r.Writer])
		}
		last[r.Writer] = r.Seq
		k, acknowledged := a.acks[id]
		if !acknowledged {
			// A writer that was killed between its append and its acknowledgement
			// leaves one such record, its last.
			if spares[r.Writer]++; spares[r.Writer] > 1 || !a.dead[r.Writer] {
				a.problem("nobody acknowledged the record at %v, of writer %016x", r.Position, r.Writer)
			}
			a.spare++
		}
		value, err := readFile(a.cfg.src, string(r.Key))
		if err != nil {
			return err
		}
		same := bytes.Equal(value, r.Value)
		switch {
		case !same:
			a.problem("%s at %v has other bytes than its file", r.Key, r.Position)
		case acknowledged && (k.at != r.Position || k.key != string(r.Key)):
			a.problem("%s at %v was acknowledged as %s at %v", r.Key, r.Position, k.key, k.at)
		case acknowledged:
			continue
		}
		if acknowledged {
			a.lost++
		}
	}
	for id, k := range a.acks {
		if found[id] == 0 {
			a.lost++
			a.problem("%s was acknowledged at %v and is not there", k.key, k.at)
		}
	}
	return nil
}

// values looks every file up by its name.
func (a *audit) values(j *journal.Journal) error {
	for _, key := range a.files {
		want, err := readFile(a.cfg.src, key)
		if err != nil {
			return err
		}
		got, err := j.Get([]byte(key))
		if err != nil {
			a.problem("get %s: %v", key, err)
		} else if !bytes.Equal(got.Value, want) {
			a.problem("get %s: %d bytes that are not the file's %d", key, len(got.Value), len(want))
		}
	}
	return nil
}

// compareFollowers asks the followers whether they have seen what Records says.
func (a *audit) compareFollowers(f *followers) {
	for i, saw := range f.saw(a.seen.n) {
		if strings.TrimSpace(saw) != a.seen.String() {
			a.mismatched++
			a.problem("follower %d saw %q instead of %q", i+1, strings.TrimSpace(saw), a.seen)
		}
	}
}

// verdict is nil if nothing is wrong.
func (a *audit) verdict() error {
	if len(a.problems) == 0 && a.lost == 0 && a.duplicated == 0 {
		return nil
	}
	const most = 20
	shown := a.problems[:min(most, len(a.problems))]
	return fmt.Errorf("%d problems:\n  %s", len(a.problems), strings.Join(shown, "\n  "))
}
