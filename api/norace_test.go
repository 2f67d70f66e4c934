//go:build !race

package api

// raceDetector says that nothing takes longer than it has to.
const raceDetector = false
