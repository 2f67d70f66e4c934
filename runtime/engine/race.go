//go:build race

package engine

// raceEnabled says whether the race detector is built in.
const raceEnabled = true
