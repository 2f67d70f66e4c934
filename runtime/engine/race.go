//go:build race

package engine

// raceEnabled says whether the race detector is built in.
const raceEnabled = true

// slowness is by how much longer a compilation may take under it.
const slowness = 10
