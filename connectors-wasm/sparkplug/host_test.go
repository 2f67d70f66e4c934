package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// schema reads payloads as generated code does, and knows nothing of ours.
type schema struct {
	payload, metric protoreflect.MessageDescriptor
}

func newSchema(tb testing.TB) *schema {
	tb.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{"testdata"}}}
	files, err := compiler.Compile(tb.Context(), "payload.proto")
	if err != nil {
		tb.Fatal(err)
	}
	return &schema{files[0].Messages().ByName("Payload"), files[0].Messages().ByName("Metric")}
}

// seen is a metric as a host reads it.
type seen struct {
	name       string
	alias      uint64
	has        map[string]bool // the fields that are there
	time       uint64
	datatype   uint32
	historical bool
	null       bool
	field      string // of the value
	value      any
	quality    int // -1: not told
	unit       string
}

// heard is a payload as a host reads it.
type heard struct {
	time    uint64
	hasTime bool
	seq     int // -1: none
	metrics []seen
}

func (s *schema) read(body []byte) (heard, error) {
	m := dynamicpb.NewMessage(s.payload)
	if err := proto.Unmarshal(body, m); err != nil {
		return heard{}, err
	}
	if len(m.GetUnknown()) > 0 {
		return heard{}, fmt.Errorf("the payload has unknown fields")
	}
	h := heard{seq: -1}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch f.Name() {
		case "timestamp":
			h.time, h.hasTime = v.Uint(), true
		case "seq":
			h.seq = int(v.Uint())
		case "metrics":
			for i := range v.List().Len() {
				h.metrics = append(h.metrics, readMetric(v.List().Get(i).Message()))
			}
		}
		return true
	})
	return h, nil
}

func readMetric(m protoreflect.Message) seen {
	out := seen{has: map[string]bool{}, quality: -1}
	if len(m.GetUnknown()) > 0 {
		out.has["unknown"] = true
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		out.has[name] = true
		switch name {
		case "name":
			out.name = v.String()
		case "alias":
			out.alias = v.Uint()
		case "timestamp":
			out.time = v.Uint()
		case "datatype":
			out.datatype = uint32(v.Uint())
		case "is_historical":
			out.historical = v.Bool()
		case "is_null":
			out.null = v.Bool()
		case "properties":
			out.properties(v.Message())
		default:
			out.field, out.value = name, v.Interface()
		}
		return true
	})
	return out
}

func (s *seen) properties(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	keys, values := m.Get(fields.ByName("keys")).List(), m.Get(fields.ByName("values")).List()
	if keys.Len() != values.Len() {
		s.has["unequal properties"] = true
		return
	}
	for i := range keys.Len() {
		p := values.Get(i).Message()
		f := p.Descriptor().Fields()
		kind := p.Get(f.ByName("type")).Uint()
		switch key := keys.Get(i).String(); {
		case key == "Quality" && kind == 3:
			s.quality = int(p.Get(f.ByName("int_value")).Uint())
		case key == "engUnit" && kind == 12:
			s.unit = p.Get(f.ByName("string_value")).String()
		default:
			s.has["unknown property "+key] = true
		}
	}
}

// born is a metric that a host was told of in a birth.
type born struct {
	name     string
	datatype uint32
}

// scada is a host application that is strict: it holds every message of one node
// against the rules of the specification, and keeps what it was told.
type scada struct {
	tb     testing.TB
	schema *schema
	prefix address

	wills   []uint64 // the bdSeq of the connections, in order
	online  bool
	bdSeq   uint64
	next    int
	names   map[string]map[string]born // device, "" is the node, and name
	aliases map[uint64][2]string
	alive   map[string]bool
	values  map[string]any // the present ones, by device/metric
	history []string       // device/metric=value@ms of all data and births, "!" before what is historical
	kinds   []string       // the messages, as in "DBIRTH pump"
}

func newSCADA(tb testing.TB, group, node string) *scada {
	tb.Helper()
	return &scada{
		tb: tb, schema: newSchema(tb), prefix: address{group, node}, names: map[string]map[string]born{},
		aliases: map[uint64][2]string{}, alive: map[string]bool{}, values: map[string]any{},
	}
}

func (h *scada) wrong(rule, format string, args ...any) {
	h.tb.Helper()
	h.tb.Errorf("%s: "+format, append([]any{rule}, args...)...)
}

// connected takes the will of a connection.
func (h *scada) connected(will *abi.MQTTMessage) {
	h.tb.Helper()
	if will == nil {
		h.wrong("tck-id-payloads-ndeath-will-message", "the connection has none")
		return
	}
	n := h.death(*will, "will")
	if len(h.wills) > 0 {
		if last := h.wills[len(h.wills)-1]; n != (last+1)%256 {
			h.wrong("tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq", "%d after %d", n, last)
		}
	}
	h.wills = append(h.wills, n)
}

