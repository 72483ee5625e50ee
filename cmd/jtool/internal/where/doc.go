// Package where is the filter language of jtool: a boolean expression over the
// records of a journal.
//
//	kind = data and (.level = error or .status >= 500) and not key ~ '^debug/'
//
// # Grammar
//
//	expr  = and { ("or" | "||") and }
//	and   = not { ("and" | "&&") not }
//	not   = { "not" | "!" } ( "(" expr ")" | test )
//	test  = FIELD ("=" | "!=" | "<" | "<=" | ">" | ">=") VALUE
//	      | FIELD ("~" | "!~") PATTERN
//	      | FIELD ["not"] "contains" VALUE
//	      | FIELD ["not"] "in" "(" VALUE { "," VALUE } ")"
//	      | FIELD ["not"] "exists"
//
// "==" and "=~" are other ways to write "=" and "~". Words such as "and" may be
// written in capitals.
//
// FIELD is key, value, time, writer, seq, kind, position, segment, size (the bytes
// of key and value together), or a path into a value that is JSON: .level,
// .user.name, .items[0].id, ."odd name". The path "." is the whole document.
//
// VALUE is a bare word, or text in 'single' or "double" quotes, in which a
// backslash begins an escape: \\ \' \" \n \r \t \xFF (any byte) \u00E9
// \U0001F642. PATTERN is the same, but in quotes a backslash that does not stand
// in front of a quote is left to the regular expression, which has the syntax of
// RE2 (package regexp/syntax).
//
// # What is true
//
// There are two truth values, not three. A test whose field is missing, or of a
// type that cannot be compared with the value, is false. The tests with a
// negation in them (!=, !~, not in, not contains, not exists) are exactly the
// opposite of those without. So for a record without .a
//
//	.a = 1               is false
//	.a < 1               is false, and .a >= 1 too
//	not .a = 1           is true
//	.a != 1              is true: it means the same
//	.a exists and .a != 1   is false
//
// Only the last one asks for records that have an .a, which is not 1.
//
// # Types
//
// Key and value are bytes. Whatever VALUE looks like, they are compared with its
// text, byte by byte. An empty key is a key and exists; the value of a deletion
// does not. time takes what jtool's --since takes, size what its sizes are
// (4KiB), writer a writer as jtool prints it, position SEGMENT:OFFSET or
// SEGMENT:OFFSET+INDEX, kind data or delete.
//
// A path has a field only if the whole value is JSON (RFC 8259, as encoding/json
// judges it, with no more than 10,000 levels). Of several members of one name
// the last one counts. The form of VALUE says what the field is compared with:
//
//   - A bare number (42, -1.5e3), or a bare size with a unit (4KiB), is compared
//     with a JSON number, exactly, however many digits there are. The text "42"
//     is not equal to 42. With an exponent beyond 10^18 it is no number here.
//   - Bare true, false and null are compared with these, for equality only.
//   - A bare time in full (2024-05-06T07:08:09Z), or one that begins with @ or is
//     a duration with a minus in front (-10m), is compared with a JSON string
//     that is a time of RFC 3339. A number in JSON is never a time: nobody knows
//     its unit.
//   - Everything else, and everything in quotes, is compared with a JSON string,
//     byte by byte, after its escapes have been replaced.
//
// Regular expressions look at strings, and at numbers, true and false as they are
// written. They see UTF-8, and any other byte as U+FFFD. contains looks for a
// piece of such a text, or for an equal element of an array; sizes and times are
// plain text to it. An object and an array are equal to nothing.
//
// # Cost
//
// Tests that are cheap are made first, whatever their order in the text. The value
// is checked to be JSON at most once for a record, and only if the cheaper tests
// have not decided. Nothing takes more than time linear in the size of the record
// for each test of the expression.
package where
