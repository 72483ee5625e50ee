package host

import (
	"os"
	"testing"
)

// eachWay runs a test once for every way in which Publish can make a file.
func eachWay(t *testing.T, run func(t *testing.T)) {
	for _, way := range []string{"unnamed", "unnamed without proc", "temporary name"} {
		t.Run(way, func(t *testing.T) {
			useWay(way)
			defer useWay("unnamed")
			run(t)
		})
	}
}

func useWay(way string) {
	unnamedFiles, procFD = way != "temporary name", "/proc/self/fd"
	if way == "unnamed without proc" {
		procFD = "/proc/self/nothing"
	}
}

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
