// Package segment is the journal directory as files: their names, the identity
// of the journal, the header of a segment, creating and sealing one, and
// reading records over all of them (rules D1 to D6 of docs/CONCURRENCY.md).
//
// It joins package record, which knows bytes, and the file primitives of the
// host. It knows no control file and takes no part in deciding who syncs what;
// that is package writer's. Everything here needs read permission only, except
// [Create], [Copy], [Dir.WriteID] and [File.Seal].
package segment
