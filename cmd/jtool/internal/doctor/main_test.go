package doctor

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/manypen/manypen/cmd/jtool/internal/child"
)

// The test binary is the program whose processes make the experiments, too.
func TestMain(m *testing.M) {
	if i := slices.Index(os.Args, child.Command); i >= 0 {
		roles := Roles()
		if os.Getenv(liars) != "" {
			maps.Copy(roles, lies)
		}
		if err := child.Serve(context.Background(), os.Stdin, os.Stdout, roles, os.Args[i+1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Under the race detector every process would sleep for a second at its end.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func program(t *testing.T) child.Program {
	t.Helper()
	p, err := child.Of()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
