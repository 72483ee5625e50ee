package record

import "encoding/binary"

// xorStream applies the key stream of nonce to p; doing it twice restores p.
//
// The stream is that of splitmix64 (Steele, Lea, Flood 2014), its words
// little-endian. It hides a marker, nothing else: the nonce is the hash of a
// header whose time and writer cannot be foreseen, so a value that was made to
// contain the marker after masking misses.
func xorStream(p []byte, nonce uint64) {
	for ; len(p) >= 8; p = p[8:] {
		var w uint64
		nonce, w = splitmix(nonce)
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^w)
	}
	_, w := splitmix(nonce)
	for i := range p {
		p[i] ^= byte(w >> (8 * i))
	}
}

func splitmix(state uint64) (next, word uint64) {
	next = state + 0x9E3779B97F4A7C15
	z := next
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return next, z ^ z>>31
}
