package mqtt

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
)

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
