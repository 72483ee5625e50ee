package journal_test

import (
	"encoding/json"
	"expvar"
	"fmt"
	"log"

	"github.com/manypen/manypen/journal"
)

// The statistics of a handle among the variables of the process, which an HTTP server
// of it shows at /debug/vars.
func ExampleJournal_Var() {
	dir, remove := exampleDir()
	defer remove()

	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer j.Close()
	expvar.Publish("orders", j.Var())

	for i := range 3 {
		if _, err := j.Append([]byte("order"), fmt.Append(nil, i)); err != nil {
			log.Fatal(err)
		}
	}
	var s journal.Stats
	if err := json.Unmarshal([]byte(expvar.Get("orders").String()), &s); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Records, "records,", s.Syncs, "syncs")

	// Output:
	// 3 records, 3 syncs
}
