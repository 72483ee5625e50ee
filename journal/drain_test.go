package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/manypen/manypen/journal"
)

func init() { roles["drain"] = roleDrain }

var drainOptions = journal.Options{Sync: journal.SyncNone, SegmentSize: 256 << 20}

// roleDrain is a program after the pattern of ExampleJournal_Close: goroutines
// append large values until a signal comes; then it closes the journal and exits,
// with them still at it: DIR.
func roleDrain(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	j, err := journal.Open(args[0], drainOptions)
	if err != nil {
		return err
	}
	big := make([]byte, 8<<20) // its write takes long enough to be met in the middle
	for i := range 4 {
		go func() {
			for k := 0; ; k++ {
				ack, err := j.AppendAck(fmt.Append(nil, i), big)
				if errors.Is(err, journal.ErrClosed) {
					return
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println(i, ack.Position)
			}
		}()
	}
	<-ctx.Done()
	if err := j.Close(); err != nil {
		return err
	}
	os.Exit(0) // tears whatever is still being written
	return nil
}

// A program that is told to end while it appends leaves nothing torn behind if
// it closes the journal before it exits, and all that it was told is there.
func TestDrained(t *testing.T) {
	for round := range 12 {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(round))
		c := spawn(t, "drain", dir)
		acked := map[string]bool{}
		for range 2 + round%4 { // a few lines, so that several are at it
			line, err := c.out.ReadString('\n')
			if err != nil {
				t.Fatal(err, c.err.String())
			}
			acked[strings.TrimSpace(line)] = true
		}
		if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(c.finish(t)) {
			acked[strings.TrimSpace(line)] = true
		}
		// At the end of the journal a torn record may still be in the making.
		after := open(t, dir, drainOptions)
		if _, err := after.Append(nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
		report := verify(t, dir)
		if n := report.Classes[journal.Fragment].Count; n > 0 {
			t.Errorf("round %d: %d fragments", round, n)
		}
		for _, rec := range all(t, dir) {
			delete(acked, fmt.Sprint(string(rec.Key), " ", rec.Position))
		}
		if len(acked) > 0 {
			t.Errorf("round %d: acknowledged and not there: %v", round, acked)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// cp -r of a journal beside live writers is a journal with every record that was
// acknowledged before the copy began.
func TestCopiedLive(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no cp")
	}
	base := t.TempDir()
	dir := filepath.Join(base, "journal")
	var writers []*child
	for i := range 3 {
		writers = append(writers, spawn(t, "append", dir, fmt.Sprint("w", i), "4000"))
	}
	j := open(t, dir, processOptions)
	for round := range 5 {
		for k := range 20 {
			if _, err := j.Append([]byte("before"), fmt.Appendf(nil, "%d", round*20+k)); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(base, fmt.Sprint("copy", round))
		if out, err := exec.Command("cp", "-r", dir, path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for range 2 { // as it is, and after a writer has opened it
			report, err := journal.Verify(context.Background(), path, journal.VerifyOptions{})
			if err != nil || report.Classes[journal.Corruption].Count > 0 {
				t.Fatalf("copy %d: %+v, %v", round, report.Classes, err)
			}
			seen := 0
			for _, rec := range all(t, path) {
				if string(rec.Key) == "before" {
					if string(rec.Value) != fmt.Sprint(seen) {
						t.Fatalf("copy %d: record %s where %d should be", round, rec.Value, seen)
					}
					seen++
				}
			}
			if seen != (round+1)*20 {
				t.Errorf("copy %d: %d records, %d were acknowledged before", round, seen, (round+1)*20)
			}
			w := open(t, path, processOptions)
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, w := range writers {
		w.finish(t)
	}
	verify(t, dir)
}
