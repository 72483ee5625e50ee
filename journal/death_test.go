package journal_test

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/manypen/manypen/journal"
)

func init() { roles["mortal"] = roleMortal }

// roleMortal appends from two goroutines, acknowledges every record on its
// standard output, and ends in the given way after some: DIR POLICY WAY.
func roleMortal(args []string) error {
	policy, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	j, err := journal.Open(args[0], journal.Options{Sync: journal.SyncPolicy(policy), SegmentSize: 64 << 10})
	if err != nil {
		return err
	}
	acks := make(chan journal.Ack)
	for range 2 {
		go func() {
			for {
				ack, err := j.AppendAck(nil, make([]byte, 3000))
				if err != nil {
					panic(err)
				}
				acks <- ack
			}
		}()
	}
	for i := 0; ; i++ {
		ack := <-acks
		fmt.Println(ack.Position, ack.Seq)
		if i < 60 {
			continue
		}
		switch args[2] {
		case "exit":
			os.Exit(0) // without Close
		case "panic":
			panic("the program has a bug")
		}
	}
}

// A program that dies in whatever way, under whatever policy, loses nothing that
// was acknowledged to it.
func TestDeaths(t *testing.T) {
	for _, policy := range []journal.SyncPolicy{journal.SyncAlways, journal.SyncInterval, journal.SyncNone} {
		for _, way := range []string{"killed", "panic", "exit"} {
			t.Run(fmt.Sprint(way, "/", policy), func(t *testing.T) {
				dir := t.TempDir()
				c := spawn(t, "mortal", dir, strconv.Itoa(int(policy)), way)
				var acked []string
				out := bufio.NewScanner(c.out)
				for out.Scan() {
					if acked = append(acked, out.Text()); way == "killed" && len(acked) == 60 {
						if err := c.cmd.Process.Kill(); err != nil {
							t.Fatal(err)
						}
					}
				}
				err := c.cmd.Wait()
				if (err == nil) != (way == "exit") || way == "panic" && !strings.Contains(c.err.String(), "the program has a bug") {
					t.Fatalf("%v: %s", err, c.err.String())
				}
				verify(t, dir)
				there := make(map[string]int)
				for _, rec := range all(t, dir) {
					there[fmt.Sprint(rec.Position, " ", rec.Seq)]++
				}
				for _, ack := range acked[:len(acked)-1] { // the last line may be cut short
					if there[ack] != 1 {
						t.Errorf("the acknowledged record %s is there %d times", ack, there[ack])
					}
				}
				if len(acked) < 60 {
					t.Errorf("%d records were acknowledged", len(acked))
				}
			})
		}
	}
}
