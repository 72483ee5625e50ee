package journal_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/manypen/manypen/journal"
)

// Whatever is read ahead, in chunks of whatever size, the report is the one of
// somebody who reads in order.
func TestVerifyAhead(t *testing.T) {
	for name, ruin := range ruins {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mixed(t, dir, 400)
			ruin(t, dir)
			run := func(workers int, chunk int64) (r journal.Report, damage []journal.Damage, done int64) {
				r, err := journal.VerifyIn(t.Context(), dir, journal.VerifyOptions{
					Workers: workers, OnDamage: func(d journal.Damage) { damage = append(damage, d) },
					OnProgress: func(n, _ int64) { done = n },
				}, chunk)
				if err != nil {
					t.Fatal(err)
				}
				return r, damage, done
			}
			want, wantDamage, wantDone := run(1, 0)
			if want.Records < 100 {
				t.Fatalf("%d records are left", want.Records)
			}
			for _, workers := range []int{1, 3} {
				for _, chunk := range []int64{1000, 4096, 77_777, 1 << 20, 1 << 30} {
					got, damage, done := run(workers, chunk)
					if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b error) bool { return a.Error() == b.Error() })); diff != "" {
						t.Errorf("%d workers, chunks of %d (-in order +ahead):\n%s", workers, chunk, diff)
					}
					if diff := cmp.Diff(wantDamage, damage); diff != "" || done != wantDone {
						t.Errorf("%d workers, chunks of %d: %d bytes, want %d; damage (-in order +ahead):\n%s", workers, chunk, done, wantDone, diff)
					}
				}
			}
		})
	}
}

// A verification that is given up ends, and leaves nothing running.
func TestVerifyCancelled(t *testing.T) {
	dir := t.TempDir()
	mixed(t, dir, 200)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := journal.VerifyIn(ctx, dir, journal.VerifyOptions{OnProgress: func(int64, int64) { cancel() }}, 5000)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
