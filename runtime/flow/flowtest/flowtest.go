// Package flowtest is the contract of a feed as tests: every implementation runs the
// same ones, the stand-in of the lane's tests too, so that what they prove of the lane
// holds with the real one.
//
// Only tests import it.
package flowtest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/flow"
)

// Subject is a feed under test, in which nothing is yet. Its closing is its maker's.
type Subject struct {
	flow.Feed

	// Put has a record arrive for each payload, with the payload's first two bytes
	// behind "d-" as its device.
	Put func(payloads ...string)
	// Turn sets its place to another, from outside: behind all that was put.
	Turn func()
}

// Run runs the contract. Open makes a feed whose records wait for others for so long.
func Run(t *testing.T, open func(t *testing.T, wait time.Duration) Subject) {
	for name, test := range map[string]func(*run){
		"order":                 order,
		"under way":             underWay,
		"under way over a turn": underWayOverATurn,
		"taken over a turn":     takenOverATurn,
		"pick":                  pick,
		"size":                  size,
		"wake":                  wake,
		"backlog":               backlog,
	} {
		t.Run(name, func(t *testing.T) { test(&run{t, open(t, 0)}) })
	}
	t.Run("wait", func(t *testing.T) { wait(&run{t, open(t, time.Minute)}) })
}

type run struct {
	*testing.T
	Subject
}

// takes wants these records next, of at most so many.
func (r *run) takes(most int, want string) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	list := strings.Fields(want)
	for {
		input, n, _ := r.Take(time.Now(), most)
		if n >= len(list) {
			if got := r.decode(input); n != len(got) || !slices.Equal(got, list) {
				r.Fatalf("took %d records %q, want %q", n, got, list)
			}
			return
		}
		select {
		case <-r.Wake():
		case <-ctx.Done():
			r.Fatalf("%d records come, want %d", n, len(list))
		}
	}
}

// empty wants that there is nothing to take.
func (r *run) empty() {
	r.Helper()
	if input, n, due := r.Take(time.Now(), abi.MaxItems); n != 0 || !due.IsZero() {
		r.Errorf("took %d records %q, due %v; want none", n, r.decode(input), due)
	}
}

func (r *run) decode(input []byte) (payloads []string) {
	r.Helper()
	var in abi.DeliverInput
	if err := in.Decode(input); err != nil {
		r.Fatal(err)
	}
	for p := range in.Parts {
		for i := range in.Parts[p].Batch.Records {
			payloads = append(payloads, string(in.Parts[p].Batch.Records[i].Payload))
		}
	}
	return payloads
}

// order: what is neither settled nor under way is taken in order, again and again.
func order(r *run) {
	r.empty()
	r.Put("0", "1", "2")
	r.Put("3", "4")
	r.takes(5, "0 1 2 3 4")
	r.takes(2, "0 1")
	r.takes(4, "0 1 2 3")
	r.Settle(1)
	r.takes(3, "1 2 3")
	r.Settle(0)
	r.takes(3, "1 2 3")
	r.Settle(3)
	r.takes(abi.MaxItems, "4")
	r.Settle(1)
	r.empty()
	r.Put("5")
	r.takes(1, "5")
}

// underWay: records are taken behind those that are under way, which are settled oldest
// first, and come again after Back, but for those that are settled.
func underWay(r *run) {
	r.Put("0", "1", "2", "3")
	r.Put("4", "5")
	r.takes(6, "0 1 2 3 4 5")
	r.takes(2, "0 1")
	r.Keep()
	r.takes(3, "2 3 4")
	r.Keep()
	r.takes(3, "5")
	r.Settle(2)
	r.takes(3, "5")
	r.Back()
	r.takes(6, "2 3 4 5")
	r.takes(2, "2 3")
	r.Keep()
	r.takes(2, "4 5")
	r.Keep()
	r.empty()
	r.Settle(2)
	r.Settle(2)
	r.empty()
	r.Back()
	r.empty()
}

