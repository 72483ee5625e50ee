package jslog_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/manypen/manypen/journal"
	"github.com/manypen/manypen/journal/jslog"
)

// These are the three examples of the README.

func Example_append() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	if _, err := j.Append([]byte("door"), []byte("open")); err != nil {
		log.Fatal(err) // otherwise the record is on disk
	}
	rec, err := j.Get([]byte("door")) // the newest one of the key, whoever appended it

	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the door is %s\n", rec.Value)
	// Output: the door is open
}

func Example_log() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	defer slog.SetDefault(slog.Default())

	j, err := journal.Open(dir, journal.Options{Sync: journal.SyncInterval})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	slog.SetDefault(slog.New(jslog.New(j, &jslog.Options{SyncAt: slog.LevelError})))
	slog.Info("served", "path", "/", "ms", 12)
	slog.Error("the disk is failing", "disk", "sda")

	for rec, err := range j.Records(journal.Position{}) {
		if err != nil {
			log.Fatal(err)
		}
		_, line, _ := strings.Cut(string(rec.Value), ",") // behind the time
		fmt.Println(line)
	}
	// Output:
	// "level":"INFO","msg":"served","path":"/","ms":12}
	// "level":"ERROR","msg":"the disk is failing","disk":"sda"}
}

func Example_follow() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	for _, state := range []string{"open", "closed"} {
		if _, err := j.Append([]byte("door"), []byte(state)); err != nil {
			log.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var next journal.Position

	for rec, err := range j.Follow(ctx, next) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s\n", rec.Key, rec.Value)
		next = rec.Next // save it, and go on from there another day

		if string(rec.Value) == "closed" {
			break
		}
	}
	// Output:
	// door open
	// door closed
}
