// Package jslog is a log/slog handler that writes to a journal, which any number
// of processes of one host may log to at the same time.
//
// # Model
//
// One call of a Logger is one record of the journal. Its value is byte for byte
// the line that slog.JSONHandler with the same options writes, without the
// newline; its position, writer and sequence say what a line in a file cannot:
// that it is whole, whose it is, and that none is missing in front of it. There
// is no rotation to get wrong; see journal.Options.Retention for what is kept.
//
// # Guarantees
//
//   - A record is there whole or not at all. It is never split, nor merged with
//     another one, whoever logs at the same time. One that the journal's
//     MaxRecord does not allow is refused with journal.ErrTooLarge and counted.
//   - Without a Buffer a record is in the journal when the call returns, and
//     survives any end of the process: os.Exit, panic, SIGKILL. It survives the
//     loss of power once it is synced: by Options.SyncAt, by Handler.Sync, or as
//     the journal's Options.Sync says.
//   - The records of a goroutine are in the order of its calls. A batch of a Buffer
//     keeps the order of all calls of its handler.
//   - Errors do not vanish, though slog discards them: Options.OnError is told,
//     Handler.Stats counts, and when appends succeed again the journal itself says
//     how many records it lacks.
//
// # The notice
//
// That is a record of level WARN with the message "dropped N" and an attribute
// "dropped" of N, where N is the number of records that were dropped by Overflow
// or have failed since the last notice. It is made by the same options as every
// other one and has no attributes or groups of WithAttrs and WithGroup. It is
// appended behind the first record, or the first flush of the buffer, that
// succeeds again, and by Flush, Sync and Close, once for each N. Records of unknown outcome
// (journal.ErrOutcomeUnknown) do not count in N: they may be there. If the process
// ends before a notice was appended, nobody says that records are missing.
//
// # Caveats
//
// With a Buffer the end of a process without Close or Flush loses what is in it;
// see [Buffer]. The time in front of a buffered record is that of its batch; its
// own time is in the line. In two places slog.JSONHandler of Go 1.26 writes what
// is not JSON, and this package does not follow it: behind a group whose
// attributes are all empty, or taken away by ReplaceAttr, it leaves out a comma,
// and tells ReplaceAttr that the group were still open; and it writes a time whose
// year has more than four digits twice, as an error and as a time. Here the group
// is gone, and the error stands alone.
package jslog
