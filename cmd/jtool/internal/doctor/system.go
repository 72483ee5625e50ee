package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/manypen/manypen/internal/host"
	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/vio"
)

// place finds out where this is, and whether a second writer is let in.
func (l *lab) place() error {
	dir, err := os.Open(l.dir)
	if err != nil {
		return err
	}
	kind, err := host.FileSystemOf(dir)
	if err := errors.Join(err, dir.Close()); err != nil {
		return err
	}
	l.fileSystem = kind.Name
	l.figure("file system", kind.Name, "")
	l.figure("system", runtime.GOOS, "")
	l.figure("kernel", host.KernelRelease(), "")
	l.figure("processors", strconv.Itoa(runtime.NumCPU()), "")
	refusal, err := l.second(filepath.Join(l.dir, "journal"))
	switch {
	case err != nil:
		return err
	case refusal != nil && !errors.Is(refusal, journal.ErrUnsafe):
		return refusal
	case refusal != nil:
		l.report.Refused, l.why = true, "a second writer is refused on "+kind.Name
		l.figure("second writer", "refused", "")
	default:
		l.shares = true
		l.figure("second writer", "allowed", "")
	}
	return nil
}

// second opens a journal for writing twice. The locks by which one is refused belong
// to the open file, so a handle in this process is as good as another process.
func (l *lab) second(dir string) (refusal, err error) {
	first, err := journal.Open(dir, killOptions())
	if err != nil {
		return nil, err
	}
	opts := killOptions()
	opts.LockTimeout = 5 * time.Second
	second, refusal := journal.Open(dir, opts)
	if refusal == nil {
		err = second.Close()
	}
	return refusal, errors.Join(err, first.Close())
}

// syncing measures how long the disk takes, and tries what a name needs to last.
func (l *lab) syncing() error {
	f, err := os.OpenFile(filepath.Join(l.dir, "file"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var took []time.Duration
	value := valueOf("sync", 156-rawSize)
	budget := time.Now().Add(2 * time.Second) // a slow disk is measured less often
	for n := range l.count(200, 40) {
		if n >= 5 && time.Now().After(budget) {
			break
		}
		if _, err := vio.Appendv(f, rawPieces(0, n, value)); err != nil {
			return errors.Join(err, f.Close())
		}
		start := time.Now()
		if err := host.SyncData(f); err != nil {
			return errors.Join(err, f.Close())
		}
		took = append(took, time.Since(start))
	}
	if err := f.Close(); err != nil {
		return err
	}
	l.figure("fdatasync behind an append, times", strconv.Itoa(len(took)), "")
	l.figure("fdatasync behind an append, median", nanoseconds(median(took)), "ns")
	l.figure("fdatasync behind an append, worst", nanoseconds(slices.Max(took)), "ns")
	l.add(aside(judgeNames(l.names())))
	return nil
}

func nanoseconds(d time.Duration) string { return strconv.FormatInt(d.Nanoseconds(), 10) }

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

// namesEvidence is what became of files that were given other names.
type namesEvidence struct {
	rename, link, dirSync error
	renamed               string // content under the name that was replaced
	links                 uint64 // of the linked file
}

// names replaces a file by a rename, gives one a second name, and syncs the
// directory.
func (l *lab) names() (ev namesEvidence) {
	path := func(name string) string { return filepath.Join(l.dir, name) }
	ev.rename = errors.Join(os.WriteFile(path("old"), []byte("old"), 0o600), os.WriteFile(path("new"), []byte("new"), 0o600))
	if ev.rename == nil {
		ev.rename = os.Rename(path("new"), path("old"))
	}
	b, err := os.ReadFile(path("old"))
	ev.rename, ev.renamed = errors.Join(ev.rename, err), string(b)
	ev.link = os.Link(path("old"), path("second"))
	dir, err := os.Open(l.dir)
	if err != nil {
		ev.dirSync = err
		return ev
	}
	st, err := host.StatIn(dir, "old")
	ev.links = st.Links
	ev.dirSync = errors.Join(err, host.SyncDir(dir), dir.Close())
	return ev
}

func judgeNames(ev namesEvidence) Finding {
	link := "a hard link works"
	if ev.link != nil {
		// Everything that links has another way where there are none.
		link = fmt.Sprintf("there are no hard links (%v), so snapshots copy", ev.link)
	} else if ev.links != 2 {
		link = fmt.Sprintf("a file with a second name counts %d", ev.links)
	}
	wrong := ev.rename != nil || ev.renamed != "new" || ev.dirSync != nil
	if err := errors.Join(ev.rename, ev.dirSync); err != nil {
		return found(2, Fails, "names: renaming or syncing the directory fails: %v; %s", err, link)
	}
	return found(2, verdict(wrong), "names: a rename replaced a file (by %q), %s, the directory was synced without an error", ev.renamed, link)
}