// underWayOverATurn: what is under way when the place is set to another moves nothing
// when it is settled, and what is taken afterwards is settled behind it.
func underWayOverATurn(r *run) {
	r.Put("0", "1", "2", "3")
	r.takes(4, "0 1 2 3")
	r.takes(2, "0 1")
	r.Keep()
	r.Turn()
	r.Put("a", "b", "c")
	r.takes(3, "a b c")
	r.takes(1, "a")
	r.Keep()
	r.Settle(2)
	r.takes(2, "b c")
	r.Settle(1)
	r.takes(2, "b c")
	r.Back()
	r.takes(2, "b c")
}

// takenOverATurn: so it is with what was taken, and is put under way or settled only then.
func takenOverATurn(r *run) {
	r.Put("0", "1", "2")
	r.takes(3, "0 1 2")
	r.takes(1, "0")
	r.Turn()
	r.Put("a", "b")
	r.Keep()
	r.takes(2, "a b")
	r.Settle(1)
	r.takes(2, "a b")
	r.Turn()
	r.Put("x", "y")
	r.Settle(2)
	r.takes(2, "x y")
}

// pick: a record of those taken last comes alone, with its device, in memory of its own.
func pick(r *run) {
	r.Put("0", "1", "2", "3")
	r.takes(4, "0 1 2 3")
	r.takes(1, "0")
	r.Keep()
	r.takes(3, "1 2 3")
	device, input := r.Pick(1)
	r.takes(1, "1")
	if got := r.decode(input); device != "d-2" || !slices.Equal(got, []string{"2"}) {
		r.Errorf("picked %q of %s", got, device)
	}
}

// size: one call has no more than may cross the wall, and one record at least.
func size(r *run) {
	large := make([]string, 3)
	for i, c := range []string{"a", "b", "c"} {
		large[i] = strings.Repeat(c, abi.MaxBatch*2/3)
		r.Put(large[i])
	}
	for _, want := range large {
		r.takes(abi.MaxItems, want)
		r.Settle(1)
	}
	r.empty()
}

// wake: there is a token when more may be taken than before.
func wake(r *run) {
	told := func(what string) {
		r.Helper()
		select {
		case <-r.Wake():
		case <-time.After(time.Minute):
			r.Fatalf("nobody is told of %s", what)
		}
	}
	r.Put("0")
	told("a record")
	r.takes(1, "0")
	r.Keep()
	r.Back()
	told("what comes again")
	r.takes(1, "0")
}

// backlog: records are counted until they are settled.
func backlog(r *run) {
	r.Put("0", "1", "2")
	r.takes(3, "0 1 2")
	r.takes(2, "0 1")
	r.Keep()
	if b := r.Backlog(); b.Records != 3 || b.Waiting != 3 {
		r.Errorf("backlog %+v, want 3 records", b)
	}
	r.Settle(2)
	if b := r.Backlog(); b.Records != 1 || b.Waiting != 1 {
		r.Errorf("backlog %+v, want 1 record", b)
	}
}

// wait: fewer records than are asked for wait for others until they are due.
func wait(r *run) {
	r.Put("0", "1")
	r.takes(2, "0 1")
	now := time.Now()
	_, n, due := r.Take(now, 3)
	if n != 0 || due.Before(now) || due.After(now.Add(time.Minute)) {
		r.Fatalf("%d records, due in %s; want none for a minute", n, due.Sub(now))
	}
	if _, n, _ := r.Take(due, 3); n != 2 {
		r.Errorf("%d records when they are due", n)
	}
	r.Keep()
	r.Put("2")
	r.takes(1, "2")
	if _, n, again := r.Take(due.Add(-time.Second), 2); n != 0 || again.Before(due) {
		r.Errorf("%d records, due %s behind the others; want to wait by themselves", n, again.Sub(due))
	}
}
