package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// R5, V5: bytes are on disk before they have a name; a cache may have its name before.
func TestPublishIsSynced(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed:", err)
	}
	if err := exec.Command(strace, "-f", "-o", "/dev/null", "true").Run(); err != nil {
		t.Skip("strace may not trace here:", err)
	}
	for operation, naming := range map[string]string{"publish": "linkat(", "temporary": "linkat(", "replace": "renameat"} {
		path := t.TempDir()
		newFile(t, openDir(t, path), "seg", "text", os.O_RDONLY)
		log := filepath.Join(t.TempDir(), "log")
		cmd := exec.Command(strace, "-f", "-qq", "-o", log, "-e", "trace=fsync,linkat,renameat,renameat2", os.Args[0])
		cmd.Env = append(os.Environ(), roleVar+"="+victim)
		cmd.Stdin = strings.NewReader(operation + " " + path + "\n")
		if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != "0 leaked, <nil>, error <nil>" {
			t.Fatalf("%s: %s, %v", operation, out, err)
		}
		trace, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		sync, name := strings.Index(string(trace), "fsync("), strings.Index(string(trace), naming)
		if sync < 0 || name < 0 || name < sync {
			t.Errorf("%s: no fsync in front of the naming:\n%s", operation, trace)
		}
	}
}
