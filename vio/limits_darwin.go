package vio

import "math"

// MaxBytes is the largest number of bytes that one call moves. Darwin answers
// EINVAL to more than INT_MAX in total (write(2)).
const MaxBytes = math.MaxInt32
