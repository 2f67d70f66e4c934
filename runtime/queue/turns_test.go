package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/queue"
)

// fair is a purse that keeps places.
type fair struct{ *capability.Room }

var _ capability.Turns = fair{}

func (fair) Request(context.Context) (func(), error) { return func() {}, nil }

func (p fair) Hold(n int64) error {
	if !p.Room.Hold(n) {
		return fault.New(fault.Exhausted, "empty")
	}
	return nil
}

// TestLargeBesideMany: queues that are filled again as soon as something is taken from
// them leave a large event of another one its turn, however they are filled.
func TestLargeBesideMany(t *testing.T) {
	t.Run("put", func(t *testing.T) {
		largeBesideMany(t, func(q *queue.Queue[int], e capability.Event) bool { return q.TryPut(e, 0) })
	})
	t.Run("added", func(t *testing.T) {
		largeBesideMany(t, func(q *queue.Queue[int], e capability.Event) bool {
			if !q.HasRoom(len(e.Data)) {
				return false
			}
			q.Add(e, 0)
			return true
		})
	})
}

func largeBesideMany(t *testing.T, fill func(*queue.Queue[int], capability.Event) bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		const small, large = 60_000, 900_000
		p := fair{capability.NewRoom(4 << 20)}
		flooded := make([]*queue.Queue[int], 4)
		for i := range flooded {
			flooded[i] = queue.New[int](queue.Config{Events: 1 << 20, Bytes: 8 << 20, Purse: p})
			for fill(flooded[i], sized(small)) {
				continue
			}
		}
		q := queue.New[int](queue.Config{Events: 100, Bytes: 1 << 20, Purse: p})
		put := make(chan error, 1)
		go func() { put <- q.Put(t.Context(), sized(large), 0) }()
		rounds := 0
		for ; len(put) == 0 && rounds < 200; rounds++ {
			for _, f := range flooded {
				f.Ack(len(f.Take(nil, 1, 1<<20)))
				for fill(f, sized(small)) {
					continue
				}
			}
			<-time.After(20 * time.Millisecond)
			synctest.Wait()
		}
		if len(put) == 0 {
			t.Errorf("a large event does not get in in %d rounds", rounds)
		}
		through := 0 // and the others go on behind it
		for range 200 {
			for _, f := range flooded {
				f.Ack(len(f.Take(nil, 1, 1<<20)))
				if fill(f, sized(small)) {
					through++
				}
			}
			<-time.After(20 * time.Millisecond)
		}
		if through < 200 {
			t.Errorf("%d small events came behind the large one", through)
		}
		q.End()
		for _, f := range flooded {
			f.End()
		}
		if <-time.After(2 * time.Second); p.Held() != 0 || p.Awaited() {
			t.Errorf("%d bytes are held by nobody; awaited: %v", p.Held(), p.Awaited())
		}
	})
}

// TestPlaceEndsWithContext: who gives up waiting keeps nobody from the purse.
func TestPlaceEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all = 1 << 20
		p := fair{capability.NewRoom(all)}
		if err := p.Hold(all / 2); err != nil {
			t.Fatal(err)
		}
		q := queue.New[int](queue.Config{Events: 100, Bytes: 1 << 20, Purse: p})
		ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
		defer cancel()
		if err := q.Put(ctx, sized(900_000), 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		other := queue.New[int](queue.Config{Events: 100, Bytes: 1 << 20, Purse: p})
		if p.Awaited() || !other.TryPut(sized(200_000), 0) {
			t.Error("who does not wait any more has a place")
		}
	})
}

// TestAddPassesWhoWaits: what is in a queue already is drawn at once, and whoever adds
// it has no place among those who wait.
func TestAddPassesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all = 1 << 20
		p := fair{capability.NewRoom(all)}
		if err := p.Hold(all / 2); err != nil {
			t.Fatal(err)
		}
		cfg := queue.Config{Events: 100, Bytes: 2 << 20, Purse: p}
		waits, adds := queue.New[int](cfg), queue.New[int](cfg)
		defer waits.End()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- waits.Put(ctx, sized(900_000), 0) }()
		synctest.Wait()
		adds.Add(sized(200_000), 0)
		if held := p.Held(); held < all/2+128<<10 {
			t.Errorf("%d bytes are held of a purse: what was added is not drawn", held)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		adds.Add(sized(900_000), 0) // more than there is
		if p.Awaited() {
			t.Error("whoever has added an event has a place in the purse")
		}
		adds.End()
		if held := p.Held(); held != all/2 {
			t.Errorf("%d bytes are held by nobody", held-all/2)
		}
	})
}
