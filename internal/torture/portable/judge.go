package portable

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/manypen/manypen/internal/torture/board"
	"github.com/manypen/manypen/internal/torture/fuzzdir"
	"github.com/manypen/manypen/internal/torture/oracle"
	"github.com/manypen/manypen/journal"
)

// exchange: one machine writes a journal and its sidecars, another one reads them, and
// then once more with damage in them.
func (l *lab) exchange(c *board.Case, from, to *machine, dir string) error {
	ctx, seed := c.Context(), l.Seed // all machines write the same
	if _, err := from.run(ctx, "write", dir, fmt.Sprint(seed)); err != nil {
		return err
	}
	if err := asPlanned(dir, seed); err != nil {
		return fmt.Errorf("written on %s: %w", from.arch, err)
	}
	if b, err := canonical(dir); err != nil || !bytes.Equal(b, l.reference) {
		return fmt.Errorf("written on %s: other bytes than on %s, %v", from.arch, l.machines[0].arch, err)
	}
	sidecars, err := honest(dir)
	if err != nil {
		return fmt.Errorf("written on %s: %w", from.arch, err)
	}
	out, err := to.run(ctx, "read", dir)
	if err != nil {
		return err
	}
	if got := strings.Count(out, "\nsidecar "); got != sidecars || sidecars == 0 {
		return fmt.Errorf("%s uses %d sidecars that were made on %s; want %d, and some", to.arch, got, from.arch, sidecars)
	}
	c.Count("sidecars exchanged", sidecars)
	if err := sameEverywhere(from, to, dir, out, func(m *machine) (string, error) { return m.run(ctx, "read", dir) }); err != nil {
		return err
	}
	if err := ruin(c, dir); err != nil {
		return err
	}
	if out, err = to.run(ctx, "read", dir); err != nil {
		return err
	}
	c.Count("journals read", 2)
	return sameEverywhere(from, to, dir, out, func(m *machine) (string, error) { return m.run(ctx, "read", dir) })
}

// sameEverywhere holds what a machine has printed against the oracle, and against what
// the machine prints that has written the journal.
func sameEverywhere(from, to *machine, dir, out string, again func(*machine) (string, error)) error {
	j, err := oracle.Read(dir)
	if err != nil {
		return err
	}
	if want := string(describe(j)); !strings.HasPrefix(out, want) {
		return fmt.Errorf("%s, written on %s: %s", to.arch, from.arch, difference(out, want))
	}
	other, err := again(from)
	if err != nil {
		return err
	}
	if other != out {
		return fmt.Errorf("%s reads something else than %s: %s", to.arch, from.arch, difference(out, other))
	}
	return nil
}

// difference is the first line in which two texts differ.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d is %.200q; want %.200q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines; want %d", len(g), len(w))
}

// asPlanned: the directory holds the records of the plan, and nothing is wrong with it.
func asPlanned(dir string, seed uint64) error {
	j, err := oracle.Read(dir)
	if err != nil {
		return err
	}
	marker, _ := oracle.FrameOf(planUUID(seed), 1)
	want := plan(seed, marker[:])
	if j.UUID != planUUID(seed) || len(j.Records) != len(want) || len(j.Segments) < 3 {
		return fmt.Errorf("it is journal %x with %d records in %d segments; want %x with %d in at least 3",
			j.UUID, len(j.Records), len(j.Segments), planUUID(seed), len(want))
	}
	masked := 0
	for i, r := range j.Records {
		w := &want[i]
		if r.Time != w.Time.UnixNano() || r.Writer != w.Writer || r.Seq != w.Seq || r.Kind != byte(w.Kind) ||
			!bytes.Equal(r.Key, w.Key) || !bytes.Equal(r.Value, w.Value) {
			return fmt.Errorf("record %d is %+v; want %+v", i, r, *w)
		}
	}
	for _, s := range j.Segments {
		for i := range s.Frames {
			masked += int(s.Frames[i].Flags & 1)
		}
	}
	if masked == 0 || j.Marks > 0 || j.Bytes(oracle.Corruption)+j.Bytes(oracle.Hole)+j.Bytes(oracle.Fragment) > 0 {
		return fmt.Errorf("%d records are masked, %d are marks; stretches %v", masked, j.Marks, j.Stretches)
	}
	return nil
}

