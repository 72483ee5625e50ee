//go:build !linux || vio_portable

package vio

const portable = true
