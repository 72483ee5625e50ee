package doctor

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"

	"github.com/manypen/manypen/journal"
)

// valueOf is the value that every process gives to a key: it depends on nothing
// else, so that a reader knows what must be there.
func valueOf(key string, size int) []byte {
	h := fnv.New64a()
	h.Write([]byte(key)) // a hash does not fail
	rng := rand.New(rand.NewPCG(h.Sum64(), uint64(size)))
	b := make([]byte, (size+7)/8*8)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b[:size]
}

// keyOf names the n-th record of a process, with the size of its value.
func keyOf(name string, n, size int) string { return fmt.Sprintf("%s/%d/%d", name, n, size) }

// genuine reports whether a record has a key as of keyOf, and the value of that.
func genuine(key string, value []byte) bool {
	var n, size int
	i := strings.IndexByte(key, '/')
	if i < 0 {
		return false
	}
	if c, err := fmt.Sscanf(key[i:], "/%d/%d", &n, &size); c != 2 || err != nil || size != len(value) {
		return false
	}
	return bytes.Equal(value, valueOf(key, size))
}

// digest sums up a sequence of records, with all that a reader is told of each.
type digest struct {
	count int
	sum   [sha256.Size]byte
}

func (d *digest) add(r *journal.Record) {
	value := sha256.Sum256(r.Value)
	line := fmt.Appendf(nil, "%x %v %v %d %d %d %v %q %x", d.sum, r.Position, r.Next, r.Time.UnixNano(), r.Writer, r.Seq, r.Kind, r.Key, value)
	d.sum = sha256.Sum256(line)
	d.count++
}

func (d *digest) String() string { return fmt.Sprintf("%d %x", d.count, d.sum) }
