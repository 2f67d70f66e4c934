package main

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// mqttRace moves records out of the outbox to mosquitto with QoS 1. The plain
// programs have them in memory, and publish with the same codec and properties.
func mqttRace(b *testing.B) race {
	b.Helper()
	if _, err := exec.LookPath("mosquitto"); err != nil {
		return race{missing: "records to MQTT: mosquitto is not installed"}
	}
	m := peertest.StartMosquitto(b)
	w := newWorks(b)
	id := w.connect(control.ConnectorInput{
		Name:   "out",
		Grants: []spec.Grant{{Group: "mqtt", Resources: []string{"broker:" + m.Address, "topic:bench/#", "cidr:127.0.0.0/8"}, Rights: []spec.Right{spec.Write}}},
	}, "mqttsink", map[string]any{"url": "mqtt://" + m.Address, "topic": "bench/${device}"})
	s := newSpring(w)
	return race{
		what: "records of 100 bytes to MQTT", unit: "records", step: batchItems * s.lanes, ours: mover{"snaprail", w.delivering(id, s)},
		others: []mover{
			{"durable, batch by batch", newPublisher(b, m.Address, s, newLedger(b, true)).move},
			{"careless, batch by batch", newPublisher(b, m.Address, s, newLedger(b, false)).move},
			{"careless, all under way", newPublisher(b, m.Address, s, nil).move},
		},
	}
}

// publisher is a plain client of MQTT 5. With a ledger it waits for a batch to be
// acknowledged, and notes that.
type publisher struct {
	b     *testing.B
	conn  net.Conn
	out   *bufio.Writer
	in    *wire.Reader
	most  int // messages that may be under way
	under int
	id    uint16
	from  *spring
	place *ledger
	buf   []byte
}

func newPublisher(b *testing.B, address string, from *spring, place *ledger) *publisher {
	b.Helper()
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
	check(b, err)
	b.Cleanup(func() { _ = conn.Close() }) // the broker may have closed it
	p := &publisher{b: b, conn: conn, out: bufio.NewWriterSize(conn, 64<<10), in: wire.NewReader(bufio.NewReader(conn), wire.V5, 1<<20), from: from, place: place}
	_, err = conn.Write(wire.AppendHello(nil, wire.V5, &wire.Hello{CleanStart: true}))
	check(b, err)
	hello, err := p.in.Next()
	check(b, err)
	if p.most = int(hello.Properties.ReceiveMaximum); p.most == 0 {
		p.most = 1<<16 - 1
	}
	return p
}

func (p *publisher) move(n int) {
	for at := 0; at < n; at += batchItems {
		for i, r := range p.from.records(at / batchItems % p.from.lanes) {
			p.publish(&r, at+i)
		}
		if p.place != nil {
			p.settle(0)
			p.place.note(at)
		}
	}
	p.settle(0)
}

func (p *publisher) publish(r *abi.Record, at int) {
	p.settle(p.most - 1)
	p.under++
	if p.id++; p.id == 0 {
		p.id = 1
	}
	p.buf = wire.AppendMessage(p.buf[:0], wire.V5, &wire.Message{
		Topic: "bench/" + r.Device, Payload: r.Payload, QoS: 1, Properties: wire.Properties{ContentType: r.ContentType, User: []wire.User{
			{Name: "snaprail-id", Value: fmt.Sprint("con_bench/1/", at)},
			{Name: "snaprail-device", Value: r.Device},
			{Name: "snaprail-connector", Value: "bench"},
			{Name: "snaprail-kind", Value: "telemetry"},
		}},
	}, p.id, false)
	_, err := p.out.Write(p.buf)
	check(p.b, err)
}

// settle waits until no more than so many messages are under way.
func (p *publisher) settle(most int) {
	if p.under <= most {
		return
	}
	check(p.b, p.out.Flush())
	for p.under > most {
		packet, err := p.in.Next()
		check(p.b, err)
		if packet.Type == wire.PubAck {
			p.under--
		}
	}
}
