package mqtt

import (
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/capability"
)

// queue holds what was received until it is acknowledged, and what is known of the
// messages of QoS 1 and 2 among it. It survives connections.
type queue struct {
	ready chan struct{} // a token whenever there may be something to take
	room  chan struct{} // a token whenever there may be room again

	mu      sync.Mutex
	entries []entry
	taken   int // of these, handed out and not acknowledged
	seen    int // of these, handed out at least once
	size    int // bytes
	serial  uint64
	dropped map[string]uint64 // messages, by the names of their gaps

	// What the broker has not been told of, by identifier, in the session that it
	// keeps: the messages that are here, those that are safe and could not be
	// acknowledged, and those of QoS 2 that it has yet to release.
	here     map[uint16]held
	safe     map[uint16]bool
	released map[uint16]bool

	connection uint64 // the number of the present one

	messages, bytes int // bounds
	share           portion
}

// held is a message that is here.
type held struct {
	serial     uint64 // of its entry
	connection uint64 // the last over which it came
}

// entry is an event, and the message that it is of.
type entry struct {
	event  capability.Event
	size   int
	qos    byte
	id     uint16
	serial uint64
}

// receipt is what to answer the broker.
type receipt struct {
	kind   wire.Type
	id     uint16
	reason byte
}

// overhead is what an event costs beside its data, in bytes.
const overhead = 256

// beyond is by how much the bounds may be exceeded by messages of QoS 1 and 2, when
// the guest waits for the broker to acknowledge what it publishes meanwhile.
const beyond = 4

func newQueue(messages, bytes int) *queue {
	return &queue{
		ready: make(chan struct{}, 1), room: make(chan struct{}, 1), messages: messages, bytes: bytes, dropped: map[string]uint64{},
		here: map[uint16]held{}, safe: map[uint16]bool{}, released: map[uint16]bool{},
	}
}

// hasRoom reports whether a message fits; within factor times the bounds.
func (q *queue) hasRoom(size, factor int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.entries) == 0 {
		_ = q.share.hold(q.size + size + overhead) // one goes on, whatever others take
		return true
	}
	return len(q.entries) < factor*q.messages && q.size+size+overhead <= factor*q.bytes && q.share.hold(q.size+size+overhead)
}

// end gives back what is drawn on the purse.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.share.end()
}

// known answers for a message of QoS 1 or 2 that is not new: the broker sends again
// what it has not heard of. A message that is not marked as a repetition is new,
// whatever its identifier was used for, but for one of QoS 2 that was not released.
func (q *queue) known(p *wire.Packet) (answer receipt, known bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h, here := q.here[p.ID]
	switch {
	case p.QoS == 2 && q.released[p.ID]:
		return receipt{wire.PubRec, p.ID, 0}, true
	case p.Dup && here:
		h.connection = q.connection
		q.here[p.ID] = h
		return receipt{}, true // it is answered for when it is safe
	case p.Dup && q.safe[p.ID]:
		return q.answer(p.ID, p.QoS), true
	}
	delete(q.safe, p.ID)
	return receipt{}, false
}

// refuse answers for a message that the guest is not to see.
func (q *queue) refuse(p *wire.Packet) receipt {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.answer(p.ID, p.QoS)
}

// answer is the receipt of a message that is safe.
func (q *queue) answer(id uint16, qos byte) receipt {
	delete(q.safe, id)
	if qos == 2 {
		q.released[id] = true
		return receipt{wire.PubRec, id, 0}
	}
	return receipt{wire.PubAck, id, 0}
}

// push adds the event of a message.
func (q *queue) push(e capability.Event, qos byte, id uint16, lost bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if lost {
		q.dropped[e.Name]++
	}
	q.serial++
	if qos > 0 {
		q.here[id] = held{q.serial, q.connection}
	}
	q.add(entry{event: e, size: len(e.Data) + overhead, qos: qos, id: id, serial: q.serial})
}

func (q *queue) add(e entry) {
	q.entries = append(q.entries, e)
	q.size += e.size
	signal(q.ready)
}

// drop notes that messages were dropped; the guest is told once until it has seen
// it.
func (q *queue) drop(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped[e.Name]++
	for i := q.seen; i < len(q.entries); i++ {
		if q.entries[i].event.Type == abi.EventGap && q.entries[i].event.Name == e.Name {
			return
		}
	}
	q.add(entry{event: e, size: overhead})
}

// note adds a word on the session. A broker that came back just before it was lost
// was away all the time.
func (q *queue) note(e capability.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last := len(q.entries) - 1; e.Type == abi.EventDown && last >= q.seen && q.entries[last].event.Type == abi.EventUp {
		q.size -= q.entries[last].size
		q.entries[last] = entry{}
		q.entries = q.entries[:last]
		return
	}
	q.add(entry{event: e, size: overhead})
}

// begin notes another connection. What is known of the broker's session is let go
// of if that is gone.
func (q *queue) begin(present bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.connection++
	if present {
		return
	}
	clear(q.here)
	clear(q.safe)
	clear(q.released)
}

// release is the answer to a PUBREL.
func (q *queue) release(id uint16) receipt {
	q.mu.Lock()
	defer q.mu.Unlock()
	known := q.released[id]
	delete(q.released, id)
	if known {
		return receipt{wire.PubComp, id, 0}
	}
	return receipt{wire.PubComp, id, reasonUnknownID}
}

func (q *queue) take(dst []capability.Event, items, bytes int) []capability.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	for first := true; q.taken < len(q.entries) && items > 0; first = false {
		e := &q.entries[q.taken]
		if len(e.event.Data) > bytes && !first {
			break
		}
		dst = append(dst, e.event)
		q.taken++
		items--
		bytes -= len(e.event.Data)
	}
	q.seen = max(q.seen, q.taken)
	if q.taken < len(q.entries) {
		signal(q.ready)
	}
	return dst
}

// ack lets go of the oldest n events, and answers what the broker is to be told. It
// is noted as not told: see told.
func (q *queue) ack(n int) []receipt {
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []receipt
	n = max(0, min(n, q.taken))
	for i := range n {
		e := &q.entries[i]
		q.size -= e.size
		if h := q.here[e.id]; e.qos > 0 && h.serial == e.serial {
			delete(q.here, e.id)
			q.safe[e.id] = true
			if h.connection != q.connection {
				*e = entry{}
				continue // the broker sends it again, and would not know what it is told of before
			}
			kind := wire.PubAck
			if e.qos == 2 {
				kind = wire.PubRec
			}
			list = append(list, receipt{kind, e.id, 0})
		}
		*e = entry{} // let go of it
	}
	q.entries = q.entries[n:]
	if len(q.entries) == 0 {
		q.entries = nil
	}
	q.taken -= n
	q.seen -= n
	q.share.leave(q.size)
	if n > 0 {
		signal(q.room)
	}
	return list
}

// told tells the broker, and notes of whom it was told: the others it asks for
// again.
func (q *queue) told(list []receipt, tell func(receipt) bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range list {
		if !q.safe[r.id] || !tell(r) {
			continue // it was answered for, or nobody is there
		}
		delete(q.safe, r.id)
		if r.kind == wire.PubRec {
			q.released[r.id] = true
		}
	}
}

func (q *queue) rewind() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = 0
	if len(q.entries) > 0 {
		signal(q.ready)
	}
}

// counts is how much was dropped, which it puts into by for each reason, and what is
// buffered.
func (q *queue) counts(by map[string]uint64) (dropped uint64, buffered int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for why, n := range q.dropped {
		by["dropped_"+why] = n
		dropped += n
	}
	return dropped, len(q.entries)
}

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}
