package host

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"testing"
)

func init() {
	// limit PATH SIZE BYTES: limits the process and writes the file.
	roles["limit"] = func(args []string) string {
		signal.Ignore(FileSizeSignal())
		size, err1 := strconv.ParseInt(args[1], 10, 64)
		count, err2 := strconv.Atoi(args[2])
		if err1 != nil || err2 != nil {
			return fmt.Sprint(err1, err2)
		}
		if err := LimitFileSize(size); err != nil {
			return err.Error()
		}
		f, err := os.Create(args[0])
		if err != nil {
			return err.Error()
		}
		n, err := f.Write(make([]byte, count))
		return fmt.Sprint(n, " ", err)
	}
}

func TestLimitFileSize(t *testing.T) {
	path := t.TempDir() + "/f"
	p := start(t, "limit")
	p.tell(path, 1000, 4096)
	if got := p.hear(); !strings.HasPrefix(got, "1000 ") || !strings.HasSuffix(got, "file too large") {
		t.Errorf("the write says %q", got)
	}
	if st, err := os.Stat(path); err != nil || st.Size() != 1000 {
		t.Errorf("the file: %v, %v", st, err)
	}
}

func TestKernelRelease(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skip("no /proc:", err)
	}
	if got, want := KernelRelease(), strings.TrimSpace(string(b)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
