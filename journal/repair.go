package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/internal/segment"
	"github.com/manypen/manypen/record"
)

// RepairOptions configures Repair. The zero value is ready.
type RepairOptions struct {
	// SegmentSize and MaxRecord are those of the new journal, as in [Options].
	// MaxRecord is raised to what the longest record of the source needs.
	SegmentSize, MaxRecord int64
	// OnDamage is called for every stretch of the source without a valid record, in
	// order.
	OnDamage func(Damage)
	// OnReport is called when the source has been looked through, before anything is
	// copied. An error of it ends the repair.
	OnReport func(source Report) error
	// OnProgress is called now and then with what is done and what there is to do:
	// three times the bytes of the source, for it is read, copied, and the copy read.
	OnProgress func(done, total int64)
	// Workers is as in [VerifyOptions].
	Workers int
}

// RepairReport says what Repair found and what it made.
type RepairReport struct {
	// Source is what Verify says of the journal, Copy what it says of the new one.
	Source, Copy Report
	// Restored counts what was copied. Records of the source of unknown kind
	// (Source.Unknown) were left out. There are fewer than Source has if the journal
	// was pruned meanwhile.
	Restored RestoreStats
}

// errCopy says that the new journal does not hold what was written to it.
var errCopy = errors.New("the copy is not what was written")

// Repair makes the directory newdir, which must not exist or be empty, a new journal
// with every record of the journal in dir that can be read: in the same order, with
// time, writer and sequence, batches as batches. Positions are others, and it has an
// identity (UUID) of its own. What is lost stays lost, but is explained: Verify of the
// new journal finds nothing wrong and reports the lost records as absent.
//
// The source is never touched. It may be on a read-only medium, or be written
// meanwhile: it is copied up to the end that it has at the start. The copy is verified
// before it gets its name, whole and on disk; a process that dies in between leaves a
// directory .manypen-repair-* beside newdir, which may be deleted.
//
// An error of the disk that is not damage to the bytes but keeps them from being read
// ends the repair: copy the journal with a tool that can pass over it first.
func Repair(ctx context.Context, dir, newdir string, opts RepairOptions) (RepairReport, error) {
	p := repair{ctx: ctx, opts: opts, report: RepairReport{Source: newReport(), Copy: newReport()}}
	src, err := Open(dir, Options{ReadOnly: true, NoIndex: true})
	if err != nil {
		return p.report, err
	}
	defer src.Close() // only read from
	p.src = src
	err = p.run(dir, filepath.Clean(newdir))
	return p.report, src.closing(err)
}

// repair is one call of Repair.
type repair struct {
	ctx    context.Context
	opts   RepairOptions
	src    *Journal
	end    segment.End
	report RepairReport
}

func (p *repair) run(dir, newdir string) error {
	empty, err := p.place(dir, newdir)
	if err != nil {
		return err
	}
	if p.end, err = p.src.dir.End(); err != nil {
		return err
	}
	// First, so that who may not write there need not wait to learn it.
	temp, err := os.MkdirTemp(filepath.Dir(newdir), ".manypen-repair-*")
	if err != nil {
		return err
	}
	if err = p.look(); err == nil {
		err = p.fill(temp)
	}
	if err == nil && empty { // os.Rename would refuse
		err = os.Remove(newdir)
	}
	if err == nil {
		err = os.Rename(temp, newdir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(temp))
	}
	d, err := os.Open(filepath.Dir(newdir))
	if err != nil {
		return err
	}
	return errors.Join(host.SyncDir(d), d.Close())
}

// look finds out what there is to copy, and tells of it.
func (p *repair) look() (err error) {
	vopts := VerifyOptions{OnDamage: p.opts.OnDamage, OnProgress: p.progress(0), Workers: p.opts.Workers}
	p.report.Source, err = verify(p.ctx, p.src.dir, p.end, vopts, chunkSize)
	if err == nil && p.opts.OnReport != nil {
		err = p.opts.OnReport(p.report.Source)
	}
	return err
}

