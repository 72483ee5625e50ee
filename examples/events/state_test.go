package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/manypen/manypen/internal/exampletest"
	"github.com/manypen/manypen/journal"
)

func TestDecide(t *testing.T) {
	for _, c := range []struct {
		command command
		want    error
		after   map[string]int64
	}{
		{command{Kind: kindOpen, From: "a", Amount: 7}, errExists, nil},
		{command{Kind: kindOpen, From: "c", Amount: 7}, nil, map[string]int64{"a": 10, "b": 0, "c": 7}},
		{command{Kind: kindOpen, From: "c", Amount: -1}, errInvalid, nil},
		{command{Kind: kindOpen, From: "c", Amount: 1 << 41}, errInvalid, nil},
		{command{Kind: kindOpen}, errInvalid, nil},
		{command{Kind: kindDeposit, From: "c", Amount: 7}, errNone, nil},
		{command{Kind: kindDeposit, From: "b", Amount: 7}, nil, map[string]int64{"a": 10, "b": 7}},
		{command{Kind: kindWithdraw, From: "a", Amount: 10}, nil, map[string]int64{"a": 0, "b": 0}},
		{command{Kind: kindWithdraw, From: "a", Amount: 11}, errFunds, nil},
		{command{Kind: kindTransfer, From: "a", To: "b", Amount: 4}, nil, map[string]int64{"a": 6, "b": 4}},
		{command{Kind: kindTransfer, From: "b", To: "a", Amount: 1}, errFunds, nil},
		{command{Kind: kindTransfer, From: "a", To: "a", Amount: 1}, errInvalid, nil},
		{command{Kind: kindTransfer, From: "a", To: "c", Amount: 1}, errNone, nil},
		{command{Kind: kindTransfer, From: "c", To: "a", Amount: 1}, errNone, nil},
		{command{Kind: "steal", From: "a", Amount: 1}, errInvalid, nil},
		{command{Kind: kindDeposit, From: "a", Number: 2}, errRepeated, nil},
	} {
		before := map[string]int64{"a": 10, "b": 0}
		s := &state{Balances: before, Last: map[string]int{"x": 2}}
		c.command.Client = "x"
		if c.command.Number == 0 {
			c.command.Number = 3
		}
		if c.after == nil {
			c.after = map[string]int64{"a": 10, "b": 0}
		}
		if got := s.decide(c.command); got != c.want {
			t.Errorf("%+v: %v, want %v", c.command, got, c.want)
		}
		if diff := cmp.Diff(c.after, s.Balances); diff != "" {
			t.Errorf("%+v: balances: %s", c.command, diff)
		}
		if s.Last["x"] != c.command.Number || s.Accepted+s.Rejected != 1 {
			t.Errorf("%+v: %+v", c.command, s)
		}
	}
}

// TestReplicas: whatever is appended, in whatever order, wrong and repeated
// commands included, a replica that began at the beginning, one that began with a
// snapshot somewhere in the middle, and the oracle come to the same state.
func TestReplicas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		cfg := config{dir: dir, every: rapid.IntRange(1, 5).Draw(rt, "every")}
		j, err := journal.Open(cfg.journal(), journal.Options{Sync: journal.SyncNone, SegmentSize: 12 << 10})
		if err != nil {
			rt.Fatal(err)
		}
		kinds := []string{kindOpen, kindDeposit, kindWithdraw, kindTransfer}
		account := rapid.SampledFrom([]string{"1", "2", "3"})
		commands := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) command {
			c := command{
				Client: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "client"), Number: rapid.IntRange(1, 20).Draw(rt, "number"),
				Kind: rapid.SampledFrom(kinds).Draw(rt, "kind"), From: account.Draw(rt, "from"), Amount: int64(rapid.IntRange(0, 20).Draw(rt, "amount")),
			}
			if c.Kind == kindTransfer {
				c.To = account.Draw(rt, "to")
			}
			return c
		}), 1, 40).Draw(rt, "commands")
		snapshotAt := rapid.IntRange(0, len(commands)-1).Draw(rt, "snapshot at")
		var first *service
		for i, c := range commands {
			if _, err := appendCommand(j, c); err != nil {
				rt.Fatal(err)
			}
			if i == snapshotAt {
				if first, err = replica(cfg, j); err == nil {
					err = first.save()
				}
				if err != nil {
					rt.Fatal(err)
				}
			}
		}
		second, err := replica(cfg, j)
		if err != nil {
			rt.Fatal(err)
		}
		if second.begun != first.next {
			rt.Errorf("the replica began at %v; the snapshot ends at %v", second.begun, first.next)
		}
		if err := j.Close(); err != nil {
			rt.Fatal(err)
		}
		o, err := replay(cfg)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(o.state, second.state); diff != "" {
			rt.Errorf("oracle and replica differ: %s", diff)
		}
		if o.inAccounts() != o.paid {
			rt.Errorf("accounts hold %d of %d", o.inAccounts(), o.paid)
		}
		exampletest.Verify(t, cfg.journal())
	})
}

