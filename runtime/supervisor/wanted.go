package supervisor

// Wants reports whether a connector of this id, whoever's, is to run: also while it
// starts, or waits to be started again.
func (s *Supervisor) Wants(connector string) bool {
	for _, t := range s.Tenants() {
		t.mu.Lock()
		_, wanted := t.runners[connector]
		t.mu.Unlock()
		if wanted {
			return true
		}
	}
	return false
}
