package faults

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/manypen/manypen/internal/torture/oracle"
)

// ledger is what processes were told of their records, which are known by their keys.
type ledger struct {
	values  map[string][]byte // of every record that was attempted
	at      map[string]string // where a record was said to stand
	durable map[string]string // records that must be there, and who was told so
	absent  map[string]bool   // records that must not: their append failed
}

func newLedger() *ledger {
	return &ledger{make(map[string][]byte), make(map[string]string), make(map[string]string), make(map[string]bool)}
}

// told notes that somebody was told that a record is durable.
func (l *ledger) told(key, by string) {
	if l.durable[key] == "" {
		l.durable[key] = by
	}
}

// check holds the ledger, with these acknowledgements, against what is there.
func (l *ledger) check(j *oracle.Journal, durable map[string]string) error {
	found := make(map[string]string)
	for i := range j.Records {
		r := &j.Records[i]
		key := string(r.Key)
		switch v, ok := l.values[key]; {
		case !ok || !bytes.Equal(v, r.Value):
			return fmt.Errorf("the record at %v, key %q, was never appended", r.Position, key)
		case found[key] != "":
			return fmt.Errorf("the record %q is there twice, at %s and %v", key, found[key], r.Position)
		case l.absent[key]:
			return fmt.Errorf("the record %q is there, at %v, and its append has failed", key, r.Position)
		}
		found[key] = r.Position.String()
	}
	for _, key := range slices.Sorted(maps.Keys(durable)) {
		at, ok := found[key]
		if want := l.at[key]; !ok || want != "" && at != want {
			return fmt.Errorf("false acknowledgement: the record %q stands at %q instead of %q, and %s was told that it is durable", key, at, want, durable[key])
		}
	}
	return nil
}
