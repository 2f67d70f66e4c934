//go:build !linux

package engine_test

// noExecutable is for Linux alone.
func noExecutable([]string) int { return 1 }
