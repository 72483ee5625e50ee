package vio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

func init() { children["writer"] = writerChild }

const (
	writers       = 4
	recordsEach   = 300
	goroutineEach = 2
	recordHeader  = 12 // writer, sequence number, length of what follows the header
	recordTrailer = 4  // checksum of header and body
)

// Several processes append records of 16 bytes to 12 KB, four pieces each, to
// one file, each of them from two goroutines that share an os.File:
//
//	process 0   A0 A1 B0 A2 ...
//	process 1   A0 B0 B1 A1 ...     any order among the eight, but within one
//	  ...                           of them ascending; no record in another
//
// The race detector does not see other processes, so this runs without it too.
func TestProcesses(t *testing.T) {
	if runtime.GOOS == "plan9" || runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		t.Skip("no atomic append or no processes")
	}
	path := filepath.Join(t.TempDir(), "log")
	var cmds []*exec.Cmd
	outs := make([]bytes.Buffer, writers)
	for i := range writers {
		cmd := child(t, "writer", path, strconv.Itoa(i))
		cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("writer %d: %v\n%s", i, err, outs[i].Bytes())
		}
	}
	checkLog(t, path)
}

func checkLog(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var next [writers * goroutineEach]uint32
	for off := 0; off < len(b); {
		if len(b)-off < recordHeader {
			t.Fatalf("at %d: %d bytes are left", off, len(b)-off)
		}
		h := b[off:]
		writer, seq, n := binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:]), binary.LittleEndian.Uint32(h[8:])
		if int(writer) >= len(next) || int64(n) > int64(len(h)-recordHeader) || n < recordTrailer {
			t.Fatalf("at %d: no record: writer %d, length %d", off, writer, n)
		}
		end := recordHeader + int(n) - recordTrailer
		if crc32.ChecksumIEEE(h[:end]) != binary.LittleEndian.Uint32(h[end:]) {
			t.Fatalf("at %d: writer %d, record %d: checksum wrong", off, writer, seq)
		}
		if seq != next[writer] {
			t.Fatalf("at %d: writer %d has record %d, want %d", off, writer, seq, next[writer])
		}
		next[writer]++
		off += recordHeader + int(n)
	}
	for writer, n := range next {
		if n != recordsEach {
			t.Errorf("writer %d: %d records, want %d", writer, n, recordsEach)
		}
	}
}

func writerChild(args []string) error {
	id, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	f, err := openAppend(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	done := make(chan error, goroutineEach)
	for g := range goroutineEach {
		go func() { done <- writeRecords(f, uint32(id*goroutineEach+g)) }()
	}
	for range goroutineEach {
		if err := <-done; err != nil {
			return err
		}
	}
	return nil
}

func writeRecords(f *os.File, writer uint32) error {
	r := rand.New(rand.NewPCG(uint64(writer), 1))
	body := pattern(12<<10, uint64(writer))
	for seq := range uint32(recordsEach) {
		key, value := body[:r.IntN(64)], body[:r.IntN(len(body))]
		var header [recordHeader]byte
		binary.LittleEndian.PutUint32(header[0:], writer)
		binary.LittleEndian.PutUint32(header[4:], seq)
		binary.LittleEndian.PutUint32(header[8:], uint32(len(key)+len(value)+recordTrailer))
		sum := crc32.ChecksumIEEE(header[:])
		sum = crc32.Update(sum, crc32.IEEETable, key)
		sum = crc32.Update(sum, crc32.IEEETable, value)
		trailer := binary.LittleEndian.AppendUint32(nil, sum)
		if _, err := Appendv(f, [][]byte{header[:], key, value, trailer}); err != nil {
			return fmt.Errorf("record %d: %w", seq, err)
		}
	}
	return nil
}
