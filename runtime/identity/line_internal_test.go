package identity

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestLineIsFair: many of one group hold up another's by one turn; who leaves is
// not waited for, and a full line sends the longest group's last away.
func TestLineIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l line
		var mu sync.Mutex
		var served []string
		refused := 0
		if err := l.take(t.Context(), "first"); err != nil {
			t.Fatal(err)
		}
		wait := func(ctx context.Context, group string) {
			go func() {
				err := l.take(ctx, group)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					if fault.Is(err, fault.LoginDelayed) {
						refused++
					}
					return
				}
				served = append(served, group)
				l.release()
			}()
			synctest.Wait()
		}
		for range maxWaiting - 1 {
			wait(t.Context(), "many")
		}
		gone, leave := context.WithCancel(t.Context())
		wait(gone, "gone")
		leave()
		synctest.Wait()
		for i := range 4 {
			wait(t.Context(), fmt.Sprint("one ", i))
		}
		if refused != 3 || l.waiting != maxWaiting {
			t.Errorf("%d were sent away, %d wait", refused, l.waiting)
		}
		l.release()
		synctest.Wait()
		if want := []string{"many", "one 0", "one 1", "one 2", "one 3", "many"}; !slices.Equal(served[:6], want) {
			t.Errorf("served %v", served[:6])
		}
		if len(served) != maxWaiting || l.waiting != 0 || l.busy || len(l.groups) != 0 {
			t.Errorf("%d were served, %d wait, busy %t", len(served), l.waiting, l.busy)
		}
	})
}
