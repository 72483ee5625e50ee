package doctor

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/journal"
)

// A process may write no more than shortRoom bytes behind the end of the journal,
// and appends a record that takes more.
const (
	shortRoom = 1000
	shortSize = 64 << 10
)

// roleShort appends a record, limits itself, and says what the next append
// returned: short DIR.
func roleShort(_ context.Context, c *child.Conn, args []string) error {
	if s := host.FileSizeSignal(); s != nil {
		signal.Ignore(s)
	}
	return appendWith(append(args, "short"), func(j *journal.Journal, name string) error {
		key := keyOf(name, 1, 100)
		ack, err := j.AppendAck([]byte(key), valueOf(key, 100))
		if err != nil {
			return err
		}
		segments, err := j.Segments()
		if err != nil {
			return err
		}
		if err := host.LimitFileSize(segments[len(segments)-1].Size + shortRoom); err != nil {
			if errors.Is(err, errors.ErrUnsupported) {
				return c.Say("unsupported")
			}
			return err
		}
		key = keyOf(name, 2, shortSize)
		_, err = j.AppendAck([]byte(key), valueOf(key, shortSize))
		var torn *journal.FragmentError
		var place *journal.Error
		if !errors.As(err, &torn) || !errors.As(err, &place) {
			return c.Say("other %q", fmt.Sprint(err))
		}
		return c.Say("torn %d %d %d %d %v", place.Segment, place.Offset, torn.Written, torn.Want, ack.Position)
	})
}

// shortEvidence is what a write was that the system cut, and what came of it.
type shortEvidence struct {
	said          string // by the child, if it is not what follows
	at            journal.Position
	written, want int64
	later         error // of the append of another process behind it
	keys          []string
	genuine       int // of them
	damage        []journal.Damage
	missing       uint64
	corrupt       bool
}

func (l *lab) short() (err error) {
	if l.alone(4, 5, 8) {
		return nil
	}
	dir := filepath.Join(l.dir, "journal")
	j, err := journal.Open(dir, killOptions())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	p, err := l.start("short", dir)
	if err != nil {
		return err
	}
	line, err := p.Line()
	if err := errors.Join(err, p.Wait()); err != nil {
		return err
	}
	if line == "unsupported" {
		l.find(4, NotTested, "short write: this system does not limit the size of files")
		return nil
	}
	var ev shortEvidence
	var first string
	if _, err := fmt.Sscanf(line, "torn %d %d %d %d %s", &ev.at.Segment, &ev.at.Offset, &ev.written, &ev.want, &first); err != nil {
		ev.said = line
	}
	key := keyOf("later", 1, 100)
	_, ev.later = j.Append([]byte(key), valueOf(key, 100))
	reader, err := journal.Open(dir, journal.Options{ReadOnly: true, OnDamage: func(d journal.Damage) { ev.damage = append(ev.damage, d) }})
	if err != nil {
		return err
	}
	for r, err := range reader.Records(journal.Position{}) {
		if err != nil {
			return errors.Join(err, reader.Close())
		}
		ev.keys = append(ev.keys, string(r.Key))
		if genuine(string(r.Key), r.Value) {
			ev.genuine++
		}
	}
	report, err := journal.Verify(l.ctx, dir, journal.VerifyOptions{})
	ev.missing, ev.corrupt = report.Missing(), report.Corrupt()
	if err := errors.Join(err, reader.Close()); err != nil {
		return err
	}
	l.add(judgeShort(&ev)...)
	return nil
}

func judgeShort(ev *shortEvidence) []Finding {
	if ev.said != "" {
		return []Finding{found(8, Fails, "an append whose write was cut did not return a FragmentError with its place but %s", ev.said)}
	}
	named := ev.at.Segment > 0 && ev.at.Offset > 0 && ev.written > 0 && ev.written < ev.want
	whole := len(ev.keys) == 2 && ev.genuine == 2 && ev.later == nil
	told := len(ev.damage) == 1 && ev.damage[0].Class == journal.Fragment && ev.damage[0].From == ev.at &&
		ev.damage[0].Bytes() == ev.written && ev.missing == 0 && !ev.corrupt
	return []Finding{
		found(4, verdict(!whole), "the system cut a write after %d of %d bytes: another process appended behind it (error: %v), and of 2 records %d were read, %d whole",
			ev.written, ev.want, ev.later, len(ev.keys), ev.genuine),
		found(5, verdict(!told), "the remains of the cut write: readers report %d stretches without a record (%s), %d records missing",
			len(ev.damage), describe(ev.damage), ev.missing),
		found(8, verdict(!named), "the append whose write was cut returned an error that names %v, and %d of %d bytes", ev.at, ev.written, ev.want),
	}
}

// describe says what the first stretches are.
func describe(damage []journal.Damage) (text string) {
	for i, d := range damage {
		if i == 3 {
			return text + ", ..."
		}
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%v of %d bytes at %v", d.Class, d.Bytes(), d.From)
	}
	if text == "" {
		return "none"
	}
	return text
}
