package host

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
)

// LockDirHolders names the processes that hold the lock of a directory, as
// "1234 (name)", to tell a user whom he waits for. It is a guess at one moment: who
// locks in another namespace of processes is not seen, and neither is who has gone.
func LockDirHolders(dir *os.File) (holders []string, err error) {
	st, err := StatFile(dir)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil, err
	}
	for _, pid := range flockHolders(text, st.Ino) {
		name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
		if err != nil {
			continue // it has ended
		}
		holders = append(holders, strconv.Itoa(pid)+" ("+strings.TrimSpace(string(name))+")")
	}
	return holders, nil
}

// flockHolders returns the processes that hold a lock by flock on a file with that
// inode number, by the lines of /proc/locks (proc_pid_locks(5) has the form):
//
//	1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
//	1: -> FLOCK  ADVISORY  WRITE 99 fe:00:5678 0 EOF
//
// A line with an arrow is of one who waits. The device is not compared: btrfs and
// overlayfs show another one there than stat does.
func flockHolders(text []byte, inode uint64) (pids []int) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" {
			continue
		}
		place := strings.Split(f[5], ":")
		pid, err := strconv.Atoi(f[4])
		if err == nil && pid > 0 && place[len(place)-1] == strconv.FormatUint(inode, 10) {
			pids = append(pids, pid)
		}
	}
	return pids
}
