package main

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strconv"
)

// Limits of the two numbers in a line.
const (
	maxProcs = 99
	maxLines = 50_000_000
)

// A line is
//
//	PP NNNNNNNNN xxxx...xxxx CCCCCCCC
//
// with the number of the process, that of the line, 37 to 59 letters and the
// CRC-32 of all that. Lines of several lengths matter: if all were equally long, a
// line written over another would leave no trace.
const (
	minPad  = 37
	padKind = 23 // lengths
)

// appendLine appends line n of process p to b, with its line end.
func appendLine(b []byte, p, n int) []byte {
	start := len(b)
	b = appendNumber(b, p, 2)
	b = append(b, ' ')
	b = appendNumber(b, n, 9)
	b = append(b, ' ')
	for i := range minPad + (n*7+p)%padKind {
		b = append(b, 'a'+byte((i+n+p)%26))
	}
	b = append(b, ' ')
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b[start:]))
	b = hex.AppendEncode(b, sum)
	return append(b, '\n')
}

func appendNumber(b []byte, n, width int) []byte {
	text := strconv.Itoa(n)
	for range width - len(text) {
		b = append(b, '0')
	}
	return append(b, text...)
}

// parseLine returns the numbers of a line without its end, and whether it is one.
func parseLine(b []byte) (p, n int, ok bool) {
	if len(b) < 13 || b[2] != ' ' || b[12] != ' ' {
		return 0, 0, false
	}
	p, err := strconv.Atoi(string(b[:2]))
	if err != nil {
		return 0, 0, false
	}
	if n, err = strconv.Atoi(string(b[3:12])); err != nil {
		return 0, 0, false
	}
	var buffer [128]byte
	want := appendLine(buffer[:0], p, n)
	return p, n, string(want[:len(want)-1]) == string(b)
}
