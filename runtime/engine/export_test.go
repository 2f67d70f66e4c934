package engine

// RaceEnabled says whether the race detector is built in: it allocates.
const RaceEnabled = raceEnabled
