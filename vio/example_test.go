package vio_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/manypen/manypen/vio"
)

// A record of a log: header, key, value and checksum, from four places in
// memory to the end of the file with one system call.
func ExampleAppendv() {
	dir, err := os.MkdirTemp("", "vio")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	key, value := []byte("pen"), []byte("writes on many pages")
	header := binary.LittleEndian.AppendUint32(nil, uint32(len(key)))
	header = binary.LittleEndian.AppendUint32(header, uint32(len(value)))
	sum := crc32.ChecksumIEEE(header)
	sum = crc32.Update(sum, crc32.IEEETable, key)
	sum = crc32.Update(sum, crc32.IEEETable, value)

	n, err := vio.Appendv(f, [][]byte{header, key, value, binary.LittleEndian.AppendUint32(nil, sum)})
	switch {
	case errors.Is(err, io.ErrShortWrite):
		// n bytes of the record are in the file and stay there. Do not write
		// the rest: repeat the record as a whole, and let readers skip this one.
		log.Fatal(err)
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println("wrote", n, "bytes")
	// Output: wrote 35 bytes
}

// Reading back into the places where the parts are wanted.
func ExampleReadvFullAt() {
	f, err := os.CreateTemp("", "vio")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteString("head, then the body"); err != nil {
		log.Fatal(err)
	}

	head, body := make([]byte, 4), make([]byte, 8)
	n, err := vio.ReadvFullAt(f, [][]byte{head, body}, 0)
	fmt.Printf("%d %v %q %q\n", n, err, head, body)

	n, err = vio.ReadvFullAt(f, [][]byte{head, body}, 15)
	fmt.Println(n, errors.Is(err, io.ErrUnexpectedEOF))
	n, err = vio.ReadvFullAt(f, [][]byte{head, body}, 100)
	fmt.Println(n, err)
	// Output:
	// 12 <nil> "head" ", then t"
	// 4 true
	// 0 EOF
}
