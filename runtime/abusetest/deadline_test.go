package abusetest_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/abusetest"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestAbuseDeadlineOverrun: guests of cases 1 to 4 are ended at their deadline,
// not much later than a native goroutine beside them is woken by a timer for
// the same moment. Case 4 is case 1 with a garbage collection every 5 ms.
func TestAbuseDeadlineOverrun(t *testing.T) {
	const deadline = 50 * time.Millisecond
	kills := 6
	if full {
		kills = 100
	}
	n := newNode(t)
	spinners := abusetest.Spinners()
	for _, g := range spinners {
		n.overrun(t, g.Name, g, deadline, kills)
	}
	end := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-end:
				return
			default:
				runtime.GC()
				pause(t.Context(), 5*time.Millisecond)
			}
		}
	})
	n.overrun(t, "04 loop, and a GC every 5 ms", spinners[0], deadline, kills)
	close(end)
	group.Wait()
}

func (n *node) overrun(t *testing.T, name string, g abusetest.Guest, deadline time.Duration, kills int) {
	t.Helper()
	m := n.compile(g)
	var guests, natives []time.Duration
	for range kills {
		late := make(chan time.Duration)
		begin := time.Now()
		go func() {
			timer := time.NewTimer(deadline)
			defer timer.Stop()
			<-timer.C
			late <- time.Since(begin) - deadline
		}()
		took, err := n.call(t.Context(), m, g, deadline)
		guests = append(guests, took-deadline)
		natives = append(natives, <-late)
		if !fault.Is(err, fault.GuestDeadline) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	guest, native := abusetest.Sorted(guests), abusetest.Sorted(natives)
	t.Logf("%s: guest %s, p95 %s; native %s, p95 %s", name, guest, abusetest.Millis(guest.At(0.95)), native, abusetest.Millis(native.At(0.95)))
	over := guest.At(0.95) - native.At(0.95)
	judge(t, name[:2], "deadline overrun, p95 of kills: "+name[3:], "at most 10 ms beyond a native timer",
		abusetest.Millis(over)+" beyond "+abusetest.Millis(native.At(0.95)), over <= 10*time.Millisecond)
	if over > 250*time.Millisecond {
		t.Errorf("%s: %s beyond a native timer", name, over)
	}
}
