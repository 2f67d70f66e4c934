package mqtt

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
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
	share                 portion
	version               byte
	sent                  uint64
}

// item is a message on its way.
type item struct {
	flight  *flight // nil: nobody waits
	index   int
	name    string
	message *wire.Message
	size    int
	id      uint16
	state   state
	flying  bool      // it was sent over the present link
	settle  bool      // a PUBREL for what an earlier process left goes before it
	since   time.Time // when it was sent
}

// state is how far a message is.
type state byte

const (
	waiting state = iota
	sent          // and not acknowledged
	half          // QoS 2: a PUBREC came
	ended
)

// flight is a batch under way.
type flight struct {
	results []abi.MQTTResult
	over    []bool // by message: it has its result
	left    int
	done    chan struct{} // closed when every message has a result
}

// unheard is how many ends are remembered that nobody has heard of.
const unheard = 4096

func newOutbound(version byte, messages, bytes int) *outbound {
	return &outbound{
		named: map[string]*item{}, ends: map[string]abi.MQTTResult{}, used: map[uint16]*item{}, maxMessages: messages, maxBytes: bytes, version: version,
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
	if count > 0 && !o.share.hold(o.bytes+size) {
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

// itemSize is how much memory a message takes, about: all that it holds, whether
// this version of the protocol writes it or not, and what it costs to keep that.
func itemSize(m *wire.Message, name string) int {
	p := &m.Properties
	n := overhead + len(name) + len(m.Topic) + len(m.Payload) + len(p.ContentType) + len(p.ResponseTopic) + len(p.CorrelationData)
	for i := range p.User {
		n += len(p.User[i].Name) + len(p.User[i].Value) + perUser
	}
	return n
}

// perUser is what a user property costs beside its text, in bytes.
const perUser = 64

func (f *flight) ended() {
	if f.left--; f.left == 0 {
		close(f.done)
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

// pump hands the link what it may send now, in order. o.mu is held.
func (o *outbound) pump() {
	for o.link != nil && o.next < len(o.items) {
		n := o.items[o.next]
		if n.state != waiting {
			o.next++
			continue
		}
		if !o.send(n) {
			return
		}
		o.next++
	}
	o.trim()
}

// send hands a message to the link; false: it cannot go now.
func (o *outbound) send(n *item) bool {
	l := o.link
	if code, text := l.cannot(n.message); code != "" {
		o.end(n, abi.MQTTResult{Code: code, Text: text})
		return true
	}
	if n.message.QoS == 0 {
		return l.append(func(dst []byte) []byte {
			return wire.AppendMessage(dst, o.version, n.message, 0, false)
		}, false, func(written bool) { o.wrote(n, written) })
	}
	if o.flying >= l.window || len(o.used) >= maxUsed && n.id == 0 {
		return false
	}
	again := n.id != 0
	if !again {
		n.id = o.identifier()
		o.used[n.id] = n
		n.settle = n.message.QoS == 2 && o.settles(n.id)
	}
	if !l.append(func(dst []byte) []byte {
		if n.settle {
			dst = wire.AppendAck(dst, o.version, wire.PubRel, n.id, 0)
		}
		return wire.AppendMessage(dst, o.version, n.message, n.id, again && !n.settle)
	}, false, nil) {
		return false
	}
	n.state, n.since, n.flying = sent, time.Now(), true
	o.flying++
	return true
}

// maxUsed bounds the identifiers in use, of which there are 65535.
const maxUsed = 1 << 15

// settles reports whether an identifier is used for the first time at a broker that
// knows it from somebody else.
func (o *outbound) settles(id uint16) bool {
	if o.foreign == nil || o.foreign[id] {
		return false
	}
	o.foreign[id] = true
	return true
}

// wrote ends a message of QoS 0, which nobody acknowledges. It is called without
// o.mu.
func (o *outbound) wrote(n *item, written bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n.state == ended {
		return
	}
	if written {
		o.end(n, abi.MQTTResult{})
	} else {
		o.end(n, abi.MQTTResult{Code: codeNotSent, Text: "the connection was lost", Retry: true})
	}
	o.trim()
}

// identifier is one that is free: there are more of them than may be in use.
func (o *outbound) identifier() uint16 {
	for {
		o.lastID++
		if _, taken := o.used[o.lastID]; o.lastID != 0 && !taken {
			return o.lastID
		}
	}
}

// end sets the result of a message. o.mu is held.
func (o *outbound) end(n *item, result abi.MQTTResult) {
	if n.state == ended {
		return
	}
	n.state = ended
	o.bytes -= n.size
	o.share.leave(o.bytes)
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

// acknowledged takes a PUBACK, PUBREC or PUBCOMP, and answers what it asks for.
func (o *outbound) acknowledged(p *wire.Packet) (answer receipt) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.used[p.ID]
	switch {
	case p.Type == wire.PubRec && n == nil:
		return receipt{wire.PubRel, p.ID, reasonUnknownID}
	case n == nil || n.state != sent && n.state != half:
		return receipt{}
	case p.Type == wire.PubComp && n.settle:
		n.settle = false // what was left is settled
	case p.Reason >= 0x80:
		o.end(n, abi.MQTTResult{
			Code: wordOf(p.Reason), Text: said(p.Reason, p.Properties.ReasonString), Reason: uint32(p.Reason), Retry: mayRepeat(p.Reason),
		})
	case p.Type == wire.PubRec && n.message.QoS == 2:
		n.state, n.since = half, time.Now()
		answer = receipt{wire.PubRel, p.ID, 0}
	case p.Type == wire.PubAck && n.message.QoS == 1, p.Type == wire.PubComp && n.state == half:
		o.end(n, abi.MQTTResult{})
	}
	o.trim()
	o.pump()
	return answer
}

// attach gives the messages a new link. What was sent goes first, in its order: as
// repetitions if the broker kept its session, else as if it were new.
func (o *outbound) attach(l *link, present bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.link, o.flying = l, 0
	if !o.began && present {
		o.foreign = map[uint16]bool{}
	}
	if !present {
		o.foreign = nil
		clear(o.used)
	}
	o.began = true
	for i, n := range o.items[:o.next] {
		if n.state == ended {
			continue
		}
		n.flying = false
		if !present {
			n.id, n.state, n.settle = 0, waiting, false
		}
		if n.state == half {
			l.append(func(dst []byte) []byte { return wire.AppendAck(dst, o.version, wire.PubRel, n.id, 0) }, true, nil)
			continue
		}
		n.state = waiting
		o.next = min(o.next, i)
	}
	o.pump()
}

// detach takes the link away.
func (o *outbound) detach() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.link = nil
}

// rename takes the link away, and forgets to whom it led: the next one is that of
// another client.
func (o *outbound) rename() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.link, o.began = nil, false
}

// more is called when the link has room again.
func (o *outbound) more() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pump()
}

// reserve takes an identifier that no message has, for a SUBSCRIBE; free gives it
// back.
func (o *outbound) reserve() uint16 {
	o.mu.Lock()
	defer o.mu.Unlock()
	id := o.identifier()
	o.used[id] = nil
	return id
}

func (o *outbound) free(id uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if n, ok := o.used[id]; ok && n == nil {
		delete(o.used, id)
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
}

func (o *outbound) counts() (sent, underWay uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent, uint64(len(o.items))
}
