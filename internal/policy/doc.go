// Package policy holds the rules of this repository that a test can enforce:
// who may import whom, where system calls and build tags may stand, that every
// package explains itself, how long a file or a function may be. It has no code
// of its own; nobody imports it.
package policy
