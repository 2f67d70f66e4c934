package engine

// RaceEnabled says whether the race detector is built in: it allocates.
const RaceEnabled = raceEnabled

// Computing is how many guests use up slices now.
func (e *Engine) Computing() int32 { return e.computing.Load() }
