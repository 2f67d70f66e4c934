package main

import (
	"cmp"
	"maps"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

// The metrics of the node itself. They have no alias
// (tck-id-operational-behavior-data-commands-rebirth-name-aliases).
const (
	bdSeqName   = "bdSeq"
	rebirthName = "Node Control/Rebirth"
)

// edge is the node as the hosts know it: what was born, and what comes next. It
// makes messages, in the order in which they are to be sent, and sends none.
type edge struct {
	address
	config *config

	bdSeq uint64 // of the connection
	seq   uint64 // of the next message
	born  bool
	since int64 // of the birth, unix ns: what was received before is history

	aliases uint64
	metrics int
	self    *thing
	devices map[string]*thing // by id

	places int      // at which devices are kept
	dirty  []*thing // to be kept
	unkept bool     // that failed, and was told

	out []outgoing
	buf []metric
}

// outgoing is a message with the record that it is of (-1: of none).
type outgoing struct {
	mqtt.Message
	record int
}

func newEdge(c *config) *edge {
	return &edge{
		address: address{c.Group, c.Node}, config: c,
		self: newThing("", ""), devices: map[string]*thing{},
	}
}

// send queues a message of QoS 0 with the next sequence number
// (tck-id-payloads-sequence-num-incrementing).
func (e *edge) send(record int, message, device string, now int64, metrics []metric) {
	p := payload{Time: now / 1e6, Seq: int(e.seq), Metrics: metrics}
	e.seq = (e.seq + 1) & 0xff
	e.out = append(e.out, outgoing{
		record: record, Message: mqtt.Message{Topic: e.topic(message, device), Payload: p.Append(nil)},
	})
}

// death is the will of a connection, and what is published before a wanted end:
// without a sequence number, and of QoS 1 (tck-id-payloads-ndeath-seq).
func (e *edge) death(bdSeq uint64, now int64) mqtt.Message {
	p := payload{Time: now / 1e6, Seq: -1, Metrics: []metric{bdSeqMetric(bdSeq, now)}}
	return mqtt.Message{Topic: e.topic(ndeath, ""), Payload: p.Append(nil), QoS: 1}
}

func bdSeqMetric(bdSeq uint64, now int64) metric {
	return metric{Name: bdSeqName, Time: now / 1e6, Type: typeInt64, Value: abi.Int(int64(bdSeq))}
}

// bdSeqOf reads the number out of a will, of this node or of a version before.
func bdSeqOf(will []byte) (uint64, bool) {
	var p payload
	if p.Decode(will) != nil || len(p.Metrics) != 1 || p.Metrics[0].Name != bdSeqName {
		return 0, false
	}
	n := p.Metrics[0].Value
	return n.Uint(), n.Type() == abi.ValueUint && n.Uint() < 256
}

// birth queues the birth of the node and of all devices that have one
// (tck-id-operational-behavior-data-commands-rebirth-action-2). All that came
// before it is history.
func (e *edge) birth(now int64) {
	e.out = e.out[:0]
	e.since, e.born = now, true
	e.births(-1, now)
}

// births queues the birth of the node and those of its devices.
func (e *edge) births(record int, now int64) {
	e.nodeBirth(record, now)
	for _, d := range e.sorted() {
		if d.born {
			e.deviceBirth(record, d, now)
		}
	}
}

// sorted are the devices in the order of their ids.
func (e *edge) sorted() []*thing {
	all := make([]*thing, 0, len(e.devices))
	for _, id := range slices.Sorted(maps.Keys(e.devices)) {
		all = append(all, e.devices[id])
	}
	return all
}

func (e *edge) nodeBirth(record int, now int64) {
	e.seq = 0
	e.buf = append(e.buf[:0],
		bdSeqMetric(e.bdSeq, now),
		metric{Name: rebirthName, Time: now / 1e6, Type: typeBoolean, Value: abi.Bool(false)},
		metric{Name: "Properties/Software", Time: now / 1e6, Type: typeString, Value: abi.String("snaprail sparkplug " + version)},
	)
	for _, t := range e.self.tags {
		e.buf = append(e.buf, t.birth(now/1e6))
	}
	e.self.born, e.self.changed = true, false
	e.send(record, nbirth, "", now, e.buf)
}

func (e *edge) deviceBirth(record int, d *thing, now int64) {
	e.buf = e.buf[:0]
	for _, t := range d.tags {
		e.buf = append(e.buf, t.birth(now/1e6))
	}
	if d.changed || !d.born {
		e.note(d)
	}
	d.born, d.changed = true, false
	e.send(record, dbirth, d.id, now, e.buf)
}

// deviceDeath queues the death of a device that has no data
// (tck-id-operational-behavior-device-ddeath).
func (e *edge) deviceDeath(d *thing, now int64) {
	d.born = false
	e.note(d)
	e.send(-1, ddeath, d.id, now, nil)
}

// thingOf is the device of a record, or the node itself.
func (e *edge) thingOf(connector, device string) (*thing, string) {
	if device == "" || device == e.config.NodeDevice {
		e.self.connector, e.self.device = connector, device
		return e.self, ""
	}
	id := idOf(device)
	if e.config.DeviceBy == byConnector {
		id = idOf(connector) + ":" + id
	}
	d := e.devices[id]
	if d == nil {
		if len(e.devices) >= maxDevices {
			return nil, "there are too many devices"
		}
		d = newThing(id, device)
		e.devices[id] = d
	}
	d.connector = connector
	return d, ""
}

// record queues what has to be said of a record: its data, and before it the birth
// of its device if that is unknown, or has a metric that is. The reason is why
// nothing can be said.
func (e *edge) record(at int, part *abi.DeliverPart, r *abi.Record, now int64) (reason string) {
	d, reason := e.thingOf(part.Connector, r.Device)
	if d == nil {
		return reason
	}
	points, prefix := e.points(r)
	list, reason := e.declare(d, points, prefix, cmp.Or(r.Time, part.Received))
	if reason != "" {
		return reason
	}
	if size(list) > maxPayload {
		return "the message would be larger than a message may be"
	}
	d.seen = now
	historical := part.Received < e.since
	whole := e.keep(list, historical)
	if d.changed || !d.born {
		e.rebirth(at, d, now)
		if whole {
			return "" // the birth says it all
		}
	}
	e.data(at, d, list, historical, now)
	return ""
}

// reading is a point of a record on its way to be a metric.
type reading struct {
	tag     *tag
	value   abi.Value
	null    bool
	quality int
	time    int64
}

// points are those of a record; a payload that nobody has converted is one.
func (e *edge) points(r *abi.Record) (points []abi.Point, prefix string) {
	switch r.Kind {
	case abi.KindAttributes:
		prefix = e.config.AttributesPrefix
	case abi.KindEvent:
		prefix = e.config.EventsPrefix
	default: // telemetry
	}
	if len(r.Points) > 0 || len(r.Payload) == 0 {
		return r.Points, prefix
	}
	v := abi.Bytes(r.Payload)
	if isText(r.ContentType, r.Payload) {
		v = abi.String(string(r.Payload))
	}
	return []abi.Point{{Name: "payload", Value: v}}, prefix
}

// declare gives a device the metrics of points, and makes readings of them: of all
// or none.
func (e *edge) declare(d *thing, points []abi.Point, prefix string, at int64) (list []reading, reason string) {
	list = make([]reading, len(points))
	for i := range points {
		p := &points[i]
		name := prefix + p.Name
		asked := e.config.typeOf(name)
		if asked != typeUnknown && p.Value.Type() != abi.ValueNone {
			if _, ok := fit(asked, convert(asked, p.Value, true)); !ok {
				return nil, "the value of " + clip(name) + " is no " + nameOf(asked)
			}
		}
		before := len(d.tags)
		t, refused := d.declare(name, p, asked, maxMetrics-e.metrics)
		if refused != "" {
			return nil, refused
		}
		if len(d.tags) > before {
			e.metrics++
			e.alias(t)
		}
		list[i] = reading{tag: t, quality: quality(p.Quality), time: cmp.Or(p.SourceTime, at), null: true}
	}
	for i := range points { // now that all types are known
		if r, v := &list[i], points[i].Value; v.Type() != abi.ValueNone {
			fitted, ok := fit(r.tag.kind, convert(r.tag.kind, v, e.config.typeOf(r.tag.name) != typeUnknown))
			r.value, r.null = fitted, !ok
		}
	}
	return list, ""
}

func (e *edge) alias(t *tag) {
	if e.config.Aliases {
		e.aliases++
		t.alias = e.aliases
	}
}

// keep holds the readings for the next birth, and reports whether that says all
// that there is: that none came twice or is too long, and that none is history,
// which a birth cannot say.
func (e *edge) keep(list []reading, historical bool) (whole bool) {
	whole = !historical
	for i := range list {
		t := list[i].tag
		if i > 0 && slices.ContainsFunc(list[:i], func(r reading) bool { return r.tag == t }) || list[i].time < t.time {
			whole = false
		}
		t.set(list[i].value, list[i].null, list[i].quality, list[i].time)
		whole = whole && t.kept
	}
	return whole
}

// rebirth queues a birth of a device, or of all if it is the node's.
func (e *edge) rebirth(at int, d *thing, now int64) {
	if d != e.self {
		e.deviceBirth(at, d, now)
		return
	}
	e.births(at, now)
}

// data queues readings. A metric that has an alias is told by it alone
// (tck-id-payloads-alias-data-cmd-requirement), and by no type
// (tck-id-payloads-metric-datatype-not-req).
func (e *edge) data(at int, d *thing, list []reading, historical bool, now int64) {
	if len(list) == 0 {
		return
	}
	e.buf = e.buf[:0]
	for i := range list {
		r := &list[i]
		m := metric{Alias: r.tag.alias, Time: r.time / 1e6, Type: r.tag.kind, Untold: true, Historical: historical, Null: r.null, Value: r.value}
		if m.Alias == 0 {
			m.Name = r.tag.name
		}
		if r.quality != qualityGood || r.tag.told != qualityGood {
			m.Quality = r.quality
		}
		if !historical {
			r.tag.told = r.quality
		}
		e.buf = append(e.buf, m)
	}
	message := ddata
	if d == e.self {
		message = ndata
	}
	e.send(at, message, d.id, now, e.buf)
}

// maxPayload bounds a message, so that one call of the host takes it.
const maxPayload = 1<<20 - 4096

// size is what readings take at most, in bytes.
func size(list []reading) (n int) {
	for i := range list {
		n += len(list[i].tag.name) + len(list[i].value.String()) + len(list[i].value.Bytes()) + 96
	}
	return n
}
