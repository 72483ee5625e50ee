package journal

import "github.com/manypen/manypen/internal/writer"

// Stats counts what a handle has done since it was opened. Syncs divided by
// Records is what a durable record costs: far below one where many append at the
// same time, be it in one process or in several.
type Stats = writer.Stats

// Stats returns the counters of this handle; they are zero if it is read-only.
// It can be called at any time, and after Close.
func (j *Journal) Stats() Stats {
	if j.w == nil {
		return Stats{}
	}
	return j.w.Stats()
}
