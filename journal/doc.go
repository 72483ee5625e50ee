// Package journal is an append-only journal that any number of processes on
// one host write at the same time, without a daemon and without a lock per
// append.
//
// # Model
//
// A [Journal] is a directory of numbered segments. A [Record] has a key, a
// value, a time, the identity of its writer and a sequence that counts this
// writer's records from 1 without holes. Each append is one writev(2) on an
// O_APPEND file, so records of different processes never interleave. A
// [Position] names a record for ever.
//
// # Guarantees
//
//   - An append is acknowledged, that is, Append returns without an error, only
//     when its whole record is in the journal, at one place, contiguous.
//   - An acknowledged record survives the death of its writer and of every other
//     process. With [SyncAlways], or after [Journal.Sync], it survives the loss
//     of power too, and so does everything in front of it.
//   - Every reader in every process sees the same sequence of records: nothing
//     twice, nothing that was not appended.
//   - Damage costs only the records it touches, and is never silent: readers go
//     on behind it and report it ([Options].OnDamage), [Verify] accounts for
//     every byte.
//   - No process can block the others by dying.
//
// # Caveats
//
// Record.Writer and Seq, not contents, tell whether a record was appended
// twice. After [ErrOutcomeUnknown] a record may be in the journal. os.Exit and
// a killing signal tear an append that another goroutine is in, which costs
// that unacknowledged record; call [Journal.Close] first to let it end. Several
// writers need a local Linux file system (ext4, XFS, btrfs, tmpfs, overlayfs,
// f2fs); elsewhere a second writer is refused.
//
// # Logging
//
// Package journal/jslog is a handler for log/slog. [Journal.Writer] is an io.Writer
// for packages that log to one.
//
// # Concurrency
//
// A Journal may be used by any number of goroutines. Its iterators belong to
// one goroutine each.
//
// # Compatibility
//
// The format is specified in docs/FORMAT.md and has a version of its own. A
// newer one is refused by name ([ErrVersion]).
package journal