// death reads a death certificate and answers its bdSeq.
func (h *scada) death(m abi.MQTTMessage, what string) uint64 {
	h.tb.Helper()
	if m.Topic != h.prefix.topic(ndeath, "") || m.QoS != 1 || m.Retain {
		h.wrong("tck-id-payloads-ndeath-will-message-qos", "%s to %s, QoS %d, retained %v", what, m.Topic, m.QoS, m.Retain)
	}
	p, err := h.schema.read(m.Payload)
	if err != nil || len(p.metrics) != 1 || p.metrics[0].name != "bdSeq" || p.metrics[0].field != "long_value" || p.metrics[0].datatype != 4 {
		h.wrong("tck-id-payloads-ndeath-bdseq", "%s is %+v (%v)", what, p, err)
		return 0
	}
	if p.seq != -1 {
		h.wrong("tck-id-payloads-ndeath-seq", "the %s has seq %d", what, p.seq)
	}
	return p.metrics[0].value.(uint64)
}

// take takes messages that were published, in order.
func (h *scada) take(messages ...abi.MQTTMessage) {
	h.tb.Helper()
	for _, m := range messages {
		h.message(m)
	}
}

func (h *scada) message(m abi.MQTTMessage) {
	h.tb.Helper()
	parts := strings.Split(m.Topic, "/")
	if len(parts) < 4 || len(parts) > 5 || parts[0] != "spBv1.0" || parts[1] != h.prefix.group || parts[3] != h.prefix.node {
		h.wrong("tck-id-topic-structure-namespace-a", "topic %s", m.Topic)
		return
	}
	kind, device := parts[2], ""
	if len(parts) == 5 {
		device = parts[4]
	}
	h.kinds = append(h.kinds, strings.TrimSpace(kind+" "+device))
	if (device != "") != strings.HasPrefix(kind, "D") {
		h.wrong("tck-id-topic-structure", "topic %s", m.Topic)
	}
	if kind == ndeath {
		if n := h.death(m, "NDEATH"); n != h.bdSeq {
			h.wrong("tck-id-topics-nbirth-bdseq-matching", "a death of %d while %d is alive", n, h.bdSeq)
		}
		h.online, h.alive = false, map[string]bool{}
		return
	}
	p := h.envelope(m, kind)
	switch kind {
	case nbirth:
		h.nodeBirth(p)
	case dbirth:
		h.birth(device, p)
	case ndata, ddata:
		h.data(kind, device, p)
	case ddeath:
		if !h.alive[device] || len(p.metrics) != 0 {
			h.wrong("tck-id-operational-behavior-device-ddeath", "%s with %d metrics", device, len(p.metrics))
		}
		delete(h.alive, device)
	default:
		h.wrong("tck-id-topic-structure", "topic %s", m.Topic)
	}
}

// envelope checks what all messages but a death of the node have in common.
func (h *scada) envelope(m abi.MQTTMessage, kind string) heard {
	h.tb.Helper()
	if m.QoS != 0 || m.Retain {
		h.wrong("tck-id-topics-"+strings.ToLower(kind)+"-mqtt", "QoS %d, retained %v", m.QoS, m.Retain)
	}
	p, err := h.schema.read(m.Payload)
	if err != nil {
		h.wrong("tck-id-payloads", "%v", err)
	}
	if !p.hasTime {
		h.wrong("tck-id-payloads-timestamp-in-UTC", "%s has no timestamp", kind)
	}
	switch {
	case kind == nbirth && p.seq != 0:
		h.wrong("tck-id-topics-nbirth-seq-num", "seq %d", p.seq)
	case kind != nbirth && p.seq != h.next:
		h.wrong("tck-id-payloads-sequence-num-incrementing", "%s has seq %d, want %d", kind, p.seq, h.next)
	case kind != nbirth && !h.online:
		h.wrong("tck-id-payloads-ndata-order", "%s before the birth of the node", kind)
	}
	h.next = (p.seq + 1) % 256
	for _, x := range p.metrics {
		if x.time == 0 || x.has["unknown"] || x.has["unequal properties"] {
			h.wrong("tck-id-payloads-name-birth-data-requirement", "%s: %+v", kind, x)
		}
		if x.null != (x.field == "") {
			h.wrong("tck-id-payloads-metric-is-null", "%s: %+v", kind, x)
		}
		if x.quality > 0 && x.quality != 192 && x.quality != 500 {
			h.wrong("tck-id-payloads-propertyset-quality-value-value", "%s: %+v", kind, x)
		}
	}
	return p
}

