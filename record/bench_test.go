package record

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
)

// BenchmarkScan reads a segment of a million records of 100 bytes each (value)
// out of memory, checksums verified.
func BenchmarkScan(b *testing.B) {
	const records, size = 1_000_000, 100
	f := testFrame()
	var enc Buffer
	var seg []byte
	value := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{1})
	for i := range records {
		rng.Read(value)
		h := Header{Kind: KindData, Time: int64(i), Writer: 7, Seq: uint64(i) + 1}
		vec, err := enc.Encode(&f, &h, nil, value)
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range vec {
			seg = append(seg, p...)
		}
	}
	r := bytes.NewReader(seg)
	b.SetBytes(int64(len(seg)))
	for b.Loop() {
		s := NewScanner(r, ScannerOptions{Frame: f, Limit: int64(len(seg)), Reuse: true})
		s.See(int64(len(seg)), true)
		n := 0
		for ev := (Event{}); ; n++ {
			if err := s.Next(&ev); err == io.EOF {
				break
			} else if err != nil || ev.Class != Whole || len(ev.Value) != size {
				b.Fatal(n, ev.Class, err)
			}
		}
		if n != records {
			b.Fatalf("%d records, want %d", n, records)
		}
	}
	b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkEncode(b *testing.B) {
	f := testFrame()
	key := []byte("account/1234")
	for _, size := range []int{100, 1 << 10, 64 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			value := make([]byte, size)
			rand.NewChaCha8([32]byte{2}).Read(value)
			var enc Buffer
			h := Header{Kind: KindData, Writer: 7}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				h.Time++
				h.Seq++
				if _, err := enc.Encode(&f, &h, key, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
