package mqtt

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/capability"
)

// outbound are the messages on their way to the broker, in the order in which they
// were published. It survives connections: what was not acknowledged is sent again.
type outbound struct {
	mu     sync.Mutex
	named  map[string]*item          // under way, by their IDs
	ends   map[string]abi.MQTTResult // that nobody has heard of, by the IDs
	order  []string                  // of ends, the oldest first
	items  []*item                   // not ended, in order
	next   int                       // the first of items that was not sent
	used   map[uint16]*item          // by identifier
	lastID uint16
	link   *link // nil: nobody is connected
	flying int   // items that were sent over it, and not acknowledged
	bytes  int

	// foreign are the identifiers that the broker may have in use for messages of QoS
	// 2 that an earlier process began to publish, and did not end: a new message would
	// be taken for a repetition, and lost. nil: none.
	foreign map[uint16]bool
	began   bool

	maxMessages, maxBytes int
	share                 capability.Portion
	version               byte
	sent                  uint64
}

// unheard is how many ends are remembered that nobody has heard of.
const unheard = 4096

func newOutbound(version byte, messages, bytes int, purse capability.Purse) *outbound {
	return &outbound{
		named: map[string]*item{}, ends: map[string]abi.MQTTResult{}, used: map[uint16]*item{}, maxMessages: messages, maxBytes: bytes, version: version,
		share: capability.NewPortion(purse),
		// Brokers count from 1, and some confuse their identifiers with a client's.
		lastID: 1<<15 + rand.N[uint16](1<<14),
	}
}

// begin takes a batch in. full: there is no room for it; away: nobody is connected.
// A message whose result is known already is not sent, nor is one whose name has
// another one under way.
func (o *outbound) begin(messages []*wire.Message, names []string, results []abi.MQTTResult) (f *flight, full, away bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	count, size := 0, 0
	for i, m := range messages {
		if results[i].Code == "" && !o.knows(names[i]) {
			count++
			size += itemSize(m, names[i])
		}
	}
	if count > 0 && o.link == nil {
		return nil, false, true
	}
	if count > 0 && len(o.items) > 0 && (len(o.items)+count > o.maxMessages || o.bytes+size > o.maxBytes) {
		return nil, true, false
	}
	if count > 0 && !o.share.Hold(o.bytes+size) {
		return nil, true, false
	}
	f = &flight{results: results, over: make([]bool, len(results)), left: 1, done: make(chan struct{})} // 1: until all are in
	for i, m := range messages {
		if results[i].Code != "" {
			f.over[i] = true
			continue
		}
		o.take(f, i, names[i], m)
	}
	o.pump()
	f.ended()
	return f, false, false
}

// knows reports whether a message with this name is under way, or has ended without
// anybody hearing of it.
func (o *outbound) knows(name string) bool {
	_, ended := o.ends[name]
	return name != "" && (ended || o.named[name] != nil)
}

// take takes one message in.
func (o *outbound) take(f *flight, i int, name string, m *wire.Message) {
	if m.QoS == 0 {
		name = ""
	}
	if result, ended := o.ends[name]; ended && name != "" {
		f.results[i], f.over[i] = result, true
		o.hear(name)
		return
	}
	f.left++
	if n := o.named[name]; n != nil && name != "" {
		if n.flight != nil { // twice in one batch
			n.flight.results[n.index], n.flight.over[n.index] = abi.MQTTResult{Code: codeInvalid, Text: "its ID is another's"}, true
			n.flight.ended()
		}
		n.flight, n.index = f, i
		return
	}
	n := &item{flight: f, index: i, name: name, message: m, size: itemSize(m, name)}
	o.items = append(o.items, n)
	o.bytes += n.size
	if name != "" {
		o.named[name] = n
	}
}

// hear forgets an end that somebody has heard of.
func (o *outbound) hear(name string) {
	delete(o.ends, name)
	if i := slices.Index(o.order, name); i >= 0 {
		o.order = slices.Delete(o.order, i, i+1)
	}
}

// unheardOf remembers an end that nobody has heard of.
func (o *outbound) unheardOf(name string, result abi.MQTTResult) {
	o.ends[name] = result
	if o.order = append(o.order, name); len(o.order) > unheard {
		o.hear(o.order[0])
	}
}

// give withdraws what of a batch was not sent, and lets go of the rest: nobody will
// ask for it. It answers the results, as far as there are any.
func (o *outbound) give(f *flight) []abi.MQTTResult {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, n := range o.items {
		switch {
		case n.flight != f:
		case i >= o.next && n.state == waiting && n.id == 0:
			o.end(n, abi.MQTTResult{Code: codeNotSent, Text: "the broker is slow", Retry: true})
		default:
			n.flight = nil
		}
	}
	for i, over := range f.over {
		if !over {
			f.results[i] = abi.MQTTResult{Code: codeUnanswered, Text: "the broker has not acknowledged it yet", Retry: true}
		}
	}
	o.trim()
	return f.results
}

// end sets the result of a message. o.mu is held.
func (o *outbound) end(n *item, result abi.MQTTResult) {
	if n.state == ended {
		return
	}
	n.state = ended
	o.bytes -= n.size
	o.share.Leave(o.bytes)
	if n.id != 0 {
		delete(o.used, n.id)
	}
	if n.flying {
		n.flying = false
		o.flying--
	}
	if result.Code == "" {
		o.sent++
	}
	if n.name != "" {
		delete(o.named, n.name)
	}
	if f := n.flight; f != nil {
		f.results[n.index], f.over[n.index] = result, true
		f.ended()
	} else if n.name != "" {
		o.unheardOf(n.name, result)
	}
	n.message, n.flight = nil, nil
}

// trim lets go of the items at the beginning that have ended.
func (o *outbound) trim() {
	n := 0
	for n < len(o.items) && o.items[n].state == ended {
		o.items[n] = nil
		n++
	}
	o.items = o.items[n:]
	o.next = max(0, o.next-n)
	if len(o.items) == 0 {
		o.items = nil
	}
}

// waits reports whether somebody waits for the broker; stuck whether it has not
// acknowledged a message for so long.
func (o *outbound) waits() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.items) > 0
}

func (o *outbound) stuck(most time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range o.items[:o.next] {
		if (n.state == sent || n.state == half) && time.Since(n.since) > most {
			return true
		}
	}
	return false
}

// fail ends all that is under way.
func (o *outbound) fail(result abi.MQTTResult) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.link = nil
	for _, n := range o.items {
		o.end(n, result)
	}
	o.trim()
	o.share.End()
}

func (o *outbound) counts() (sent, underWay uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent, uint64(len(o.items))
}
