package doctor

import (
	"context"
	"fmt"

	"github.com/manypen/manypen/journal"
)

// clean reports whether a verification found nothing but records and what killed
// writers leave.
func clean(r *journal.Report) bool {
	return !r.Corrupt() && r.Missing() == 0 && r.Classes[journal.Hole].Count == 0 && len(r.Problems) == 0
}

// trouble says what a verification found.
func trouble(r *journal.Report) string {
	text := fmt.Sprintf("(missing %d records, damage: %s", r.Missing(), describe(r.Damage))
	for _, p := range r.Problems {
		text += fmt.Sprintf(", %v", p)
	}
	return text + ")"
}

// check reads a journal that has the records of one writer from the first on.
func check(ctx context.Context, dir, name string, least, most int) copied {
	c := copied{least: least, most: most}
	j, err := journal.Open(dir, journal.Options{ReadOnly: true})
	if err != nil {
		c.trouble = err.Error()
		return c
	}
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			c.trouble = err.Error()
			break
		}
		size := survivorSizes[(c.got+1)%len(survivorSizes)]
		if c.strange > 0 || string(r.Key) != keyOf(name, c.got+1, size) || !genuine(string(r.Key), r.Value) {
			c.strange++
			continue
		}
		c.got++
	}
	if err := j.Close(); err != nil {
		c.trouble = err.Error()
	}
	report, err := journal.Verify(ctx, dir, journal.VerifyOptions{})
	switch {
	case err != nil:
		c.trouble = err.Error()
	case !clean(&report):
		c.trouble = trouble(&report)
	}
	return c
}
