package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"strconv"

	"github.com/manypen/manypen/journal"
)

// What a service process says, one line each.
const (
	lineStarted  = "started"  // started POSITION ENTRIES: the snapshot, and how much was replayed
	lineDecided  = "decided"  // decided NUMBER "OUTCOME"; "" is accepted
	lineFinished = "finished" // finished REFUSED: all commands are sent; some were not good enough
	lineState    = "state"    // state DIGEST
)

// work is a service process: it sends the commands of its client until it has
// sent them all, those of a predecessor included. Then it reads a position from in,
// says which state it has there, and ends.
func work(cfg config, client string, in io.Reader, out io.Writer) (err error) {
	s, err := openService(cfg, client)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if _, err := fmt.Fprintf(out, "%s %v %d\n", lineStarted, s.begun, s.replayed); err != nil {
		return err
	}
	name := fnv.New64a()
	_, _ = io.WriteString(name, client) // never fails
	rng := rand.New(rand.NewPCG(cfg.seed, name.Sum64()+uint64(s.last())))
	refused := 0
	for s.last() < cfg.commands {
		a, err := s.do(randomCommand(rng, cfg.accounts))
		if err != nil {
			return err
		}
		if !a.Sent {
			refused++
			continue
		}
		outcome := ""
		if a.Outcome != nil {
			outcome = a.Outcome.Error()
		}
		if _, err := fmt.Fprintf(out, "%s %d %q\n", lineDecided, a.Number, outcome); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "%s %d\n", lineFinished, refused); err != nil {
		return err
	}
	var text string
	if _, err := fmt.Fscan(in, &text); err != nil {
		return fmt.Errorf("wait for the end: %w", err)
	}
	end, err := journal.ParsePosition(text)
	if err != nil {
		return err
	}
	digest, err := s.stateAt(end)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s %s\n", lineState, digest)
	return err
}

// randomCommand makes up a command: many transfers among few accounts, and more
// money out than in if all went well, so that there is often too little.
func randomCommand(rng *rand.Rand, accounts int) command {
	c := command{From: strconv.Itoa(rng.IntN(accounts)), Amount: int64(1 + rng.IntN(100))}
	switch n := rng.IntN(10); {
	case n < 1:
		c.Kind = kindOpen
	case n < 3:
		c.Kind = kindDeposit
	case n < 5:
		c.Kind, c.Amount = kindWithdraw, 2*c.Amount
	default:
		c.Kind, c.To = kindTransfer, strconv.Itoa(rng.IntN(accounts))
	}
	return c
}
