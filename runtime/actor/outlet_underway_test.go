package actor

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// byTicket has the guest answer a ticket for each call, numbered from 1, unless it is
// to wait.
func (r *outletRig) byTicket() {
	r.version.Connector.Feed.MaxRecords = 2
	number := uint64(0)
	r.deliver = func(_ []string, wait bool) ([]byte, error) {
		if wait {
			return nil, nil
		}
		number++
		return r.ticket(number), nil
	}
}

// TestParcels: a guest that does not wait is handed what comes next, and yet nothing is
// settled before it has arrived, nor before what came first.
func TestParcels(t *testing.T) {
	outletTest(t, "some are under way, and no more", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1 2 3 4 5 6 7")
		r.start()
		r.called("0 1", "2 3", "4 5")
		r.settled("")
		r.end(2, true)
		r.settled("")
		r.end(1, true)
		r.settled("0 1 2 3")
		r.called("0 1", "2 3", "4 5", "6 7")
		r.end(3, true)
		r.end(4, true)
		r.settled("0 1 2 3 4 5 6 7")
		if s := r.actor.Status(); s.Delivery.Delivered != 8 || s.Delivery.Retried != 0 {
			t.Errorf("%+v", s.Delivery)
		}
		for n, p := range r.tickets {
			if !slices.Equal(p.drops, []bool{false}) {
				t.Errorf("ticket %d was let go of: %v", n, p.drops)
			}
		}
	})
	outletTest(t, "what did not arrive comes again, with all behind it", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1 2 3 4 5 6 7")
		r.start()
		r.end(1, true)
		r.end(2, false)
		r.settled("0 1 2 3")
		r.called("0 1", "2 3", "4 5", "6 7", "2 3!", "4 5", "6 7")
		if s := r.actor.Status(); s.Delivery.Retried != 6 {
			t.Errorf("%+v", s.Delivery)
		}
		for n, again := range map[uint64]bool{1: false, 2: true, 3: true, 4: true} {
			if got := r.tickets[n].drops; n < 4 && !slices.Equal(got, []bool{again}) {
				t.Errorf("ticket %d was let go of: %v", n, got)
			}
		}
	})
	outletTest(t, "what takes too long comes again, for the guest to say why", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1 2 3")
		r.start()
		r.after(longestWait / 2)
		r.end(1, true)
		r.after(longestWait - time.Millisecond)
		r.called("0 1", "2 3")
		r.after(time.Millisecond)
		r.called("0 1", "2 3", "2 3!")
		r.settled("0 1 2 3")
	})
	outletTest(t, "an answer waits for what is under way before it", func(r *outletRig) {
		r.byTicket()
		tickets := r.deliver
		r.deliver = func(handed []string, wait bool) ([]byte, error) {
			if handed[0] == "2" {
				return reject(1), nil
			}
			return tickets(handed, wait)
		}
		r.feed.put("0 1 2 3")
		r.start()
		r.called("0 1", "2 3")
		r.settled("")
		r.quarantined()
		r.end(1, true)
		r.settled("0 1 2 3")
		r.quarantined("3")
	})
	outletTest(t, "an answer behind what did not arrive is given again", func(r *outletRig) {
		r.byTicket()
		tickets := r.deliver
		r.deliver = func(handed []string, wait bool) ([]byte, error) {
			if handed[0] == "2" {
				return reject(1), nil
			}
			return tickets(handed, wait)
		}
		r.feed.put("0 1 2 3")
		r.start()
		r.end(1, false)
		r.called("0 1", "2 3", "0 1!", "2 3")
		r.settled("0 1 2 3")
		r.quarantined("3")
	})
	outletTest(t, "an answer does not wait for ever", func(r *outletRig) {
		r.byTicket()
		tickets := r.deliver
		r.deliver = func(handed []string, wait bool) ([]byte, error) {
			if handed[0] == "2" {
				return nil, nil
			}
			return tickets(handed, wait)
		}
		r.feed.put("0 1 2 3")
		r.start()
		r.after(2 * patience)
		r.settled("0 1 2 3")
		r.called("0 1", "2 3", "0 1!", "2 3")
	})
	outletTest(t, "a guest that dies meanwhile is not blamed before it does so alone", func(r *outletRig) {
		r.byTicket()
		tickets := r.deliver
		deaths := 1
		r.deliver = func(handed []string, wait bool) ([]byte, error) {
			if handed[0] == "2" && deaths > 0 {
				deaths--
				return nil, errTrap
			}
			return tickets(handed, wait)
		}
		r.feed.put("0 1 2 3")
		r.start()
		r.after(patience + time.Second)
		r.called("0 1", "2 3", "0 1!", "2 3")
		r.end(2, true)
		r.settled("0 1 2 3")
		r.quarantined()
	})
	outletTest(t, "what fails beside others is tried again alone", func(r *outletRig) {
		r.byTicket()
		tickets := r.deliver
		r.deliver = func(handed []string, wait bool) ([]byte, error) {
			if handed[0] == "2" && !wait {
				return nil, fault.New(fault.Invalid, "wrong")
			}
			return tickets(handed, wait)
		}
		r.feed.put("0 1 2 3")
		r.start()
		r.called("0 1", "2 3")
		r.end(1, true)
		r.called("0 1", "2 3", "2 3!")
		r.settled("0 1 2 3")
		r.quarantined()
	})
	outletTest(t, "what kills the guest is put aside, and nothing beside it", func(r *outletRig) {
		r.byTicket()
		tickets := r.deliver
		r.deliver = func(handed []string, wait bool) ([]byte, error) {
			if slices.Contains(handed, "bad") {
				return nil, errTrap
			}
			out, err := tickets(handed, wait)
			if !wait {
				r.finish(uint64(len(r.tickets)), true)
			}
			return out, err
		}
		r.feed.put("0 1 2 bad 4 5")
		r.start()
		r.after(2 * patience)
		r.settled("0 1 2 bad 4 5")
		r.quarantined("bad")
	})
	outletTest(t, "tickets stand alone", func(r *outletRig) {
		r.version.Connector.Feed.MaxRecords = 2
		first := true
		r.deliver = func([]string, bool) ([]byte, error) {
			if !first {
				return nil, nil
			}
			first = false
			return append(r.ticket(1), reject(0)...), nil
		}
		r.feed.put("0 1")
		r.start()
		r.settled("")
		if s := r.actor.Status(); s.State != lifecycle.Degraded {
			t.Errorf("%+v", s)
		}
		r.after(2 * time.Second)
		r.called("0 1", "0 1!")
		r.settled("0 1")
	})
	outletTest(t, "who is to wait gives none", func(r *outletRig) {
		r.deliver = func(_ []string, _ bool) ([]byte, error) { return r.ticket(uint64(len(r.tickets) + 1)), nil }
		r.feed.put("0 1")
		r.start()
		r.end(1, false)
		r.called("0 1", "0 1!")
		if s := r.actor.Status(); s.State != lifecycle.Degraded {
			t.Errorf("%+v", s)
		}
	})
	outletTest(t, "a ticket that nobody knows settles nothing", func(r *outletRig) {
		r.deliver = func(_ []string, wait bool) ([]byte, error) {
			if wait {
				return nil, nil
			}
			out := abi.Outcome{Tickets: []abi.Ticket{{Handle: 1, Number: 9}}}
			return out.Append(nil), nil
		}
		r.feed.put("0")
		r.start()
		r.called("0", "0!")
		r.settled("0")
	})
	outletTest(t, "a stop waits for what is under way", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1 2 3")
		r.start()
		go func() {
			<-time.After(time.Second)
			r.finish(1, true)
			r.finish(2, true)
		}()
		began := time.Now()
		r.halt()
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %v", took)
		}
		r.settled("0 1 2 3")
	})
	outletTest(t, "a stop does not wait for ever", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1")
		r.start()
		began := time.Now()
		r.halt()
		if took := time.Since(began); took != drainTime {
			t.Errorf("it took %v", took)
		}
		r.settled("")
		if got := r.tickets[1].drops; !slices.Equal(got, []bool{true}) {
			t.Errorf("the ticket was let go of: %v", got)
		}
	})
	outletTest(t, "a swap begins behind what is under way", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1")
		r.start()
		swapped := make(chan error, 1)
		go func() { swapped <- r.actor.Swap(context.WithoutCancel(r.Context()), r.version) }()
		synctest.Wait()
		select {
		case err := <-swapped:
			t.Errorf("it did not wait: %v", err)
		default:
		}
		r.end(1, true)
		if err := <-swapped; err != nil {
			t.Error(err)
		}
		r.settled("0 1")
	})
}

