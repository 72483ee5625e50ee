//go:build !race

package vio

const raceEnabled = false
