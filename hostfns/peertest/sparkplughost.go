package peertest

import (
	"fmt"
	"strings"
	"testing"
)

// MQTTMessage is a message on a broker.
type MQTTMessage struct {
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
}

// SparkplugHost is a host application that is strict: it holds every message of one
// edge node against the rules of Sparkplug B 3.0, by the names that the
// specification has for them, and keeps what it was told. It belongs to one
// goroutine.
type SparkplugHost struct {
	tb          testing.TB
	schema      *SparkplugSchema
	group, node string

	Wills   []uint64 // the bdSeq of the connections, in order
	Online  bool
	BDSeq   uint64
	Alive   map[string]bool // devices
	Values  map[string]any  // the present ones, by device/metric
	History []string        // device/metric=value@ms of all births and data, with ! before what is historical
	Kinds   []string        // the messages, as in "DBIRTH pump"

	next    int
	types   map[string]map[string]uint32 // of device, "" is the node, and metric
	aliases map[uint64][2]string
}

// NewSparkplugHost makes a host for one node.
func NewSparkplugHost(tb testing.TB, group, node string) *SparkplugHost {
	tb.Helper()
	return &SparkplugHost{
		tb: tb, schema: NewSparkplugSchema(tb), group: group, node: node,
		Alive: map[string]bool{}, Values: map[string]any{}, types: map[string]map[string]uint32{}, aliases: map[uint64][2]string{},
	}
}

// Datatype is that of a metric, as it was born.
func (h *SparkplugHost) Datatype(device, metric string) uint32 { return h.types[device][metric] }

func (h *SparkplugHost) wrong(rule, format string, args ...any) {
	h.tb.Helper()
	h.tb.Errorf("%s: %s", rule, fmt.Sprintf(format, args...))
}

// Connected takes the will of a new connection; nil: it has none.
func (h *SparkplugHost) Connected(will *MQTTMessage) {
	h.tb.Helper()
	if will == nil {
		h.wrong("tck-id-payloads-ndeath-will-message", "the connection has none")
		return
	}
	n := h.death(*will, "will")
	if len(h.Wills) > 0 {
		if last := h.Wills[len(h.Wills)-1]; n != (last+1)%256 {
			h.wrong("tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq", "%d after %d", n, last)
		}
	}
	h.Wills = append(h.Wills, n)
}

// death reads a death certificate and answers its bdSeq.
func (h *SparkplugHost) death(m MQTTMessage, what string) uint64 {
	h.tb.Helper()
	if m.Topic != fmt.Sprintf("spBv1.0/%s/NDEATH/%s", h.group, h.node) || m.QoS != 1 || m.Retain {
		h.wrong("tck-id-payloads-ndeath-will-message-qos", "%s to %s, QoS %d, retained %v", what, m.Topic, m.QoS, m.Retain)
	}
	p, err := h.schema.Read(m.Payload)
	if err != nil || len(p.Metrics) != 1 || p.Metrics[0].Name != "bdSeq" || p.Metrics[0].Field != "long_value" || p.Metrics[0].Datatype != 4 {
		h.wrong("tck-id-payloads-ndeath-bdseq", "%s is %+v (%v)", what, p, err)
		return 0
	}
	if p.Seq != -1 {
		h.wrong("tck-id-payloads-ndeath-seq", "the %s has seq %d", what, p.Seq)
	}
	n, _ := p.Metrics[0].Value.(uint64)
	if n > 255 {
		h.wrong("tck-id-payloads-ndeath-bdseq", "%d", n)
	}
	return n
}

// Take takes a message that was published under the node's group and id.
func (h *SparkplugHost) Take(m MQTTMessage) {
	h.tb.Helper()
	parts := strings.Split(m.Topic, "/")
	if len(parts) < 4 || len(parts) > 5 || parts[0] != "spBv1.0" || parts[1] != h.group || parts[3] != h.node {
		h.wrong("tck-id-topic-structure-namespace-a", "topic %s", m.Topic)
		return
	}
	kind, device := parts[2], ""
	if len(parts) == 5 {
		device = parts[4]
	}
	h.Kinds = append(h.Kinds, strings.TrimSpace(kind+" "+device))
	if (device != "") != strings.HasPrefix(kind, "D") {
		h.wrong("tck-id-topic-structure", "topic %s", m.Topic)
	}
	if kind == "NDEATH" {
		if n := h.death(m, "NDEATH"); h.Online && n != h.BDSeq {
			h.wrong("tck-id-topics-nbirth-bdseq-matching", "a death of %d while %d is alive", n, h.BDSeq)
		}
		h.Online, h.Alive = false, map[string]bool{}
		return
	}
	p := h.envelope(m, kind)
	switch kind {
	case "NBIRTH":
		h.nodeBirth(p)
	case "DBIRTH":
		h.deviceBirth(device, p)
	case "NDATA", "DDATA":
		h.data(kind, device, p)
	case "DDEATH":
		if !h.Alive[device] || len(p.Metrics) != 0 {
			h.wrong("tck-id-operational-behavior-device-ddeath", "%s with %d metrics", device, len(p.Metrics))
		}
		delete(h.Alive, device)
	default:
		h.wrong("tck-id-topic-structure", "topic %s", m.Topic)
	}
}