func (h *scada) nodeBirth(p heard) {
	h.tb.Helper()
	h.online, h.alive, h.aliases = true, map[string]bool{}, map[uint64][2]string{}
	h.names = map[string]map[string]born{}
	found := map[string]seen{}
	for _, m := range p.metrics {
		found[m.name] = m
	}
	seq, rebirth := found["bdSeq"], found["Node Control/Rebirth"]
	if seq.datatype != 4 || seq.field != "long_value" || seq.has["alias"] {
		h.wrong("tck-id-topics-nbirth-bdseq-included", "%+v", seq)
		return
	}
	h.bdSeq = seq.value.(uint64)
	if len(h.wills) > 0 && h.bdSeq != h.wills[len(h.wills)-1] {
		h.wrong("tck-id-topics-nbirth-bdseq-matching", "born with %d, the will has %d", h.bdSeq, h.wills[len(h.wills)-1])
	}
	if rebirth.datatype != 11 || rebirth.value != false || rebirth.has["alias"] {
		h.wrong("tck-id-topics-nbirth-rebirth-metric", "%+v", rebirth)
	}
	h.metrics("", p)
}

func (h *scada) birth(device string, p heard) {
	h.tb.Helper()
	h.alive[device] = true
	for alias, of := range h.aliases {
		if of[0] == device {
			delete(h.aliases, alias)
		}
	}
	h.metrics(device, p)
}

// metrics takes those of a birth.
func (h *scada) metrics(device string, p heard) {
	h.tb.Helper()
	h.names[device] = map[string]born{}
	for _, m := range p.metrics {
		if m.name == "" || m.datatype == 0 {
			h.wrong("tck-id-payloads-metric-datatype-req", "%s: %+v", device, m)
		}
		if m.historical {
			h.wrong("is_historical", "in the birth of %q", device)
		}
		if _, twice := h.names[device][m.name]; twice {
			h.wrong("tck-id-payloads-name-requirement", "%s/%s twice", device, m.name)
		}
		h.names[device][m.name] = born{m.name, m.datatype}
		if m.has["alias"] {
			if of, taken := h.aliases[m.alias]; taken {
				h.wrong("tck-id-payloads-alias-uniqueness", "%d is of %v and of %s/%s", m.alias, of, device, m.name)
			}
			h.aliases[m.alias] = [2]string{device, m.name}
		}
		h.note(device, m.name, m.datatype, m)
	}
}

func (h *scada) data(kind, device string, p heard) {
	h.tb.Helper()
	if device != "" && !h.alive[device] {
		h.wrong("tck-id-payloads-ddata-order", "%s of %s, which is not born", kind, device)
	}
	for _, m := range p.metrics {
		name := m.name
		if m.has["alias"] {
			of, known := h.aliases[m.alias]
			if !known || of[0] != device {
				h.wrong("tck-id-payloads-alias-birth-requirement", "unknown alias %d of %s", m.alias, device)
				continue
			}
			if m.has["name"] {
				h.wrong("tck-id-payloads-alias-data-cmd-requirement", "%s has a name and an alias", m.name)
			}
			name = of[1]
		}
		known, ok := h.names[device][name]
		if !ok {
			h.wrong("tck-id-payloads-metric-data", "%s/%s was not born", device, name)
		}
		if m.has["datatype"] {
			h.wrong("tck-id-payloads-metric-datatype-not-req", "%s/%s has one", device, name)
		}
		h.note(device, name, known.datatype, m)
	}
}

// note keeps a value.
func (h *scada) note(device, name string, datatype uint32, m seen) {
	h.tb.Helper()
	if want := fieldOf(datatype); !m.null && m.field != want {
		h.wrong("tck-id-payloads-metric-datatype-value", "%s/%s of type %d stands in %s, want %s", device, name, datatype, m.field, want)
	}
	key := strings.TrimPrefix(device+"/"+name, "/")
	if key == "bdSeq" || key == "Node Control/Rebirth" || key == "Properties/Software" {
		return
	}
	mark := ""
	if m.historical {
		mark = "!"
	} else {
		h.values[key] = m.value
	}
	line := fmt.Sprintf("%s%s=%v@%d", mark, key, signedOf(datatype, m.value), m.time)
	if !m.null && (len(h.history) == 0 || h.history[len(h.history)-1] != line) {
		h.history = append(h.history, line)
	}
}

func fieldOf(datatype uint32) string {
	switch datatype {
	case 1, 2, 3, 5, 6, 7:
		return "int_value"
	case 4, 8, 13:
		return "long_value"
	case 9:
		return "float_value"
	case 10:
		return "double_value"
	case 11:
		return "boolean_value"
	case 12, 14, 15:
		return "string_value"
	case 17:
		return "bytes_value"
	default:
		return "nothing"
	}
}

func signedOf(datatype uint32, v any) any {
	switch n := v.(type) {
	case uint32:
		switch datatype {
		case 1:
			return int8(n)
		case 2:
			return int16(n)
		case 3:
			return int32(n)
		}
	case uint64:
		if datatype == 4 {
			return int64(n)
		}
	case []byte:
		return fmt.Sprintf("%x", n)
	}
	return v
}
