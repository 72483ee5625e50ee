package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/manypen/manypen/journal"
)

// oracle replays the journal from zero. It shares no code with the services: what
// it is compared with are their states and their answers.
type oracle struct {
	cfg      config
	state    *state // only the form, for the comparison
	outcomes map[told]bool
	paid     int64 // in, and not out
	end      journal.Position
	records  int

	report   journal.Report
	differ   int
	replicas int
	problems []string
}

func (o *oracle) problem(format string, args ...any) {
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
}

func replay(cfg config) (o *oracle, err error) {
	o = &oracle{cfg: cfg, state: newState(), outcomes: make(map[told]bool)}
	j, err := journal.Open(cfg.journal(), journal.Options{ReadOnly: true, Strict: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	var legs []journal.Record
	for r, err := range j.Records(journal.Position{}) {
		if err != nil {
			return nil, err
		}
		o.end = r.Next
		o.records++
		if r.Position.Index == 0 {
			legs = legs[:0]
		}
		legs = append(legs, r)
		// A single record's next one has no index; nor has that behind a batch.
		if r.Next.Index == 0 {
			if err := o.request(legs); err != nil {
				return nil, fmt.Errorf("at %v: %w", legs[0].Position, err)
			}
		}
	}
	return o, nil
}

// request decides one request, of one record or of two.
func (o *oracle) request(legs []journal.Record) error {
	money := make([]int64, len(legs)) // what each leg does to its account
	var who told
	opens := false
	for i, r := range legs {
		var v struct {
			Client, Kind string
			Number       int
			Amount       int64
		}
		if err := json.Unmarshal(r.Value, &v); err != nil {
			return err
		}
		k := told{v.Client, v.Number}
		if i > 0 && k != who {
			return fmt.Errorf("halves of %v and %v", who, k)
		}
		who = k
		money[i] = v.Amount
		if v.Kind == "withdraw" || v.Kind == "debit" {
			money[i] = -v.Amount
		}
		opens = opens || v.Kind == "open"
	}
	good := o.state.Last[who.client] < who.number
	for i, r := range legs {
		balance, exists := o.state.Balances[string(r.Key[len("account/"):])]
		if exists == opens || balance+money[i] < 0 {
			good = false
		}
	}
	if len(legs) == 2 && (string(legs[0].Key) == string(legs[1].Key) || money[0]+money[1] != 0) {
		good = false
	}
	if _, decided := o.outcomes[who]; !decided {
		o.outcomes[who] = good
	}
	o.state.Last[who.client] = max(who.number, o.state.Last[who.client])
	if !good {
		o.state.Rejected++
		return nil
	}
	o.state.Accepted++
	for i, r := range legs {
		o.state.Balances[string(r.Key[len("account/"):])] += money[i]
		o.paid += money[i] // a transfer adds nothing
	}
	return nil
}

// compareAnswers: what a client was told is what the journal says, and nothing
// was decided that no client was told, but for the last command of the killed.
func (o *oracle) compareAnswers(c *crew) {
	for k, outcome := range c.answers {
		if good, there := o.outcomes[k]; !there || good != (outcome == "") {
			o.problem("%s was told %q of command %d; in the journal: %v, accepted: %v", k.client, outcome, k.number, there, good)
		}
	}
	untold := make(map[string]int)
	for k := range o.outcomes {
		if _, is := c.answers[k]; is {
			continue
		}
		if untold[k.client]++; untold[k.client] > 1 || !c.killed[k.client] {
			o.problem("%s was told nothing of command %d", k.client, k.number)
		}
	}
	if want := o.cfg.services * o.cfg.commands; len(o.outcomes) != want {
		o.problem("there are %d commands instead of %d", len(o.outcomes), want)
	}
}

// compareStates: all replicas have the state of the replay from zero.
func (o *oracle) compareStates(states map[string]string) {
	o.replicas = len(states)
	want, err := o.state.digest()
	if err != nil {
		o.problem("%v", err)
	}
	for client, digest := range states {
		if digest != want {
			o.differ++
			o.problem("%s has the state %s; the replay has %s", client, digest, want)
		}
	}
	if o.replicas != o.cfg.services {
		o.problem("%d replicas told their state instead of %d", o.replicas, o.cfg.services)
	}
}

func (o *oracle) verify() (err error) {
	o.report, err = journal.Verify(context.Background(), o.cfg.journal(), journal.VerifyOptions{})
	if err == nil && (o.report.Corrupt() || o.report.Missing() > 0) {
		o.problem("verify: corrupt %v, missing %d: %v", o.report.Corrupt(), o.report.Missing(), o.report.Problems)
	}
	if err == nil && o.report.Records != uint64(o.records) {
		o.problem("verify counts %d records; the replay has read %d", o.report.Records, o.records)
	}
	return err
}

// inAccounts is the sum of all balances.
func (o *oracle) inAccounts() (sum int64) {
	for _, b := range o.state.Balances {
		sum += b
	}
	return sum
}

func (o *oracle) print(out io.Writer, c *crew) error {
	w := tabwriter.NewWriter(out, 0, 0, 4, ' ', 0)
	row := func(name string, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("services", "%d at a time, %d in all", o.cfg.services, c.started)
	row("commands", "%d decided, %d accepted", len(o.outcomes), o.state.Accepted)
	row("rejected in order", "%d, though they were good in the state that their sender saw", o.state.Rejected)
	row("not sent", "%d, as they would have been rejected", c.refused)
	row("kills", "%d", len(c.killed))
	for _, text := range c.again {
		at, entries, _ := strings.Cut(text, " ")
		row("started again", "from the snapshot at %s, %s entries replayed", at, entries)
	}
	row("replicas", "%d, of which %d differ from the replay from zero", o.replicas, o.differ)
	row("money", "paid in and not out %d, in accounts %d", o.paid, o.inAccounts())
	row("verify", "%d records, %d missing", o.report.Records, o.report.Missing())
	return w.Flush()
}

// verdict is nil if nothing is wrong.
func (o *oracle) verdict() error {
	if sum := o.inAccounts(); sum != o.paid {
		o.problem("accounts hold %d; %d was paid in and not out", sum, o.paid)
	}
	for account, b := range o.state.Balances {
		if b < 0 {
			o.problem("account %s holds %d", account, b)
		}
	}
	if len(o.problems) == 0 {
		return nil
	}
	const most = 20
	shown := o.problems[:min(most, len(o.problems))]
	return fmt.Errorf("%d problems:\n  %s", len(o.problems), strings.Join(shown, "\n  "))
}
