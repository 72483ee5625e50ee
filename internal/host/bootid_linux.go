package host

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
)

const bootIDFile = "/proc/sys/kernel/random/boot_id"

var errBootID = errors.New("not a boot id")

// BootID is the number that the kernel drew when it started. What was written
// under the same number may still be in memory only; what was written under
// another one has come from the disk (V5). It is not kept between calls: a
// process can be carried into another boot.
func BootID() ([16]byte, error) {
	text, err := os.ReadFile(bootIDFile)
	if err != nil {
		return [16]byte{}, err
	}
	id, ok := parseBootID(text)
	if !ok {
		return [16]byte{}, pathError("read", bootIDFile, errBootID)
	}
	return id, nil
}

// parseBootID reads 8-4-4-4-12 hexadecimal digits. Zero is refused: it would
// make all boots of a system that has no number the same one.
func parseBootID(text []byte) (id [16]byte, ok bool) {
	text = bytes.TrimSuffix(text, []byte("\n"))
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return id, false
	}
	digits := bytes.ReplaceAll(text, []byte("-"), nil)
	if len(digits) != 32 {
		return id, false
	}
	_, err := hex.Decode(id[:], digits)
	return id, err == nil && id != [16]byte{}
}
