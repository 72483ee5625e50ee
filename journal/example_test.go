package journal_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/manypen/manypen/journal"
)

// exampleDir returns a directory for an example, and what removes it.
func exampleDir() (dir string, remove func()) {
	parent, err := os.MkdirTemp("", "journal-example-")
	if err != nil {
		log.Fatal(err)
	}
	return filepath.Join(parent, "events"), func() { os.RemoveAll(parent) }
}

// Any number of programs may do this at the same time, with the same directory.
func Example() {
	dir, remove := exampleDir()
	defer remove()

	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()

	// When Append has returned, the record is on disk.
	if _, err := j.Append([]byte("door"), []byte("open")); err != nil {
		log.Fatal(err)
	}
	if _, err := j.Append([]byte("door"), []byte("closed")); err != nil {
		log.Fatal(err)
	}

	// The newest record of a key, whoever appended it.
	rec, err := j.Get([]byte("door"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the door is %s\n", rec.Value)

	// Output:
	// the door is closed
}

// Under SyncNone an append costs two system calls and no wait for the disk.
// Records survive the death of every process at once, and the loss of power
// after Sync.
func ExampleOpen() {
	dir, remove := exampleDir()
	defer remove()

	j, err := journal.Open(dir, journal.Options{
		Sync:        journal.SyncNone,
		SegmentSize: 16 << 20,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()

	for i := range 1000 {
		if _, err := j.Append(nil, fmt.Appendf(nil, "event %d", i)); err != nil {
			log.Fatal(err)
		}
	}
	if err := j.Sync(); err != nil {
		log.Fatal(err)
	}
	report, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	fmt.Println(report.Records, report.Missing(), err)

	// Output:
	// 1000 0 <nil>
}

// After an error a record is not in the journal, with one exception.
func ExampleJournal_Append() {
	dir, remove := exampleDir()
	defer remove()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()

	_, err = j.Append([]byte("key"), []byte("value"))
	var torn *journal.FragmentError
	switch {
	case err == nil:
		fmt.Println("it is there, and on disk")
	case errors.Is(err, journal.ErrOutcomeUnknown):
		fmt.Println("it may be there: look for it before you append it again")
	case errors.As(err, &torn):
		fmt.Println("it is not there: most likely the disk is full")
	default:
		fmt.Println("it is not there")
	}

	// Output:
	// it is there, and on disk
}

// Readers see all entries of a batch or none, whatever happens to its writer.
func ExampleJournal_AppendBatch() {
	dir, remove := exampleDir()
	defer remove()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()

	if _, err := j.Append([]byte("alice"), []byte("10")); err != nil {
		log.Fatal(err)
	}

	var b journal.Batch
	b.Delete([]byte("alice"))
	b.Put([]byte("bob"), []byte("10"))
	if _, err := j.AppendBatch(&b); err != nil {
		log.Fatal(err)
	}

	_, err = j.Get([]byte("alice"))
	fmt.Println("alice:", err)
	rec, err := j.Get([]byte("bob"))
	fmt.Printf("bob: %s %v\n", rec.Value, err)

	// Output:
	// alice: key not found
	// bob: 10 <nil>
}

func ExampleJournal_Records() {
	dir, remove := exampleDir()
	defer remove()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	for _, word := range []string{"append", "only", "journal"} {
		if _, err := j.Append(nil, []byte(word)); err != nil {
			log.Fatal(err)
		}
	}

	// From the oldest record to the one that is the last when the loop begins.
	var next journal.Position
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s\n", rec.Seq, rec.Value)
		next = rec.Next // from here another program, another day, goes on
	}
	for range j.Records(next) {
		fmt.Println("nothing was added, so this is not printed")
	}

	// Output:
	// 1 append
	// 2 only
	// 3 journal
}

// Follow waits for further records, of whichever process, until the context is
// done.
func ExampleJournal_Follow() {
	dir, remove := exampleDir()
	defer remove()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	go func() {
		for i := range 3 {
			if _, err := j.Append([]byte("tick"), fmt.Append(nil, i)); err != nil {
				log.Fatal(err)
			}
		}
	}()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for rec, err := range j.Follow(ctx, journal.Position{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s\n", rec.Key, rec.Value)
		if rec.Seq == 3 {
			cancel() // ends the loop
		}
	}

	// Output:
	// tick 0
	// tick 1
	// tick 2
}

func ExampleJournal_Range() {
	dir, remove := exampleDir()
	defer remove()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	for _, e := range [][2]string{{"b/2", "old"}, {"a/1", "x"}, {"b/1", "y"}, {"b/2", "new"}, {"c/1", "z"}} {
		if _, err := j.Append([]byte(e[0]), []byte(e[1])); err != nil {
			log.Fatal(err)
		}
	}

	// The newest record of every key from "b/" on and below "b0".
	for rec, err := range j.Range([]byte("b/"), []byte("b0")) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s = %s\n", rec.Key, rec.Value)
	}

	// Output:
	// b/1 = y
	// b/2 = new
}

// Verify reads every byte and proves from the sequences of the writers that no
// record is missing. It may run beside any number of writers.
func ExampleJournal_Scan() {
	dir, remove := exampleDir()
	defer remove()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	for _, e := range [][2]string{{"sensor/2", "18"}, {"sensor/1", "20"}, {"door", "open"}, {"sensor/2", "19"}} {
		if _, err := j.Append([]byte(e[0]), []byte(e[1])); err != nil {
			log.Fatal(err)
		}
	}

	for rec, err := range j.Prefix([]byte("sensor/")) { // the newest record of each key
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s\n", rec.Key, rec.Value)
	}
	yesterday, err := j.Seek(time.Now().AddDate(0, 0, -1))
	if err != nil {
		log.Fatal(err)
	}
	for rec, err := range j.Scan(journal.ScanOptions{From: yesterday, Reverse: true}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", rec.Value)
	}

	// Output:
	// sensor/1 20
	// sensor/2 19
	// 19
	// open
	// 20
	// 18
}

func ExampleVerify() {
	dir, remove := exampleDir()
	defer remove()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	if _, err := j.Append([]byte("key"), []byte("value")); err != nil {
		log.Fatal(err)
	}

	report, err := journal.Verify(context.Background(), dir, journal.VerifyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("records:", report.Records)
	fmt.Println("missing:", report.Missing())
	fmt.Println("corrupt:", report.Corrupt())
	for _, d := range report.Damage {
		fmt.Println(d.Class, d.From, d.To) // fragments are normal: somebody was killed
	}

	// Output:
	// records: 1
	// missing: 0
	// corrupt: false
}

// A read-only handle needs no write permission and disturbs nobody.
func ExampleOptions_readOnly() {
	dir, remove := exampleDir()
	defer remove()
	w, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()

	r, err := journal.Open(dir, journal.Options{
		ReadOnly: true,
		OnDamage: func(d journal.Damage) { fmt.Println("skipped", d.Class, "at", d.From) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()

	p, err := w.Append([]byte("key"), []byte("value"))
	if err != nil {
		log.Fatal(err)
	}
	rec, err := r.ReadAt(p)
	fmt.Printf("%s %v\n", rec.Value, err)
	_, err = r.Append(nil, nil)
	fmt.Println(err)

	// Output:
	// value <nil>
	// the journal was opened for reading only
}

// How a program ends that appends in several goroutines: when a signal comes, or
// before os.Exit, it closes the journal. Close waits for the appends that are
// under way, and later ones get ErrClosed. Without it the end of the process
// tears them in the middle; nobody was told that those are there.
func ExampleJournal_Close() {
	dir, remove := exampleDir()
	defer remove()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			_, err := j.Append([]byte("tick"), nil)
			if errors.Is(err, journal.ErrClosed) {
				return
			}
			if err != nil {
				log.Print(err)
			}
		}
	}()

	stop() // in a real program: the signal
	<-ctx.Done()
	code := 0
	if err := j.Close(); err != nil {
		log.Print(err)
		code = 1
	}
	fmt.Println("exit with", code) // os.Exit(code)

	// Output:
	// exit with 0
}

// A journal that keeps a week, at most 10 GiB of it, and whatever the consumer has not
// come to yet, for as long as that takes.
func ExampleRetention() {
	dir, remove := exampleDir()
	defer remove()

	checkpoint := func() (journal.Position, error) {
		return journal.Position{}, nil // where the consumer has saved that it goes on
	}
	j, err := journal.Open(dir, journal.Options{
		Retention: journal.Retention{
			MaxAge:   7 * 24 * time.Hour,
			MaxBytes: 10 << 30,
			Keep:     checkpoint,
		},
		OnRetention: func(removed []journal.SegmentInfo, err error) {
			if err != nil {
				log.Print(err)
			}
			for _, s := range removed {
				log.Print("removed ", s.Name)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()

	// By hand, whatever the handle does by itself.
	removed, err := j.Retain(journal.Retention{MaxSegments: 100})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(removed), "segments removed")

	// Output:
	// 0 segments removed
}
