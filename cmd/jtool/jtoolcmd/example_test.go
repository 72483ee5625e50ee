package jtoolcmd_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/manypen/manypen/cmd/jtool/jtoolcmd"
	"github.com/manypen/manypen/journal"
)

// A program that keeps a journal mounts the tool under a command of its own, with a
// decoder of what it stores: here a temperature in a byte.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "journal")
	j, err := journal.Open(path, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := j.Append([]byte{7}, []byte{21}); err != nil {
		log.Fatal(err)
	}
	if err := j.Close(); err != nil {
		log.Fatal(err)
	}

	app := &cobra.Command{Use: "thermostat"}
	app.AddCommand(jtoolcmd.New(jtoolcmd.Options{
		Name: "journal",
		Decode: func(r journal.Record) (key, value string) {
			return fmt.Sprintf("room %d", r.Key[0]), fmt.Sprintf("%d °C", r.Value[0])
		},
	}))
	app.SetArgs([]string{"journal", "dump", path, "--template", "{{.Key}}: {{.Value}}"})
	if err := app.Execute(); err != nil {
		if err.Error() != "" {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(jtoolcmd.ExitCode(err))
	}
	// Output: room 7: 21 °C
}