// place reports whether newdir is there already and empty, and refuses what it must
// not be: a directory with something in it, or one inside of the source.
func (p *repair) place(dir, newdir string) (empty bool, err error) {
	refuse := func(why string) error {
		return &Error{Op: "repair", Path: newdir, Err: fmt.Errorf("%w: %s", os.ErrExist, why)}
	}
	names, err := os.ReadDir(newdir)
	if errors.Is(err, os.ErrPermission) {
		return false, err
	}
	if empty = err == nil && len(names) == 0; !empty && !errors.Is(err, os.ErrNotExist) {
		return false, refuse("name a directory that does not exist")
	}
	source, err := os.Stat(dir)
	if err != nil {
		return false, err
	}
	above, err := filepath.Abs(newdir)
	if err != nil {
		return false, err
	}
	if real, err := filepath.EvalSymlinks(filepath.Dir(above)); err == nil {
		above = filepath.Join(real, filepath.Base(above))
	}
	for {
		if st, err := os.Stat(above); err == nil && os.SameFile(st, source) {
			return false, refuse("name a directory that is not in the journal")
		}
		if above == filepath.Dir(above) {
			return empty, nil
		}
		above = filepath.Dir(above)
	}
}

// fill makes temp the new journal and verifies it.
func (p *repair) fill(temp string) error {
	st, err := host.StatFile(p.src.dir.F)
	if err != nil {
		return err
	}
	// Who may read the source may read the copy; its owner must be able to write it.
	mode := st.Mode.Perm()&0o777 | 0o700
	if err := os.Chmod(temp, mode); err != nil {
		return err
	}
	j, err := Open(temp, Options{
		Sync: SyncNone, SegmentSize: p.opts.SegmentSize, MaxRecord: p.maxRecord(), Mode: mode & 0o666, NoIndex: true,
	})
	if err != nil {
		return err
	}
	err = p.copyTo(j)
	if err == nil {
		err = j.Sync()
	}
	if err = errors.Join(err, j.Close()); err != nil {
		return err
	}
	vopts := VerifyOptions{OnProgress: p.progress(2), Workers: p.opts.Workers}
	if p.report.Copy, err = Verify(p.ctx, temp, vopts); err != nil {
		return err
	}
	return p.compare()
}

// maxRecord is at least what the longest record of the source needs, and what a gap
// does.
func (p *repair) maxRecord() int64 {
	most := p.opts.MaxRecord
	if most == 0 {
		most = DefaultMaxRecord
	}
	return max(most, p.report.Source.Longest-record.Overhead, record.GapSize-record.Overhead)
}

// copyTo copies every record that can be read, and notes which are known to be lost.
func (p *repair) copyTo(j *Journal) error {
	to, err := j.Restore(RestoreOptions{})
	if err != nil {
		return err
	}
	defer func() { p.report.Restored = to.Stats() }()
	r := p.src.dir.NewReader(segment.ReaderOptions{End: &p.end})
	defer r.Close() // only read from
	progress := p.progress(1)
	n, want := int64(0), int64(p.report.Source.Records)
	p.src.deliver(r, Position{}, func(rec Record, rerr error) bool {
		if rerr != nil {
			if !passable(rerr) {
				err = rerr
			}
			return err == nil // else the report of the source has told of it
		}
		if n++; n%1024 == 0 {
			if err = p.ctx.Err(); err != nil {
				return false
			}
			progress(n, want)
		}
		err = to.Append(rec)
		return err == nil
	})
	if err != nil {
		return err
	}
	for _, w := range p.report.Source.Writers {
		if err := to.Absent(w.ID, w.Last); err != nil {
			return err
		}
	}
	return to.Flush()
}

// compare holds what is in the new journal against what was written.
func (p *repair) compare() error {
	c, s := &p.report.Copy, &p.report.Restored
	for _, n := range []struct {
		what      string
		got, want uint64
	}{
		{"records", c.Records, s.Records}, {"absent records", c.Absent(), s.Absent}, {"missing records", c.Missing(), 0},
		{"records of unknown kind", c.Unknown, 0}, {"holes", c.Classes[Hole].Count, 0},
	} {
		if n.got != n.want {
			return fmt.Errorf("%w: it has %d %s, not %d", errCopy, n.got, n.what, n.want)
		}
	}
	if c.Corrupt() {
		return fmt.Errorf("%w: it is corrupt", errCopy)
	}
	return nil
}

// progress returns what tells of a part of the work, the first, second or third, of
// which total is all there is to do.
func (p *repair) progress(part int64) func(done, total int64) {
	if p.opts.OnProgress == nil {
		return func(int64, int64) {}
	}
	return func(done, total int64) {
		bytes := p.report.Source.Bytes
		if part == 0 {
			bytes = total // not reported yet
		}
		if total > 0 {
			done = int64(float64(min(done, total)) / float64(total) * float64(bytes))
		}
		p.opts.OnProgress(part*bytes+done, 3*bytes)
	}
}
