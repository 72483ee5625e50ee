package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/vio"
)

// liars in the environment makes children break the promises that they are to try.
const liars = "DOCTOR_TEST_LIARS"

// lies are roles that do what a bad file system, or a bad journal, would bring about.
var lies = map[string]child.Role{
	// Two writes for a record: others come in between.
	"interleave": func(_ context.Context, c *child.Conn, args []string) error {
		writer, err1 := strconv.Atoi(args[1])
		count, err2 := strconv.Atoi(args[2])
		f, err3 := os.OpenFile(args[0], os.O_WRONLY|os.O_APPEND, 0)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		defer f.Close() // what is written is checked by who reads it
		if _, err := c.Hear(); err != nil {
			return err
		}
		for seq := 1; seq <= count; seq++ {
			pieces := rawPieces(writer, seq, valueOf(args[1], rawShape(seq)-rawSize))
			_, err1 := vio.Appendv(f, pieces[:2])
			_, err2 := vio.Appendv(f, pieces[2:])
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
		}
		return c.Say("done")
	},
	// An acknowledgement in front of the append.
	"victim": func(ctx context.Context, c *child.Conn, args []string) error {
		return appendWith(args, func(j *journal.Journal, name string) error {
			for n := 1; ctx.Err() == nil; n++ {
				key := keyOf(name, n, victimSize)
				err1 := c.Say("begin %s", key)
				err2 := c.Say("ack %s %d %v", key, n, journal.FirstPosition(1))
				_, err3 := j.Append([]byte(key), valueOf(key, victimSize))
				if err := errors.Join(err1, err2, err3); err != nil {
					return err
				}
			}
			return nil
		})
	},
	// A reader that leaves a record out.
	"follow": func(ctx context.Context, c *child.Conn, args []string) error {
		j, err := journal.Open(args[0], journal.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		var d digest
		for r, err := range j.Follow(ctx, journal.Position{}) {
			if err != nil {
				return errors.Join(err, j.Close())
			}
			if d.count++; d.count != 2 {
				d.add(&r)
			}
			if string(r.Key) == lastKey {
				break
			}
		}
		return errors.Join(c.Say("followed %v", &d), j.Close())
	},
	// A lock that keeps nobody out.
	"lock": func(_ context.Context, c *child.Conn, _ []string) error {
		if err := c.Say("locked true"); err != nil {
			return err
		}
		c.Hear() // until it is killed
		return nil
	},
	// A crash by bad input.
	"input": func(_ context.Context, c *child.Conn, _ []string) error {
		if err := c.Say("%q %q", inputs[0].what, ""); err != nil {
			return err
		}
		return fmt.Errorf("index out of range")
	},
}
