package where_test

import (
	"fmt"
	"time"

	"github.com/manypen/manypen/cmd/jtool/internal/where"
	"github.com/manypen/manypen/journal"
)

func ExampleParse() {
	e, err := where.Parse(`.level = error and not (.status < 500 or key ~ ^debug/)`, where.Options{Now: time.Now()})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, value := range []string{`{"level":"error","status":503}`, `{"level":"error","status":404}`, `{"level":"error"}`, `no JSON`} {
		fmt.Println(e.Match(&journal.Record{Kind: journal.KindData, Value: []byte(value)}), value)
	}
	_, err = where.Parse(".level =", where.Options{})
	fmt.Println(err)
	// Output:
	// true {"level":"error","status":503}
	// false {"level":"error","status":404}
	// true {"level":"error"}
	// false no JSON
	// column 9: want a value after '='
	//   .level =
	//           ^
}

func ExampleAnd() {
	e, err := where.Parse("size < 100", where.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := where.Grep([]string{"error"}, []string{"retry"})
	if err != nil {
		fmt.Println(err)
		return
	}
	m := where.And(e, g)
	for _, value := range []string{"an ERROR", "an error, retrying"} {
		fmt.Println(m.Match(&journal.Record{Kind: journal.KindData, Value: []byte(value)}), value)
	}
	// Output:
	// true an ERROR
	// false an error, retrying
}
