package linear

import (
	"context"
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// maxFollowers is how many followers a history may have.
	maxFollowers = 16
	// clients is more than a process has goroutines that make calls.
	clients = 8
)

// state is the journal at some moment: the first n of the records that it has in the
// end, and how many of them each follower was handed.
type state struct {
	n       int
	cursors [maxFollowers]int32
}

// model is the journal as one process alone would see it. As every record has its
// place for ever, the order of the appends is known, and the search is for the moments
// at which the readers saw what they saw.
func model(followers map[int]int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(s, input, _ any) (bool, any) {
			st, o := s.(state), input.(*op)
			return step(st, o, followers)
		},
		Equal: func(a, b any) bool { return a.(state) == b.(state) },
		Hash: func(a any) uint64 {
			s := a.(state)
			h := uint64(s.n)
			for _, c := range s.cursors {
				h = h*1_000_003 + uint64(c)
			}
			return h
		},
	}
}

func step(s state, o *op, followers map[int]int) (bool, state) {
	switch o.kind {
	case opGet:
		return o.log.latest(o.keys[0], s.n) == o.rank, s
	case opScan:
		return s.n == o.count, s
	case opNext:
		c := &s.cursors[followers[o.process*clients+o.client]]
		ok := int(*c) == o.rank && o.rank < s.n
		*c++
		return ok, s
	}
	ok := s.n == o.rank
	s.n += o.count
	return ok, s
}

// check looks for an order of ops that explains what each of them returned.
func check(ctx context.Context, ops []op) error {
	followers := make(map[int]int)
	var history []porcupine.Operation
	for i := range ops {
		o := &ops[i]
		client := o.process*clients + o.client
		if _, ok := followers[client]; o.kind == opNext && !ok {
			followers[client] = len(followers)
		}
		history = append(history, porcupine.Operation{ClientId: client, Input: o, Call: o.begin, Return: o.end})
	}
	if len(followers) > maxFollowers {
		return fmt.Errorf("%d followers are more than %d", len(followers), maxFollowers)
	}
	limit := time.Minute
	if end, ok := ctx.Deadline(); ok {
		limit = time.Until(end)
	}
	switch result, info := porcupine.CheckOperationsVerbose(model(followers), history, limit); result {
	case porcupine.Illegal:
		return fmt.Errorf("%d calls are not linearizable; %s", len(ops), stuck(ops, info))
	case porcupine.Unknown:
		return fmt.Errorf("whether %d calls are linearizable was not found out in %v", len(ops), limit)
	}
	return nil
}

// stuck names the first calls that no order explains.
func stuck(ops []op, info porcupine.LinearizationInfo) string {
	longest := 0
	explained := make(map[int]bool)
	for _, orders := range info.PartialLinearizations() {
		for _, order := range orders {
			if len(order) > longest {
				longest = len(order)
				clear(explained)
				for _, i := range order {
					explained[i] = true
				}
			}
		}
	}
	text := fmt.Sprintf("an order of %d of them is possible, and not with", longest)
	told := 0
	for i := range ops {
		if o := &ops[i]; !explained[i] && told < 5 {
			text += fmt.Sprintf(" [%s %v of process %d: %s, %d to %d]", o.kind, o.keys, o.process, o.result, o.begin, o.end)
			told++
		}
	}
	return text
}
