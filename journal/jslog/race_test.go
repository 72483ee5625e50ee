//go:build race

package jslog_test

func init() { raceEnabled = true }
