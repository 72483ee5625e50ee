package vio

// MaxBytes is the largest number of bytes that one call moves. The os package
// cuts longer writes into several calls of WriteFile, 1 GiB each, and then
// they would not be one piece any more.
const MaxBytes = 1 << 30
