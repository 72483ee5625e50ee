package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/manypen/manypen/journal"
)

// service is one replica of the bank and the commands of one client.
type service struct {
	cfg     config
	client  string
	journal *journal.Journal
	cancel  context.CancelFunc
	done    chan struct{} // closed when the replica does not follow any more

	begun    journal.Position // where the snapshot ended
	replayed int              // entries at the start

	mu    sync.Mutex // protects what follows
	state *state
	next  journal.Position // what was not read yet begins there; never inside a batch
	moved sync.Cond        // next is another, or err is not nil
	// While a command is being carried out (do), outcomes are those of the client's
	// commands by where they begin. The number would not do: who was killed may
	// have left a command with the same one.
	inFlight bool
	outcomes map[journal.Position]error
	err      error
}

// openService loads the newest snapshot, replays the rest of the journal, and
// follows it from there.
func openService(cfg config, client string) (*service, error) {
	s := &service{cfg: cfg, client: client, done: make(chan struct{}), outcomes: make(map[journal.Position]error)}
	s.moved.L = &s.mu
	var err error
	if s.journal, err = journal.Open(cfg.journal(), cfg.options()); err != nil {
		return nil, err
	}
	if err := s.replay(); err != nil {
		return nil, errors.Join(err, s.journal.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go s.follow(ctx)
	return s, nil
}

// replay loads the newest snapshot and reads on from there to the end.
func (s *service) replay() error {
	from, err := loadSnapshot(s.cfg.snapshot(), s.journal)
	if err != nil {
		return err
	}
	s.state, s.next, s.begun = from.State, from.Next, from.Next
	var d decoder
	for r, err := range s.journal.Records(s.next) {
		if err == nil {
			_, err = s.take(&d, r)
		}
		if err != nil {
			return err
		}
		s.replayed++
	}
	return nil
}

// take takes the next record into the state, and reports whether it has completed
// a command.
func (s *service) take(d *decoder, r journal.Record) (complete bool, err error) {
	c, complete, err := d.add(r)
	if err != nil || !complete {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	outcome := s.state.decide(c)
	if s.inFlight && c.Client == s.client {
		s.outcomes[d.begun] = outcome
	}
	s.next = r.Next
	s.moved.Broadcast()
	return true, nil
}

// follow keeps the replica up with the journal.
func (s *service) follow(ctx context.Context) {
	defer close(s.done)
	var d decoder
	decided := 0
	for r, err := range s.journal.Follow(ctx, s.next) {
		complete := false
		if err == nil {
			complete, err = s.take(&d, r)
		}
		if complete {
			if decided++; decided%s.cfg.every == 0 {
				err = s.save()
			}
		}
		if err != nil {
			s.mu.Lock()
			s.err = err
			s.moved.Broadcast()
			s.mu.Unlock()
			return
		}
	}
}

// save saves a snapshot.
func (s *service) save() error {
	s.mu.Lock()
	now := *s.state
	now.Balances, now.Last = maps.Clone(now.Balances), maps.Clone(now.Last)
	next := s.next
	s.mu.Unlock()
	return saveSnapshot(s.cfg.snapshot(), s.journal, snapshot{Next: next, State: &now})
}

// answer is what became of a command.
type answer struct {
	Sent    bool
	Number  int
	At      journal.Position
	Outcome error // nil if the command is accepted
}

// do carries out a command of this service's client, one at a time. Without an
// error the answer is final: the command is on disk and decided. With an error it
// may be either, and who wants to know looks at the state later: at Last.
func (s *service) do(c command) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return answer{}, s.err
	}
	c.Client, c.Number = s.client, s.state.Last[s.client]+1
	if err := s.state.check(c); err != nil {
		return answer{Outcome: err}, nil
	}
	s.inFlight = true
	s.mu.Unlock()
	at, err := appendCommand(s.journal, c)
	s.mu.Lock()
	defer func() { s.inFlight = false; clear(s.outcomes) }()
	if err != nil {
		return answer{}, err
	}
	for {
		if outcome, decided := s.outcomes[at]; decided {
			return answer{Sent: true, Number: c.Number, At: at, Outcome: outcome}, nil
		}
		if s.err != nil {
			return answer{}, fmt.Errorf("command %d is appended and not decided: %w", c.Number, s.err)
		}
		s.moved.Wait()
	}
}

// last is the number of the last command of the client.
func (s *service) last() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Last[s.client]
}

// stateAt waits until the replica has come to a position, and returns a digest of
// its state.
func (s *service) stateAt(p journal.Position) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.next.Before(p) && s.err == nil {
		s.moved.Wait()
	}
	if s.err != nil {
		return "", s.err
	}
	return s.state.digest()
}

func (s *state) digest() (string, error) {
	b, err := json.Marshal(s) // which sorts the keys of maps
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), nil
}

// close ends the service and returns the error that its replica had, if any.
func (s *service) close() error {
	s.cancel()
	<-s.done
	return errors.Join(s.err, s.journal.Close())
}
