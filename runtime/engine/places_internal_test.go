package engine

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// site has places, and notes who compiled and in which order.
type site struct {
	*places

	all sync.WaitGroup
	mu  sync.Mutex
	log []string // accounts, as they got their places
}

func (p *places) heldBy(account string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[account]
}

// compile takes a place for so long, and answers what that cost.
func (s *site) compile(t *testing.T, account string, took time.Duration) (wanted *time.Duration) {
	t.Helper()
	one := new(turn)
	s.want(one, account)
	return s.compileTurn(t, one, took)
}

func (s *site) compileTurn(t *testing.T, one *turn, took time.Duration) (wanted *time.Duration) {
	t.Helper()
	wanted = new(time.Duration)
	s.all.Go(func() {
		leave, err := s.take(t.Context(), one)
		if err != nil {
			t.Error(err)
			return
		}
		s.mu.Lock()
		s.log = append(s.log, one.account)
		s.mu.Unlock()
		time.Sleep(took) //nolint:forbidigo // the bubble's clock
		*wanted = leave()
	})
	synctest.Wait() // it has its place, or waits
	return wanted
}

// TestAFloodHoldsUpAnotherByOneCompilation: who has a hundred modules to compile
// has both places while nobody else wants one, and one while somebody does.
func TestAFloodHoldsUpAnotherByOneCompilation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{places: newPlaces(2)}
		const long = 90 * time.Second
		for range 100 {
			s.compile(t, "flood", long)
		}
		if n := s.heldBy("flood"); n != 2 {
			t.Fatalf("it has %d places, which nobody else wants", n)
		}
		time.Sleep(30 * time.Second) //nolint:forbidigo // the bubble's clock
		began := time.Now()
		for range 3 { // one after the other, as they are uploaded
			leave, err := s.take(t.Context(), wanted(s.places, "other"))
			if err != nil {
				t.Fatal(err)
			}
			if waited := time.Since(began); waited > long {
				t.Errorf("it waited for %v", waited)
			}
			if n := s.heldBy("flood"); n > 1 {
				t.Errorf("the flood has %d places", n)
			}
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
			leave()
			began = time.Now()
			synctest.Wait()
		}
		s.all.Wait()
		if len(s.queues) != 0 || len(s.held) != 0 || len(s.dealt) != 0 || s.free != 2 {
			t.Errorf("left behind: %+v", s.places)
		}
	})
}

func wanted(p *places, accounts ...string) *turn {
	one := new(turn)
	for _, a := range accounts {
		p.want(one, a)
	}
	return one
}

// TestAccountsTakeTurns: each waits for one compilation of every other at most,
// and one that comes anew for none that comes again.
func TestAccountsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{places: newPlaces(1)}
		for _, account := range []string{"a", "a", "a", "a", "b", "b", "b", "c"} {
			s.compile(t, account, time.Minute)
		}
		time.Sleep(90 * time.Second) //nolint:forbidigo // the bubble's clock
		s.compile(t, "d", time.Minute)
		s.all.Wait()
		if want := []string{"a", "b", "c", "d", "a", "b", "a", "b", "a"}; !slices.Equal(s.log, want) {
			t.Errorf("they came in the order %q, want %q", s.log, want)
		}
	})
}

// TestHoldingAPlaceCostsWhileOthersWait, and nothing while they do not, or have
// a place themselves.
func TestHoldingAPlaceCostsWhileOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{places: newPlaces(2)}
		alone := s.compile(t, "flood", 20*time.Second)
		held := s.compile(t, "flood", 60*time.Second)
		s.compile(t, "flood", 10*time.Second) // that it waits for itself costs nothing
		time.Sleep(15 * time.Second)          //nolint:forbidigo // the bubble's clock
		late := s.compile(t, "other", 100*time.Second)
		s.compile(t, "other", time.Second) // it has a place when this waits
		time.Sleep(15 * time.Second)       //nolint:forbidigo // the bubble's clock
		third := s.compile(t, "third", time.Second)
		s.all.Wait()
		for name, tt := range map[string]struct{ got, want time.Duration }{
			"the first":     {*alone, 5 * time.Second},
			"the second":    {*held, 5*time.Second + 30*time.Second},
			"who waited":    {*late, 30*time.Second + time.Second},
			"who came last": {*third, time.Second}, // for which the first one waits
		} {
			if tt.got != tt.want {
				t.Errorf("%s cost %v, want %v", name, tt.got, tt.want)
			}
		}
	})
}

// TestWhoWaitsForAnothersCompilationHasATurnOfTheirOwn: what many tenants have
// does not wait in the line of the one that came first.
func TestWhoWaitsForAnothersCompilationHasATurnOfTheirOwn(t *testing.T) {
	for name, after := range map[string]bool{"before it waits": false, "while it waits": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{places: newPlaces(1)}
				for range 5 {
					s.compile(t, "flood", time.Minute)
				}
				shared := wanted(s.places, "flood")
				if !after {
					s.want(shared, "other")
				}
				s.compileTurn(t, shared, time.Second)
				if after {
					s.want(shared, "other")
					s.want(shared, "other")
				}
				s.all.Wait()
				if want := []string{"flood", "other", "flood", "flood", "flood", "flood"}; !slices.Equal(s.log, want) {
					t.Errorf("they came in the order %q, want %q", s.log, want)
				}
			})
		})
	}
}

// TestWhoGivesUpTakesNoPlace, not even one that came at the same time.
func TestWhoGivesUpTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{places: newPlaces(1)}
		s.compile(t, "first", time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.take(ctx, wanted(s.places, "second", "third")); !fault.Is(err, fault.Timeout) {
			t.Error(err)
		}
		if len(s.queues) != 0 {
			t.Errorf("%d accounts wait", len(s.queues))
		}
		given := wanted(s.places, "fourth")
		s.all.Wait()
		leave, err := s.take(t.Context(), given)
		if err != nil {
			t.Fatal(err)
		}
		s.callOff(given) // as when the context ended beside it
		_ = leave
		if s.free != 1 || len(s.held) != 0 {
			t.Errorf("%d places are free, held %v", s.free, s.held)
		}
	})
}

func TestHammerPlaces(t *testing.T) {
	p := newPlaces(2)
	var all sync.WaitGroup
	for n := range 8 {
		account := string(rune('a' + n%3))
		all.Go(func() {
			for k := range 500 {
				ctx, cancel := context.WithCancel(t.Context())
				if k%3 == 0 {
					cancel()
				}
				one := wanted(p, account)
				all.Go(func() { p.want(one, "late") })
				if leave, err := p.take(ctx, one); err == nil {
					leave()
				}
				cancel()
			}
		})
	}
	all.Wait()
	if p.free != 2 || len(p.queues) != 0 || len(p.held) != 0 {
		t.Errorf("left behind: %+v", p)
	}
}
