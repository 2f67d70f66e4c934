package actor

import (
	"context"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxNested bounds the connectors that a call goes through.
const maxNested = 4

// peersMargin is what a caller keeps of its own time to handle the answer, at
// most.
const peersMargin = 250 * time.Millisecond

// Peers sends a message to the tenant's connector of this name, for which m has
// its way, its sender and its deadline, and answers all replies. It waits until
// the last one, the deadline, or ctx. asked are the questions that the caller
// works on; none: it calls of its own accord.
type Peers func(ctx context.Context, connector string, m *abi.Message, asked []*exchange.Question) ([]abi.Reply, error)

// peers are the tenant's other connectors as one guest sees them.
type peers struct{ *guest }

// Call implements capability.Peers. A call goes on with the way of the messages
// that the guest works on, and with what is left of their time.
func (p peers) Call(ctx context.Context, connector string, m *abi.Message, timeout time.Duration, oneWay bool) ([]abi.Reply, error) {
	if p.reach == nil || p.sessions == nil {
		return nil, fault.New(fault.NotFound, "there are no other connectors here")
	}
	now := time.Now()
	until := now.Add(callTime)
	if timeout > 0 {
		until = now.Add(timeout)
	}
	if own, ok := ctx.Deadline(); ok {
		own = own.Add(-min(peersMargin, own.Sub(now)/10))
		if own.Before(until) {
			until = own
		}
	}
	m.Via = nil
	for _, q := range p.asked {
		if d := q.Deadline(); d.Before(until) {
			until = d
		}
		m.Via = union(m.Via, viaOf(q))
	}
	m.Via = union(m.Via, []string{p.owner})
	if len(m.Via) > maxNested {
		return nil, fault.New(fault.CallCycle, "the call to %s would be nested %d deep, and %d are allowed", fault.Clip(connector, 64), len(m.Via), maxNested)
	}
	m.Sender, m.Deadline, m.Correlation = "connector:"+p.owner, until.UnixNano(), ""
	if oneWay {
		m.Correlation = exchange.NoReply
	}
	return p.reach(ctx, connector, m, p.asked)
}

func viaOf(q *exchange.Question) []string {
	if m := q.Take(); m != nil {
		return m.Via
	}
	return nil
}

func union(a, b []string) []string {
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}
