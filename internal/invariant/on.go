//go:build invariants || race

package invariant

// Enabled reports whether invariants are checked.
const Enabled = true