// envelope checks what all messages but a death of the node have in common.
func (h *SparkplugHost) envelope(m MQTTMessage, kind string) SparkplugPayload {
	h.tb.Helper()
	if m.QoS != 0 || m.Retain {
		h.wrong("tck-id-topics-"+strings.ToLower(kind)+"-mqtt", "QoS %d, retained %v", m.QoS, m.Retain)
	}
	p, err := h.schema.Read(m.Payload)
	if err != nil {
		h.wrong("tck-id-payloads", "%v", err)
	}
	if !p.HasTime {
		h.wrong("tck-id-payloads-timestamp-in-UTC", "%s has no timestamp", kind)
	}
	switch {
	case kind == "NBIRTH" && p.Seq != 0:
		h.wrong("tck-id-topics-nbirth-seq-num", "seq %d", p.Seq)
	case kind != "NBIRTH" && !h.Online:
		h.wrong("tck-id-message-flow-edge-node-birth-publish-nbirth", "%s before the birth of the node", kind)
	case kind != "NBIRTH" && p.Seq != h.next:
		h.wrong("tck-id-payloads-sequence-num-incrementing", "%s has seq %d, want %d", kind, p.Seq, h.next)
	}
	h.next = (p.Seq + 1) % 256
	for _, x := range p.Metrics {
		if rule := x.wrong(); rule != "" {
			h.wrong(rule, "%s: %+v", kind, x)
		}
	}
	return p
}

func (h *SparkplugHost) nodeBirth(p SparkplugPayload) {
	h.tb.Helper()
	h.Online, h.Alive, h.aliases = true, map[string]bool{}, map[uint64][2]string{}
	h.types = map[string]map[string]uint32{}
	found := map[string]SparkplugMetric{}
	for _, m := range p.Metrics {
		found[m.Name] = m
	}
	seq, rebirth := found["bdSeq"], found["Node Control/Rebirth"]
	if seq.Datatype != 4 || seq.Field != "long_value" || seq.Has["alias"] {
		h.wrong("tck-id-topics-nbirth-bdseq-included", "%+v", seq)
		return
	}
	h.BDSeq, _ = seq.Value.(uint64)
	if len(h.Wills) > 0 && h.BDSeq != h.Wills[len(h.Wills)-1] {
		h.wrong("tck-id-topics-nbirth-bdseq-matching", "born with %d, the will has %d", h.BDSeq, h.Wills[len(h.Wills)-1])
	}
	if rebirth.Datatype != 11 || rebirth.Value != false || rebirth.Has["alias"] {
		h.wrong("tck-id-topics-nbirth-rebirth-metric", "%+v", rebirth)
	}
	h.metrics("", p)
}

func (h *SparkplugHost) deviceBirth(device string, p SparkplugPayload) {
	h.tb.Helper()
	h.Alive[device] = true
	for alias, of := range h.aliases {
		if of[0] == device {
			delete(h.aliases, alias)
		}
	}
	h.metrics(device, p)
}

// metrics takes those of a birth.
func (h *SparkplugHost) metrics(device string, p SparkplugPayload) {
	h.tb.Helper()
	h.types[device] = map[string]uint32{}
	for _, m := range p.Metrics {
		if m.Name == "" || m.Datatype == 0 {
			h.wrong("tck-id-payloads-metric-datatype-req", "%s: %+v", device, m)
		}
		if m.Historical {
			h.wrong("is_historical", "in the birth of %q", device)
		}
		if _, twice := h.types[device][m.Name]; twice {
			h.wrong("tck-id-payloads-name-requirement", "%s/%s twice", device, m.Name)
		}
		h.types[device][m.Name] = m.Datatype
		if m.Has["alias"] {
			if of, taken := h.aliases[m.Alias]; taken {
				h.wrong("tck-id-payloads-alias-uniqueness", "%d is of %v and of %s/%s", m.Alias, of, device, m.Name)
			}
			h.aliases[m.Alias] = [2]string{device, m.Name}
		}
		h.note(device, m.Name, m.Datatype, m)
	}
}

func (h *SparkplugHost) data(kind, device string, p SparkplugPayload) {
	h.tb.Helper()
	if device != "" && !h.Alive[device] {
		h.wrong("tck-id-payloads-ddata-order", "%s of %s, which is not born", kind, device)
	}
	for _, m := range p.Metrics {
		name := m.Name
		if m.Has["alias"] {
			of, known := h.aliases[m.Alias]
			if !known || of[0] != device {
				h.wrong("tck-id-payloads-alias-birth-requirement", "unknown alias %d of %s", m.Alias, device)
				continue
			}
			if m.Has["name"] {
				h.wrong("tck-id-payloads-alias-data-cmd-requirement", "%s has a name and an alias", m.Name)
			}
			name = of[1]
		}
		datatype, ok := h.types[device][name]
		if !ok {
			h.wrong("tck-id-payloads-dbirth-order", "%s/%s was not born", device, name)
		}
		if m.Has["datatype"] {
			h.wrong("tck-id-payloads-metric-datatype-not-req", "%s/%s has one", device, name)
		}
		h.note(device, name, datatype, m)
	}
}

// note keeps a value.
func (h *SparkplugHost) note(device, name string, datatype uint32, m SparkplugMetric) {
	h.tb.Helper()
	if want := SparkplugField(datatype); !m.Null && m.Field != want {
		h.wrong("tck-id-payloads-metric-datatype-value", "%s/%s of type %d stands in %s, want %s", device, name, datatype, m.Field, want)
	}
	key := strings.TrimPrefix(device+"/"+name, "/")
	if key == "bdSeq" || key == "Node Control/Rebirth" || key == "Properties/Software" {
		return
	}
	mark := "!"
	if !m.Historical {
		mark, h.Values[key] = "", SparkplugValue(datatype, m.Value)
	}
	line := fmt.Sprintf("%s%s=%v@%d", mark, key, SparkplugValue(datatype, m.Value), m.Time)
	if !m.Null && (len(h.History) == 0 || h.History[len(h.History)-1] != line) {
		h.History = append(h.History, line)
	}
}
