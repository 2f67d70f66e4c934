//go:build race

package api

// raceDetector says that everything takes several times as long.
const raceDetector = true
