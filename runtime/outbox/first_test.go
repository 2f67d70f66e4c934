package outbox

import "testing"

// The first block of a log counts from when it is durable: a reader that comes
// while it is on its way begins with it.
func TestFirstBlockIsNotPassedOver(t *testing.T) {
	l := mustOpen(t, t.TempDir(), small())
	l.mu.Lock()
	l.next++ // as the committer does before it writes
	l.mu.Unlock()
	if first := l.First(); first != 1 {
		t.Errorf("an empty log begins at block %d", first)
	}
	l.mu.Lock()
	l.next--
	l.mu.Unlock()
}
