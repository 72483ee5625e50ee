package journal

import (
	"encoding/json"

	"github.com/manypen/manypen/internal/writer"
)

// Stats counts what a handle has done since it was opened, and tells what it has in
// memory. Syncs divided by Records is what a durable record costs: far below one
// where many append at the same time, be it in one process or in several.
type Stats struct {
	writer.Stats
	// Followers is the number of Follow loops that run.
	Followers int
	// IndexKeys is the number of keys in the index, deleted ones that are not
	// forgotten yet included, and IndexBytes what most of it takes in memory; both
	// are 0 before the first look-up.
	IndexKeys, IndexBytes int
}

// Stats returns the counters of this handle; those of a writer are zero if it is
// read-only. It can be called at any time, and after Close. It makes no system call,
// and waits for an append that is under way.
func (j *Journal) Stats() (s Stats) {
	if j.w != nil {
		s.Stats = j.w.Stats()
	}
	j.news.mu.Lock()
	s.Followers = j.news.followers
	j.news.mu.Unlock()
	s.IndexKeys, s.IndexBytes = j.keys.size()
	return s
}

// Var is the Stats of a journal as JSON: an expvar.Var. (Package expvar is not
// imported here, for it would bring net/http along.)
type Var struct{ j *Journal }

// Var returns the Stats as a variable to publish: expvar.Publish("orders", j.Var()).
// It may be kept and asked after Close.
func (j *Journal) Var() Var { return Var{j} }

// String is the Stats as a JSON object.
func (v Var) String() string {
	b, err := json.Marshal(v.j.Stats())
	if err != nil {
		return "{}" // numbers only: it does not happen
	}
	return string(b)
}
