//go:build race

package vio

const raceEnabled = true
