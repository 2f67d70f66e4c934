package api

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

func TestTurnsAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns("things", 2, 10*time.Second)
		first, err := turns.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second, err := turns.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		time.AfterFunc(3*time.Second, first)
		third, err := turns.take(t.Context())
		if waited := time.Since(began); err != nil || waited != 3*time.Second {
			t.Fatalf("a turn that is given back is taken: %v after %s", err, waited)
		}
		first() // again, and it counts once

		began = time.Now()
		_, err = turns.take(t.Context())
		if waited := time.Since(began); !fault.Is(err, fault.Exhausted) || waited != 10*time.Second || fault.Of(err).RetryAfter == 0 {
			t.Errorf("%v after %s", err, waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if _, err = turns.take(ctx); !fault.Is(err, fault.Timeout) || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		second()
		if _, err = turns.take(ctx); !fault.Is(err, fault.Timeout) {
			t.Errorf("who is gone takes a turn: %v", err)
		}
		third()
		if n := len(turns.taken); n != 0 {
			t.Errorf("%d turns are taken after all have ended", n)
		}
	})
}
