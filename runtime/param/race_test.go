//go:build race

package param_test

// raceDetector says that everything takes several times as long.
const raceDetector = true
