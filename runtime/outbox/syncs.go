package outbox

// Syncs bounds how many fsyncs run at once, over all logs that share it. Each
// one holds a thread of the operating system, and a disk gains nothing from
// more than some ten at a time: 200 logs that sync freely are no faster than
// 16, and need 200 threads.
type Syncs struct{ slots chan struct{} }

// NewSyncs allows n at once, at least one.
func NewSyncs(n int) *Syncs { return &Syncs{slots: make(chan struct{}, max(n, 1))} }

// do runs a sync in its turn. A nil Syncs knows no bound.
func (s *Syncs) do(sync func() error) error {
	if s == nil {
		return sync()
	}
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	return sync()
}