// TestSlowParcels: what is merely slow is no failure. It is shown and waited for, and
// not handed in again.
func TestSlowParcels(t *testing.T) {
	outletTest(t, "what is slow is waited for", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1 2 3 4 5 6 7 8 9")
		r.start()
		for n := range uint64(5) {
			r.after(2500 * time.Millisecond)
			r.end(n+1, true)
		}
		r.called("0 1", "2 3", "4 5", "6 7", "8 9")
		r.settled("0 1 2 3 4 5 6 7 8 9")
		if s := r.actor.Status(); s.Delivery.Retried != 0 || r.showed(lifecycle.Degraded) {
			t.Errorf("%+v, %v", s.Delivery, r.states)
		}
	})
	outletTest(t, "what does not end is shown, and when it has", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1")
		r.start()
		r.after(tardiness - time.Millisecond)
		if r.showed(lifecycle.Degraded) {
			t.Errorf("states %v", r.states)
		}
		r.after(time.Millisecond)
		s := r.actor.Status()
		if s.State != lifecycle.Degraded || s.Delivery.Held == "" || s.Reason != s.Delivery.Held || s.Try == "" {
			t.Errorf("%+v", s)
		}
		r.end(1, true)
		r.settled("0 1")
		if s := r.actor.Status(); s.State != lifecycle.Running || s.Delivery.Held != "" {
			t.Errorf("%+v", s)
		}
		r.called("0 1")
	})
	outletTest(t, "what is always slow does not come and go", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1 2 3 4 5 6 7 8 9")
		r.start()
		before := len(r.states)
		for n := range uint64(4) { // two end together, as they were sent
			if r.after(0); n%2 == 0 {
				r.after(4 * time.Second)
			}
			r.end(n+1, true)
		}
		if got := r.states[before:]; !slices.Equal(got, []lifecycle.State{lifecycle.Degraded}) {
			t.Errorf("states %v", got)
		}
		r.after(time.Second)
		r.feed.put("10 11")
		r.end(5, true)
		r.after(time.Second)
		r.end(6, true)
		if got := r.states[before:]; !slices.Equal(got, []lifecycle.State{lifecycle.Degraded, lifecycle.Running}) {
			t.Errorf("states %v", got)
		}
		if s := r.actor.Status(); s.Delivery.Retried != 0 {
			t.Errorf("%+v", s.Delivery)
		}
	})
	outletTest(t, "only what is handed in again counts", func(r *outletRig) {
		r.byTicket()
		r.feed.put("0 1 2 3")
		r.start()
		r.after(longestWait) // the first are handed in again and arrive, the others are under way once more
		if s := r.actor.Status(); s.Delivery.Retried != 4 {
			t.Errorf("%+v", s.Delivery)
		}
		r.called("0 1", "2 3", "0 1!", "2 3")
		r.halt()
		if s := r.actor.Status(); s.Delivery.Retried != 4 {
			t.Errorf("%+v", s.Delivery)
		}
		r.settled("0 1")
	})
}
