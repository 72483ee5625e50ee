// Package record defines the bytes of a journal record: how one is encoded for
// a gathered write, how any bytes are parsed without trusting them, and how a
// scanner reads on behind whatever damage lies between two records.
//
// The package is pure: it opens no file, takes no lock, reads no clock and
// starts no goroutine. The layout itself is specified in docs/FORMAT.md, which
// a test holds against the constants of this package.
//
// # Model
//
// Every segment of a journal has a [Frame]: an eight-byte marker, which every
// record of that segment begins with, and a seed for its checksums. A [Header]
// follows the marker and has a checksum of its own, because a length must not
// be believed before it has been verified. Key, value and a checksum over
// everything follow. No payload ever contains the marker of its segment: the
// encoder masks one that does, and a reader believes no record that contains
// it. Nor can the bytes behind a torn record complete it. Whoever
// finds a valid header has therefore found the beginning of a record, wherever
// he started to look, and a record that was stored as the value of another one
// can never come to light.
//
// A batch is one record of [KindBatch] whose value is a list of entries, so
// that it is valid as a whole or not at all.
//
// # Guarantees
//
// Parsing is total: every function here accepts any bytes, allocates nothing
// that the bytes have chosen and ends after work linear in their number.
//
// # Concurrency
//
// A Frame and a Header are values. A [Buffer] and a [Scanner] belong to one
// goroutine at a time.
package record
