package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/manypen/manypen/journal"
)

// patience is how long the monitor may take to come to the end of a journal that
// nobody writes any more. It is for the case that something is wrong.
const patience = time.Minute

// monitor follows the access log while it is written, read-only.
type monitor struct {
	journal *journal.Journal
	cancel  context.CancelFunc
	done    chan struct{} // closed when the loop has ended

	mu      sync.Mutex
	records int
	workers map[string]int // records, by key
	target  int            // -1 if nobody waits
	err     error
}

func startMonitor(cfg config) (*monitor, error) {
	j, err := journal.Open(cfg.dir, journal.Options{ReadOnly: true, NoIndex: true})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &monitor{journal: j, cancel: cancel, done: make(chan struct{}), workers: make(map[string]int), target: -1}
	go m.follow(ctx)
	return m, nil
}

func (m *monitor) follow(ctx context.Context) {
	defer close(m.done)
	for r, err := range m.journal.Follow(ctx, journal.Position{}) {
		m.mu.Lock()
		if err != nil {
			m.err = err
			m.mu.Unlock()
			return
		}
		m.records++
		m.workers[string(r.Key)]++
		enough := m.target >= 0 && m.records >= m.target
		m.mu.Unlock()
		if enough {
			return
		}
	}
}

// waitFor returns what the monitor has counted, by worker, when it has seen n
// records, or after some time without.
func (m *monitor) waitFor(n int) map[string]int {
	m.mu.Lock()
	m.target = n
	if m.records >= n {
		m.cancel()
	}
	m.mu.Unlock()
	timer := time.AfterFunc(patience, m.cancel)
	defer timer.Stop()
	<-m.done
	return m.workers
}

// stop ends the monitor and returns its error, if it had one.
func (m *monitor) stop() error {
	m.cancel()
	<-m.done
	return errors.Join(m.err, m.journal.Close())
}
