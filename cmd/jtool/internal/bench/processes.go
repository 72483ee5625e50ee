package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
	"github.com/manypen/manypen/journal"
)

// childExtra is how much longer than its slice a process may take.
const childExtra = time.Minute

// Roles are what the processes of a measurement do.
func Roles() map[string]child.Role {
	return map[string]child.Role{
		"floor": func(ctx context.Context, c *child.Conn, args []string) error {
			return serve(ctx, c, args, func(s *slice, path string) (func(int64) error, func() error, error) {
				r, err := openRaw(path, s.opt.Size, s.sync)
				if err != nil {
					return nil, nil, err
				}
				return r.append, r.close, nil
			})
		},
		"append": func(ctx context.Context, c *child.Conn, args []string) error {
			return serve(ctx, c, args, func(s *slice, path string) (func(int64) error, func() error, error) {
				j, err := journal.Open(path, options(s.sync))
				if err != nil {
					return nil, nil, err
				}
				var key [rawKey]byte
				value := make([]byte, s.opt.Size)
				return func(n int64) error {
					setKey(&key, n)
					_, err := j.Append(key[:], value)
					return err
				}, j.Close, nil
			})
		},
	}
}

// serve appends for a while and says how many records that were, and how long it
// took: ROLE PATH SIZE SYNC NANOSECONDS PROCESSES.
func serve(ctx context.Context, c *child.Conn, args []string, open func(*slice, string) (do func(int64) error, end func() error, err error)) error {
	if len(args) != 5 {
		return fmt.Errorf("want a path, a size, whether to sync, a time and a number, not %q", args)
	}
	size, err1 := strconv.Atoi(args[1])
	sync, err2 := strconv.ParseBool(args[2])
	limit, err3 := strconv.ParseInt(args[3], 10, 64)
	processes, err4 := strconv.Atoi(args[4])
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	// Together they append as much as one process does elsewhere.
	s := slice{ctx: ctx, opt: &Options{Size: size}, sync: sync, limit: time.Duration(limit), bytes: sliceBytes / max(1, processes)}
	do, end, err := open(&s, args[0])
	if err != nil {
		return err
	}
	err = c.Say("ready")
	if err == nil {
		_, err = c.Hear()
	}
	if err == nil {
		err = s.loop(1, do)
	}
	if err := errors.Join(err, end()); err != nil {
		return err
	}
	return c.Say("did %d %d", s.records, s.took.Nanoseconds())
}

// together lets all processes play a role at the same time, and adds up.
func (s *slice) together(role, path string) (err error) {
	var crew []*child.Process
	defer func() {
		for _, p := range crew {
			if err != nil {
				err = errors.Join(err, p.Kill())
			}
			if werr := p.Wait(); err == nil {
				err = werr
			}
		}
	}()
	for range s.opt.Processes {
		p, err := s.opt.Program.Start(s.ctx, s.limit+childExtra, role, path, strconv.Itoa(s.opt.Size),
			strconv.FormatBool(s.sync), strconv.FormatInt(s.limit.Nanoseconds(), 10), strconv.Itoa(s.opt.Processes))
		if err != nil {
			return err
		}
		crew = append(crew, p)
	}
	for _, p := range crew {
		if _, err := p.Expect("ready"); err != nil {
			return err
		}
	}
	for _, p := range crew {
		if err := p.Tell("go"); err != nil {
			return err
		}
	}
	for _, p := range crew {
		said, err := p.Expect("did")
		if err != nil {
			return err
		}
		var records, took int64
		if _, err := fmt.Sscanf(said, "%d %d", &records, &took); err != nil {
			return fmt.Errorf("%q: %w", said, err)
		}
		s.records += records
		s.took = max(s.took, time.Duration(took))
	}
	return nil
}

func floorProcesses(s *slice) error {
	path := filepath.Join(s.dir, "raw")
	r, err := openRaw(path, 0, false)
	if err == nil {
		err = r.close()
	}
	if err == nil {
		err = s.together("floor", path)
	}
	if err != nil {
		return err
	}
	return s.countRaw(path, 1)
}

func journalProcesses(s *slice) error {
	dir := filepath.Join(s.dir, "journal")
	j, err := journal.Open(dir, options(s.sync))
	if err != nil {
		return err
	}
	err = s.together("append", dir)
	if err := errors.Join(err, j.Close()); err != nil {
		return err
	}
	return s.countJournal(dir)
}