// canonical returns the bytes of all segments as they have to be on every machine: the
// time and the boot of a header, which are those of the moment, and the hash over them,
// are zeros.
func canonical(dir string) ([]byte, error) {
	names, err := filepath.Glob(filepath.Join(dir, "seg.*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if len(b) < oracle.HeaderSize {
			return nil, fmt.Errorf("%s is shorter than its header", filepath.Base(name))
		}
		for at := 0; at < oracle.HeaderSize; at += oracle.HeaderSize / 2 {
			clear(b[at+56 : at+80])
			clear(b[at+4088 : at+4096])
		}
		all = append(binary.LittleEndian.AppendUint64(all, uint64(len(b))), b...)
	}
	return all, nil
}

// honest counts the sidecars, and holds each of them against the one that has to be
// there by the format.
func honest(dir string) (n int, err error) {
	j, err := oracle.Read(dir)
	if err != nil {
		return 0, err
	}
	for _, s := range j.Segments {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("idx.%09d", s.Number)))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		// A sidecar that is good for this boot only says which one it is.
		var boot [16]byte
		if len(b) >= 48 {
			copy(boot[:], b[32:])
		}
		if want := fuzzdir.Sidecar(j, s, boot); !bytes.Equal(b, want) {
			return 0, fmt.Errorf("the sidecar of segment %d has %d bytes, and others than it must have; want %d", s.Number, len(b), len(want))
		}
		n++
	}
	return n, nil
}

// ruin damages the journal: a bit of the first segment, a piece of the second, and a
// sidecar.
func ruin(c *board.Case, dir string) error {
	for _, f := range []struct {
		name string
		do   func(b []byte) []byte
	}{
		{"seg.000000001", func(b []byte) []byte {
			b[oracle.HeaderSize+c.Rand.IntN(len(b)-oracle.HeaderSize)] ^= 1 << c.Rand.IntN(8)
			return b
		}},
		{"seg.000000002", func(b []byte) []byte {
			at := oracle.HeaderSize + c.Rand.IntN(2000)
			clear(b[at : at+200])
			return b
		}},
		{"idx.000000001", func(b []byte) []byte { return b[:len(b)/2] }},
	} {
		path := filepath.Join(dir, f.name)
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, f.do(b), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// turns is how often each of two machines appends.
const turns = 2

// takeTurns: two machines append to one journal in turn, each in the presence of the
// control file that the other one has left. Its words are in the other's order of bytes,
// and whatever they seem to say must cost nothing. Here it is the same file of the same
// boot, which on two real machines it never is: the emulators share a kernel.
func takeTurns(c *board.Case, from, to *machine, dir string) error {
	ctx := c.Context()
	if err := prepare(dir, c.Seed); err != nil {
		return err
	}
	var told []string
	for i := range 2 * turns {
		m := []*machine{from, to}[i%2]
		out, err := m.run(ctx, "append", dir, fmt.Sprint(1+c.Rand.IntN(40)))
		if err != nil {
			return fmt.Errorf("turn %d: %w", i+1, err)
		}
		if page, err := filepath.Glob(filepath.Join(dir, "ctl.*")); err != nil || len(page) != 1 {
			return fmt.Errorf("turn %d: there are the control files %v, %v; want one", i+1, page, err)
		}
		told = append(told, strings.Split(strings.TrimSpace(out), "\n")...)
	}
	if err := asTold(dir, told); err != nil {
		return fmt.Errorf("%s and %s: %w", from.arch, to.arch, err)
	}
	c.Count("records appended in turn", len(told))
	return nil
}

// asTold: the journal has the records that were acknowledged, at their places, and none
// besides, and neither the oracle nor Verify finds anything wrong.
func asTold(dir string, told []string) error {
	j, err := oracle.Read(dir)
	if err != nil {
		return err
	}
	var have []string
	for _, r := range j.Records {
		have = append(have, fmt.Sprintf("%v %d %d", r.Position, r.Writer, r.Seq))
	}
	if !slices.Equal(have, told) {
		return fmt.Errorf("the records are not those that were acknowledged: %s", difference(strings.Join(have, "\n"), strings.Join(told, "\n")))
	}
	if len(j.Missing()) > 0 || j.Bytes(oracle.Corruption)+j.Bytes(oracle.Hole) > 0 {
		return fmt.Errorf("missing %v, stretches %v", j.Missing(), j.Stretches)
	}
	rep, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	if err != nil || rep.Corrupt() || rep.Missing() > 0 || rep.Records != uint64(len(told)) {
		return fmt.Errorf("verify: %v, corrupt %v, %d of %d records", err, rep.Corrupt(), rep.Records, len(told))
	}
	return nil
}
