package outbox

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// A log whose disk hangs is given up: who waits hears of it, nothing more is taken, and
// what was begun is as after a crash. The files are let go when the disk answers.
func TestAbandon(t *testing.T) {
	l, _, first, let := held(t, nil)
	behind := begin(t, l, blockOf("a", 2, 1, 1), true)
	closed := make(chan error, 1)
	go func() { closed <- l.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("closed while a block is under way: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if d := l.Writing(); d < 20*time.Millisecond {
		t.Errorf("writing for %s", d)
	}
	l.Abandon()
	l.Abandon()
	if d := l.Writing(); d != 0 {
		t.Errorf("still writing for %s", d)
	}
	wantKind(t, <-closed, fault.LogFailed)
	for _, p := range []Pending{first, behind} {
		_, err := p.Wait(t.Context())
		wantKind(t, err, fault.LogFailed)
	}
	if _, err := l.Begin(t.Context(), blockOf("a", 2, 0, 1), false); err == nil {
		t.Error("it takes more")
	}
	close(let)
	l.work.Wait()
	if head := l.Head(); head != 1 {
		t.Errorf("the head is %d: nobody was told of more", head)
	}
	eventually(t, "the files are let go", func() bool {
		again, err := Open(l.dir, small())
		if err != nil {
			return false
		}
		mustAppend(t, again, blockOf("a", 3, 0, 1))
		mustClose(t, again)
		return true
	})
}

// One that was given up closes at once.
func TestCloseOfAnAbandonedLog(t *testing.T) {
	l, _, first, let := held(t, nil)
	l.Abandon()
	wantKind(t, l.Close(), fault.LogFailed)
	_, err := first.Wait(t.Context())
	wantKind(t, err, fault.LogFailed)
	close(let)
	l.work.Wait()
}
