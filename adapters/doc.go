// Package adapters shows, in its examples, how the log libraries that many
// programs use write to a journal. Most of them need nothing but the writer that
// journal.Journal.Writer returns, or the handler of package jslog; for zap and
// zerolog the packages zaplog and zerologw let the level of an entry decide
// whether the call waits for the disk.
//
// A line that a library writes is one record, whole or not at all, and without
// its newline, whichever other processes log at the same time. Errors of a write
// are seen by journal.WriterOptions.OnError: libraries discard them, or print
// them.
package adapters
