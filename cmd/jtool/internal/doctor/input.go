package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
	"github.com/manypen/manypen/journal"
)

// attempt is one bad input.
type attempt struct {
	what string
	bad  string // what was wrong with the answer; empty if nothing was
}

// input lets a process of its own be given bad input: what it must not do is crash,
// or never end.
func (l *lab) input() error {
	p, err := l.start("input", l.dir)
	if err != nil {
		return err
	}
	var all []attempt
	lines, err := p.Lines()
	if err != nil {
		return err
	}
	for _, line := range lines {
		var a attempt
		if n, err := fmt.Sscanf(line, "%q %q", &a.what, &a.bad); n != 2 {
			return fmt.Errorf("%q: %w", line, err)
		}
		all = append(all, a)
	}
	l.add(judgeInput(all, p.Wait()))
	return nil
}

func judgeInput(all []attempt, ended error) Finding {
	text := fmt.Sprintf("%d bad inputs", len(all))
	wrong := ended != nil || len(all) != len(inputs)
	for i, a := range all {
		text += [...]string{": ", ", "}[min(i, 1)] + a.what
		if a.bad != "" {
			wrong, text = true, text+" ("+a.bad+")"
		}
	}
	if ended != nil {
		text += fmt.Sprintf("; then the process ended: %v", ended)
	}
	return found(8, verdict(wrong), "%s", text)
}

// roleInput tries everything and says what came of it: input DIR.
func roleInput(_ context.Context, c *child.Conn, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("input takes 1 argument, not %q", args)
	}
	for n, in := range inputs {
		bad, err := in.try(filepath.Join(args[0], strconv.Itoa(n)))
		if err != nil {
			return fmt.Errorf("%s: %w", in.what, err)
		}
		if err := c.Say("%q %q", in.what, bad); err != nil {
			return err
		}
	}
	return nil
}

// inputs are tried each in a directory of its own, which does not exist.
var inputs = []struct {
	what string
	try  func(dir string) (bad string, err error)
}{
	{"a key that is too long", func(dir string) (string, error) {
		return tooLarge(dir, make([]byte, 1<<16), nil)
	}},
	{"a value that is too long", func(dir string) (string, error) {
		return tooLarge(dir, nil, make([]byte, smallRecord+1))
	}},
	{"a journal of a later version", func(dir string) (string, error) {
		return opened(dir, "journal.id", "manypen journal 2 6d616e7970656e000102030405060708 a5597cabdd925ee7\n", journal.ErrVersion)
	}},
	{"a directory of other files", func(dir string) (string, error) {
		return opened(dir, "file", "x", journal.ErrNotJournal)
	}},
	{"a segment that is none", func(dir string) (string, error) {
		return opened(dir, segmentName(1), string(valueOf("x", 20000)), journal.ErrNotJournal)
	}},
	{"a journal stored in itself and cut", stored},
}

const smallRecord = 1 << 20

func smallOptions() journal.Options {
	return journal.Options{Sync: journal.SyncNone, MaxRecord: smallRecord}
}

// tooLarge appends what must be refused, and one behind it that must not.
func tooLarge(dir string, key, value []byte) (bad string, err error) {
	j, err := journal.Open(dir, smallOptions())
	if err != nil {
		return "", err
	}
	_, got := j.Append(key, value)
	_, err = j.Append([]byte("k"), []byte("v"))
	var size *journal.SizeError
	if !errors.Is(got, journal.ErrTooLarge) || !errors.As(got, &size) {
		bad = fmt.Sprintf("error %v", got)
	}
	return bad, errors.Join(err, j.Close())
}

// opened opens a directory with one file, which must be refused.
func opened(dir, name, content string, want error) (bad string, err error) {
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)); err != nil {
		return "", err
	}
	for _, readOnly := range []bool{true, false} {
		j, err := journal.Open(dir, journal.Options{Sync: journal.SyncNone, ReadOnly: readOnly})
		if err == nil {
			return "it was opened", j.Close()
		}
		var place *journal.Error
		if !errors.Is(err, want) || !errors.As(err, &place) || place.Path == "" {
			return fmt.Sprintf("error %v", err), nil
		}
	}
	return "", nil
}

// stored appends the bytes of a journal to it as a value, and cuts that in two: no
// record inside may come to light.
func stored(dir string) (bad string, err error) {
	j, err := journal.Open(dir, smallOptions())
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for n := range 10 {
		key := keyOf("inner", n+1, 100)
		if _, err := j.Append([]byte(key), valueOf(key, 100)); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, segmentName(1))
	inner, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	at, err := j.Append([]byte("outer"), inner)
	if err != nil {
		return "", err
	}
	r, err := j.ReadAt(at)
	if err != nil || !bytes.Equal(r.Value, inner) {
		return fmt.Sprintf("it came back with other bytes, error %v", err), nil
	}
	if err := os.Truncate(path, r.Next.Offset-100); err != nil {
		return "", err
	}
	count := 0
	for _, err := range j.Records(journal.Position{}) {
		if err != nil {
			return "", err
		}
		count++
	}
	if count != 10 {
		bad = fmt.Sprintf("%d records are read, want 10", count)
	}
	return bad, nil
}
