package journal_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/journal"
)

// What can be read of a damaged journal becomes a new one.
func ExampleRepair() {
	base, err := os.MkdirTemp("", "journal")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(base) // only an example
	dir, newdir := filepath.Join(base, "orders"), filepath.Join(base, "orders.new")
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, value := range []string{"one", "two", "three"} {
		if _, err := j.Append([]byte("key"), []byte(value)); err != nil {
			log.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		log.Fatal(err)
	}
	// Somebody overwrites a part of the second record.
	segment, err := os.OpenFile(filepath.Join(dir, "seg.000000001"), os.O_WRONLY, 0)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := segment.WriteAt([]byte("?"), 8192+58+50); err != nil {
		log.Fatal(err)
	}
	if err := segment.Close(); err != nil {
		log.Fatal(err)
	}

	report, err := journal.Repair(context.Background(), dir, newdir, journal.RepairOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Source.Missing(), "record is missing in the old journal")
	fmt.Println(report.Copy.Missing(), "are missing in the new one,", report.Copy.Absent(), "is known to be absent")
	j, err = journal.Open(newdir, journal.Options{ReadOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close() // read only
	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d %s\n", rec.Seq, rec.Value)
	}
	// Output:
	// 1 record is missing in the old journal
	// 0 are missing in the new one, 1 is known to be absent
	// 1 one
	// 3 three
}
