package faults

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
)

// job is a process to be traced. Its files may be nil.
type job struct {
	role          string
	args          []string
	in, out, errs *os.File
}

// close closes what the process has for itself.
func (jb *job) close() error {
	var errs []error
	for _, f := range []*os.File{jb.in, jb.out, jb.errs} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// trace runs a worker with these arguments and returns what it has told.
func trace(ctx context.Context, p plan, args ...string) (outcome, error) {
	out, outW, err := os.Pipe()
	if err != nil {
		return outcome{}, err
	}
	errs, errsW, err := os.Pipe()
	if err != nil {
		return outcome{}, errors.Join(err, out.Close(), outW.Close())
	}
	var wg sync.WaitGroup
	var told, said []byte
	var terr, serr error
	wg.Go(func() { told, terr = io.ReadAll(out) })
	wg.Go(func() { said, serr = io.ReadAll(errs) })
	o, err := supervise(ctx, p, job{role: role, args: args, out: outW, errs: errsW})
	wg.Wait()
	o.told, o.said = told, said
	return o, errors.Join(err, terr, serr, out.Close(), errs.Close())
}
