package mqtt

import (
	"sync"

	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/queue"
)

// inbound is what was received until it is acknowledged, and what is known of the
// messages of QoS 1 and 2 among it. It survives connections.
type inbound struct {
	*queue.Queue[origin]

	mu     sync.Mutex // guards what follows; it is taken before the queue's own
	serial uint64

	// What the broker has not been told of, by identifier, in the session that it
	// keeps: the messages that are here, those that are safe and could not be
	// acknowledged, and those of QoS 2 that it has yet to release.
	here     map[uint16]held
	safe     map[uint16]bool
	released map[uint16]bool

	connection uint64    // the number of the present one
	receipts   []receipt // that ack has answered, used again
}

// held is a message that is here.
type held struct {
	serial     uint64 // of its event
	connection uint64 // the last over which it came
}

// origin is the message that an event is of.
type origin struct {
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

// beyond is by how much the bounds may be exceeded by messages of QoS 1 and 2, when
// the guest waits for the broker to acknowledge what it publishes meanwhile.
const beyond = 4

func newInbound(cfg queue.Config) *inbound {
	return &inbound{
		Queue: queue.New[origin](cfg),
		here:  map[uint16]held{}, safe: map[uint16]bool{}, released: map[uint16]bool{},
	}
}

// known answers for a message of QoS 1 or 2 that is not new: the broker sends again
// what it has not heard of. A message that is not marked as a repetition is new,
// whatever its identifier was used for, but for one of QoS 2 that was not released.
func (q *inbound) known(p *wire.Packet) (answer receipt, known bool) {
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
func (q *inbound) refuse(p *wire.Packet) receipt {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.answer(p.ID, p.QoS)
}

// answer is the receipt of a message that is safe.
func (q *inbound) answer(id uint16, qos byte) receipt {
	delete(q.safe, id)
	if qos == 2 {
		q.released[id] = true
		return receipt{wire.PubRec, id, 0}
	}
	return receipt{wire.PubAck, id, 0}
}

// push adds the event of a message; false: there is no room.
func (q *inbound) push(e capability.Event, qos byte, id uint16) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.serial++
	if !q.TryPut(e, origin{qos: qos, id: id, serial: q.serial}) {
		return false
	}
	if qos > 0 {
		q.here[id] = held{q.serial, q.connection}
	}
	return true
}

// begin notes another connection. What is known of the broker's session is let go
// of if that is gone.
func (q *inbound) begin(present bool) {
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
func (q *inbound) release(id uint16) receipt {
	q.mu.Lock()
	defer q.mu.Unlock()
	known := q.released[id]
	delete(q.released, id)
	if known {
		return receipt{wire.PubComp, id, 0}
	}
	return receipt{wire.PubComp, id, reasonUnknownID}
}

// ack lets go of the oldest n events, and answers what the broker is to be told, until
// the next ack. It is noted as not told: see told.
func (q *inbound) ack(n int) []receipt {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.receipts[:0]
	q.AckEach(n, func(o origin) {
		h := q.here[o.id]
		if o.qos == 0 || h.serial != o.serial {
			return
		}
		delete(q.here, o.id)
		q.safe[o.id] = true
		if h.connection != q.connection {
			return // the broker sends it again, and would not know what it is told of before
		}
		kind := wire.PubAck
		if o.qos == 2 {
			kind = wire.PubRec
		}
		list = append(list, receipt{kind, o.id, 0})
	})
	q.receipts = list
	return list
}

// told tells the broker, and notes of whom it was told: the others it asks for
// again.
func (q *inbound) told(list []receipt, tell func(receipt) bool) {
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