// replica is a service that does not follow: its state is that of the replay.
func replica(cfg config, j *journal.Journal) (*service, error) {
	s := &service{cfg: cfg, journal: j}
	return s, s.replay()
}

// TestSnapshot: a snapshot that is no good stops a service; it is never replaced
// by an empty state in silence.
func TestSnapshot(t *testing.T) {
	cfg := config{dir: t.TempDir(), every: 1}
	s := open(t, cfg, "a")
	if a, err := s.do(command{Kind: kindOpen, From: "1", Amount: 5}); err != nil || a.Outcome != nil {
		t.Fatal(a, err)
	}
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	closeService(t, s)
	left, err := filepath.Glob(filepath.Join(cfg.dir, ".snapshot-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	whole, err := os.ReadFile(cfg.snapshot())
	if err != nil {
		t.Fatal(err)
	}
	again := open(t, cfg, "a")
	if again.replayed != 0 || again.begun.IsZero() || again.last() != 1 {
		t.Errorf("replayed %d from %v, last %d", again.replayed, again.begun, again.last())
	}
	closeService(t, again)
	for _, c := range []struct{ text, want string }{
		{string(whole[:len(whole)/2]), "unexpected end"},
		{strings.Replace(string(whole), `"journal":"`, `"journal":"00`, 1), "is of journal 00"},
	} {
		if err := os.WriteFile(cfg.snapshot(), []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if s, err := openService(cfg, "a"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("opened with the snapshot %q: %v, want an error with %q", c.text, err, c.want)
			if err == nil {
				closeService(t, s)
			}
		}
	}
	exampletest.Verify(t, cfg.journal())
}

// TestDecoder: what is no command of this program stops a replica.
func TestDecoder(t *testing.T) {
	record := func(key, value string) journal.Record {
		return journal.Record{Key: []byte(key), Value: []byte(value)}
	}
	debit := record("account/1", `{"client":"a","number":1,"kind":"debit","amount":5}`)
	for _, c := range []struct {
		name    string
		records []journal.Record
	}{
		{"no JSON", []journal.Record{record("account/1", "x")}},
		{"no account", []journal.Record{record("1", `{"kind":"open"}`)}},
		{"a credit alone", []journal.Record{record("account/1", `{"kind":"credit"}`)}},
		{"a debit twice", []journal.Record{debit, debit}},
		{"a debit alone", []journal.Record{debit, record("account/1", `{"kind":"open"}`)}},
		{"another's credit", []journal.Record{debit, record("account/2", `{"client":"b","number":1,"kind":"credit","amount":5}`)}},
		{"another amount", []journal.Record{debit, record("account/2", `{"client":"a","number":1,"kind":"credit","amount":6}`)}},
	} {
		var d decoder
		var err error
		for i, r := range c.records {
			if err != nil {
				t.Errorf("%s: record %d: %v", c.name, i-1, err)
			}
			_, _, err = d.add(r)
		}
		if err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

// A service whose journal is closed under it tells so instead of waiting.
func TestReplicaFails(t *testing.T) {
	cfg := config{dir: t.TempDir(), every: 1000}
	s := open(t, cfg, "a")
	if _, err := s.journal.Append([]byte("nonsense"), nil); err != nil {
		t.Fatal(err)
	}
	<-s.done
	if _, err := s.do(randomCommand(rand.New(rand.NewPCG(1, 1)), 3)); err == nil {
		t.Error("a command was decided by a replica that has failed")
	}
	if _, err := s.stateAt(journal.Position{Segment: 99}); err == nil {
		t.Error("a replica that has failed told its state")
	}
	if err := s.close(); err == nil || errors.Is(err, journal.ErrClosed) {
		t.Errorf("close: %v, want what was wrong", err)
	}
	exampletest.Verify(t, cfg.journal())
}
