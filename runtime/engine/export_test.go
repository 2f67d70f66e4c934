package engine

// RaceEnabled says whether the race detector is built in: it allocates.
const RaceEnabled = raceEnabled

// Computing is how many guests use up slices now.
func (e *Engine) Computing() int32 { return e.computing.Load() }

// Accounts is how many accounts there are.
func (e *Engine) Accounts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.accounts)
}

// Debts is how many forgotten accounts still owe something.
func (e *Engine) Debts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.debts)
}

// WaitingToCompile is how many accounts wait for a process that compiles.
func (e *Engine) WaitingToCompile() int {
	p := e.compiler.places
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queues)
}
