// Package fuzz holds the fuzz tests of whole journal directories: a little
// program writes a journal with the real writer, ruins what lies on the disk,
// and then everything that reads or goes on writing must keep its promises.
//
// Other targets take the files themselves for their input (see archive_test.go): the
// engine changes bytes of headers, records and sidecars, and may have checksums made
// right again. What is read then is judged by the format alone.
//
// Parsers are fuzzed beside their code (package record); here it is about what
// files do to each other: a segment without a header next to one that is
// missing, a control file that speaks of segments that are gone, a journal.id
// that was lost in a directory with a stranger's segment in it.
package fuzz
