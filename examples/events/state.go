package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/manypen/manypen/journal"
)

// The kinds of commands and of entries. A transfer is no entry of its own: it is
// a debit and the credit that follows.
const (
	kindOpen     = "open"
	kindDeposit  = "deposit"
	kindWithdraw = "withdraw"
	kindTransfer = "transfer"
	kindDebit    = "debit"
	kindCredit   = "credit"
)

// command is what a client wants. From is the account it is about; To is the
// other one of a transfer.
type command struct {
	Client string
	Number int // of this client's commands, from 1
	Kind   string
	From   string
	To     string
	Amount int64 // an opened account begins with it
}

// entry is a record of the journal. Its key is the account, so that the history
// of a key is what became of an account.
type entry struct {
	Client string `json:"client"`
	Number int    `json:"number"`
	Kind   string `json:"kind"`
	Amount int64  `json:"amount"`
}

const accountPrefix = "account/"

// appendCommand appends a command as a request, without knowing what will become
// of it.
func appendCommand(j *journal.Journal, c command) (journal.Position, error) {
	value := func(kind string) ([]byte, error) {
		return json.Marshal(entry{c.Client, c.Number, kind, c.Amount})
	}
	if c.Kind != kindTransfer {
		v, err := value(c.Kind)
		if err != nil {
			return journal.Position{}, err
		}
		return j.Append([]byte(accountPrefix+c.From), v)
	}
	debit, err := value(kindDebit)
	if err != nil {
		return journal.Position{}, err
	}
	credit, err := value(kindCredit)
	if err != nil {
		return journal.Position{}, err
	}
	var b journal.Batch
	b.Put([]byte(accountPrefix+c.From), debit)
	b.Put([]byte(accountPrefix+c.To), credit)
	return j.AppendBatch(&b)
}

// decoder makes commands of records.
type decoder struct {
	debit *command
	begun journal.Position // of the command
}

// add takes the next record, and returns a command if that completes one, which
// begins at d.begun.
func (d *decoder) add(r journal.Record) (c command, complete bool, err error) {
	account, ok := strings.CutPrefix(string(r.Key), accountPrefix)
	if !ok {
		return c, false, fmt.Errorf("record at %v has the key %q, which is no account", r.Position, r.Key)
	}
	var e entry
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return c, false, fmt.Errorf("record at %v: %w", r.Position, err)
	}
	c = command{Client: e.Client, Number: e.Number, Kind: e.Kind, From: account, Amount: e.Amount}
	// A batch is in the journal as a whole and in one place, so nothing comes
	// between its halves.
	switch half := d.debit; {
	case (half != nil) != (e.Kind == kindCredit):
		return c, false, fmt.Errorf("record at %v: a credit must follow a debit, and nothing else", r.Position)
	case e.Kind == kindDebit:
		d.debit, d.begun = &c, r.Position
		return c, false, nil
	case half != nil:
		if half.Client != e.Client || half.Number != e.Number || half.Amount != e.Amount {
			return c, false, fmt.Errorf("record at %v: the credit is not that of the debit in front of it", r.Position)
		}
		c.Kind, c.From, c.To = kindTransfer, half.From, account
		d.debit = nil
	default:
		d.begun = r.Position
	}
	return c, true, nil
}

// state is what the commands up to some position have made. Nothing else may
// have an influence on it: no clock, no random numbers, no order of a map.
type state struct {
	Balances map[string]int64 `json:"balances"`
	// Last is the highest number of a command of each client.
	Last     map[string]int `json:"last"`
	Accepted int            `json:"accepted"`
	Rejected int            `json:"rejected"`
}

func newState() *state {
	return &state{Balances: make(map[string]int64), Last: make(map[string]int)}
}

// Why a command is rejected.
var (
	errRepeated = errors.New("repeated")
	errExists   = errors.New("the account exists")
	errNone     = errors.New("no such account")
	errFunds    = errors.New("not enough money")
	errInvalid  = errors.New("invalid")
)

// check says what would become of a command now, nil if it would be accepted.
func (s *state) check(c command) error {
	balance, exists := s.Balances[c.From]
	_, other := s.Balances[c.To]
	const most = 1 << 40 // so that no sum overflows
	switch {
	case c.Number <= s.Last[c.Client]:
		return errRepeated
	case c.Amount < 0 || c.Amount > most || c.From == "" || c.From == c.To:
		return errInvalid
	case c.Kind == kindOpen && exists:
		return errExists
	case c.Kind == kindOpen:
		return nil
	case !exists || c.Kind == kindTransfer && !other:
		return errNone
	case c.Kind == kindDeposit:
		return nil
	case c.Kind != kindWithdraw && c.Kind != kindTransfer:
		return errInvalid
	case balance < c.Amount:
		return errFunds
	}
	return nil
}

// decide decides a command, for good.
func (s *state) decide(c command) error {
	err := s.check(c)
	s.Last[c.Client] = max(s.Last[c.Client], c.Number)
	if err != nil {
		s.Rejected++
		return err
	}
	s.Accepted++
	switch c.Kind {
	case kindOpen, kindDeposit:
		s.Balances[c.From] += c.Amount
	case kindWithdraw:
		s.Balances[c.From] -= c.Amount
	case kindTransfer:
		s.Balances[c.From] -= c.Amount
		s.Balances[c.To] += c.Amount
	}
	return nil
}
