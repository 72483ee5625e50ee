// Package writer is one appending handle of a journal: how records of many
// processes get into it, and onto the disk, without a daemon and without a lock
// per append. It is the protocol of docs/CONCURRENCY.md in code; comments name
// the step they carry out:
//
//	A1-A5  append            append.go
//	R1-R8  roll, switch      roll.go
//	S1-S7  sync              sync.go
//	O1     open              attach.go
//	V1-V8  recover           recover.go
//	T1     retention         prune.go
//
// The rules for readers (D1-D6) are package segment's, the shared words package
// control's. F1 is Go's: every descriptor here is close-on-exec, and Go starts
// no child that goes on without exec.
//
// # Locks
//
// In the order in which they are taken: Writer.mu, Writer.syncMu, and then one
// of the sync lock and the directory lock, which are never held together.
package writer
