package faults

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stop has a process open the journal in dir and append some records, by which it begins
// segments. It stands still in front of its n-th system call while meanwhile is called.
// at is the name of that call, "" if there were fewer. told has the places of the records
// that were acknowledged, by key, and unsure those that may be there.
func Stop(ctx context.Context, dir string, n int, meanwhile func() error) (told map[string]string, unsure []string, at string, err error) {
	if err := canTrace(); err != nil {
		return nil, nil, "", fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	s, err := scenarioOf("go on")
	if err != nil {
		return nil, nil, "", err
	}
	r := &ran{}
	if r.outcome, err = trace(ctx, plan{nth: n, pause: meanwhile}, dir, s.name, ""); err != nil {
		return nil, nil, "", err
	}
	if err := r.listen(s, prepared{}); err != nil {
		return nil, nil, "", err
	}
	told = make(map[string]string)
	for _, a := range r.book.attempts {
		switch a.state {
		case done:
			told[string(a.entries[0].key)] = a.at // of a batch the first one stands for all
		case begun, unknown:
			unsure = append(unsure, string(a.entries[0].key))
		}
		for _, e := range a.entries[1:] {
			unsure = append(unsure, string(e.key))
		}
	}
	if len(r.hits) > 0 {
		at = r.hits[0]
	}
	return told, unsure, at, nil
}

// Clock has a process open the journal in dir, append records, and sync each. Its clock
// is off by one of these durations during each append, in turn. told has the places of
// the records by key, and their keys come in the order in which they were appended.
func Clock(ctx context.Context, dir string, off []time.Duration) (told map[string]string, keys []string, err error) {
	if err := canTrace(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	s, err := scenarioOf("clock")
	if err != nil {
		return nil, nil, err
	}
	p := plan{clock: make([]time.Duration, 2)} // while it arms, and opens
	for i := range clockAppends {
		p.clock = append(p.clock, off[i%len(off)], off[i%len(off)])
	}
	r := &ran{}
	if r.outcome, err = trace(ctx, p, dir, s.name, ""); err != nil {
		return nil, nil, err
	}
	if err := r.listen(s, prepared{}); err != nil {
		return nil, nil, err
	}
	told = make(map[string]string)
	for _, a := range r.book.attempts {
		if a.state != done {
			return nil, nil, fmt.Errorf("an append with another clock: %s", r.told)
		}
		told[string(a.entries[0].key)] = a.at
		keys = append(keys, string(a.entries[0].key))
	}
	if !r.all || r.shifted == 0 {
		return nil, nil, fmt.Errorf("%d times were shifted; the process told %s%s", r.shifted, r.told, r.said)
	}
	return told, keys, nil
}
