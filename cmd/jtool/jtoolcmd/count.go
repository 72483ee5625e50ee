package jtoolcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/journal"
)

func (t *tool) countCmd() *cobra.Command {
	var s selection
	var scan, exitStatus bool
	cmd := &cobra.Command{
		Use:   "count DIR",
		Short: "Count records without printing them",
		Long: `count prints how many records are selected. What the sidecar of a full segment
says is not read again, unless keys, values or writers are asked for, or --scan is
given; damage that came since then does not show. What is read is checked, and the
exit code is 3 if some of it cannot be read.
` + selectHelp,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.parse(cmd.Flags()); err != nil {
				return err
			}
			r := t.newReading(args[0], nil)
			j, err := r.open()
			if err != nil {
				return err
			}
			c := counting{reading: r, s: &s, scan: scan}
			if !s.empty() {
				err = c.run(cmd.Context(), j)
			}
			return errors.Join(c.end(err, exitStatus), j.Close())
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().BoolVar(&exitStatus, "exit-status", false, "exit with 6 if the count is 0")
	cmd.Flags().BoolVar(&scan, "scan", false, "read everything, whatever sidecars say")
	return cmd
}

// counting counts what is selected.
type counting struct {
	*reading
	s                *selection
	scan             bool
	records, deletes uint64
	known            int // segments that were not read
}

func (c *counting) run(ctx context.Context, j *journal.Journal) error {
	// Between those that are known lie stretches that are read in one go, so that a
	// segment that is missing is noticed.
	rest := *c.s
	for _, at := range c.stretches(j) {
		rest.fromPos, rest.toPos = at.from, at.to
		rest.from, rest.to = c.s.from, c.s.to
		if !at.to.IsZero() {
			rest.to = at.to.String()
		}
		err := c.selected(ctx, j, &rest, false, func(rec *journal.Record) (bool, error) {
			c.records++
			if rec.Kind == journal.KindDelete {
				c.deletes++
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stretch is a part of the journal that has to be read; a zero position is no bound.
type stretch struct{ from, to journal.Position }

// stretches adds up what is known and returns what is not.
func (c *counting) stretches(j *journal.Journal) []stretch {
	whole := []stretch{{c.s.fromPos, c.s.toPos}}
	if c.scan || !c.s.anyRecord() {
		return whole
	}
	segments, err := j.Segments()
	for i := range segments {
		if segments[i].Number != segments[0].Number+uint64(i) {
			err = journal.ErrMissing
		}
	}
	if err != nil {
		return whole // reading tells what is wrong, and where
	}
	var parts []stretch
	from, open := c.s.fromPos, true
	for _, s := range segments {
		first, behind := journal.FirstPosition(s.Number), journal.FirstPosition(s.Number+1)
		inside := !first.Before(c.s.fromPos) && (c.s.to == "" || !c.s.toPos.Before(behind))
		take, known := c.judge(&s)
		if !inside || !known {
			if !open {
				from, open = first, true
			}
			continue
		}
		if take {
			c.records += s.Content.Records
			c.deletes += s.Content.Deletes
		}
		c.known++
		if open && from.Before(first) {
			parts = append(parts, stretch{from, first})
		}
		open = false
	}
	if open {
		parts = append(parts, stretch{from, c.s.toPos})
	}
	return parts
}

// judge says whether all records of a segment are selected, or none, if the times
// in its sidecar tell that.
func (c *counting) judge(s *journal.SegmentInfo) (take, known bool) {
	if s.Content == nil || !s.Sealed {
		return false, false
	}
	since, until := c.s.sinceAt, c.s.untilAt
	oldest, newest := s.Content.Oldest, s.Content.Newest
	switch {
	case !since.IsZero() && newest.Before(since), !until.IsZero() && !oldest.Before(until):
		return false, true
	case !since.IsZero() && oldest.Before(since), !until.IsZero() && !newest.Before(until):
		return false, false
	}
	return true, true
}

type jsonCount struct {
	V       int    `json:"v"`
	Type    string `json:"type"`
	What    string `json:"what"`
	Records string `json:"records"`
	Deletes string `json:"deletes"`
	Known   string `json:"segments_known"` // from their sidecars
}

func (c *counting) end(err error, exitStatus bool) error {
	if err != nil {
		return errors.Join(err, c.out.Flush())
	}
	line := fmt.Appendf(nil, "%d\n", c.records)
	if c.t.json {
		line = appendLine(nil, jsonCount{1, "summary", "count", u(c.records), u(c.deletes), i(int64(c.known))})
	}
	c.out.Write(line) // an error stays with the writer
	c.reading.count = int(min(c.records, 1))
	return c.reading.end(nil, exitStatus)
}
