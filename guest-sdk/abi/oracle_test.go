package abi_test

import (
	"encoding/hex"
	"slices"
	"strconv"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// oracle reads and writes snaprail.proto as generated code does.
type oracle struct {
	file protoreflect.FileDescriptor
}

func newOracle(t testing.TB) *oracle {
	t.Helper()
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{}),
	}
	files, err := compiler.Compile(t.Context(), "snaprail.proto")
	if err != nil {
		t.Fatal(err)
	}
	return &oracle{file: files[0]}
}

func (o *oracle) message(t testing.TB, name string) protoreflect.MessageDescriptor {
	t.Helper()
	md := o.file.Messages().ByName(protoreflect.Name(name))
	if md == nil {
		t.Fatalf("no message %s in the proto", name)
	}
	return md
}

func (o *oracle) decode(t testing.TB, name string, src []byte) (*dynamicpb.Message, error) {
	t.Helper()
	m := dynamicpb.NewMessage(o.message(t, name))
	return m, proto.Unmarshal(src, m)
}

// plain is the plain form of the oracle's message. It reports false when an
// index is outside its table: what such a message says is not defined.
func plain(m protoreflect.Message) (map[string]any, bool) {
	out, ok := make(map[string]any), true
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(fd.Name())
		if !fd.IsList() {
			out[name], ok = plainPB(fd, v)
			return ok
		}
		var list []any
		for i := range v.List().Len() {
			var e any
			if e, ok = plainPB(fd, v.List().Get(i)); !ok {
				return false
			}
			list = append(list, e)
		}
		out[name] = list
		return true
	})
	if !ok {
		return nil, false
	}
	switch m.Descriptor().Name() {
	case "Batch":
		return resolveBatch(out)
	case "Events":
		resolveEvents(out)
	case "DeliverPart": // a batch without records is none
		if b, _ := out["batch"].(map[string]any); len(b) == 0 {
			delete(out, "batch")
		}
	}
	return out, true
}

func plainPB(fd protoreflect.FieldDescriptor, v protoreflect.Value) (any, bool) {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return plain(v.Message())
	case protoreflect.BytesKind:
		return hex.EncodeToString(v.Bytes()), true
	case protoreflect.Uint64Kind:
		return strconv.FormatUint(v.Uint(), 10), true
	case protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return strconv.FormatInt(v.Int(), 10), true
	case protoreflect.Uint32Kind:
		return float64(v.Uint()), true
	case protoreflect.EnumKind:
		return float64(uint32(v.Enum())), true
	case protoreflect.DoubleKind:
		return plainDouble(v.Float()), true
	default:
		return v.Interface(), true
	}
}

// resolveBatch puts names and times where the records have indexes and
// distances.
func resolveBatch(b map[string]any) (map[string]any, bool) {
	r := resolver{ok: true}
	base := r.int64(b["base_time"])
	for _, e := range r.list(b["records"]) {
		rec := e.(map[string]any)
		r.set(rec, "device", r.entry(b["devices"], r.index(rec["device"])))
		if i := r.index(rec["content_type"]); i > 0 {
			r.set(rec, "content_type", r.entry(b["content_types"], i-1))
		}
		at := base + r.int64(rec["time"])
		r.setTime(rec, "time", at)
		for _, e := range r.list(rec["points"]) {
			p := e.(map[string]any)
			r.set(p, "name", r.entry(b["names"], r.index(p["name"])))
			if i := r.index(p["unit"]); i > 0 {
				r.set(p, "unit", r.entry(b["names"], i-1))
			}
			if d := r.int64(p["source_time"]); d != 0 {
				r.setTime(p, "source_time", at+d)
			}
			r.value(p)
		}
	}
	out := map[string]any{}
	if b["records"] != nil {
		out["records"] = b["records"]
	}
	return out, r.ok
}

func resolveEvents(e map[string]any) {
	var r resolver
	base := r.int64(e["base_time"])
	delete(e, "base_time")
	for _, v := range r.list(e["events"]) {
		event := v.(map[string]any)
		r.setTime(event, "time", base+r.int64(event["time"]))
	}
}

type resolver struct{ ok bool }

func (*resolver) list(v any) []any { l, _ := v.([]any); return l }

func (*resolver) int64(v any) int64 {
	s, _ := v.(string)
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func (*resolver) index(v any) int { f, _ := v.(float64); return int(f) }

func (r *resolver) entry(table any, i int) string {
	l := r.list(table)
	if i >= len(l) {
		r.ok = false
		return ""
	}
	return l[i].(string)
}

func (*resolver) set(m map[string]any, key, s string) {
	if delete(m, key); s != "" {
		m[key] = s
	}
}

func (r *resolver) setTime(m map[string]any, key string, at int64) {
	if delete(m, key); at != 0 {
		m[key] = strconv.FormatInt(at, 10)
	}
}

func (*resolver) value(p map[string]any) {
	for _, form := range []string{"bool", "int", "uint", "double", "string", "bytes"} {
		if v, ok := p[form+"_value"]; ok {
			delete(p, form+"_value")
			p["value"] = map[string]any{form: v}
		}
	}
}

// hasGroup reports whether a group is among the fields that the oracle does
// not know: ours refuses those.
func hasGroup(m protoreflect.Message) bool {
	for b := []byte(m.GetUnknown()); len(b) > 0; {
		_, typ, n := protowire.ConsumeField(b)
		if typ == protowire.StartGroupType {
			return true
		}
		b = b[n:]
	}
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				found = found || hasGroup(v.List().Get(i).Message())
			}
		default:
			found = found || hasGroup(v.Message())
		}
		return !found
	})
	return found
}

// TestEveryMessageHasACodec holds the proto and the Go types together.
func TestEveryMessageHasACodec(t *testing.T) {
	o := newOracle(t)
	inner := []string{ // part of another message, or JSON
		"Record", "Header", "Point", "Verdict", "Event", "DeliverPart", "Manifest", "Abi", "Capability", "Extism", "OAuth", "HTTPTLS", "DeviceTags", "DeployGrant",
		"OPCUAText", "OPCUANode", "OPCUAValue", "OPCUAWriteValue", "OPCUAStatus", "OPCUAReference", "OPCUAVariant", "OPCUAItem",
		"SerialExpect", "SerialFrame", "SerialPort",
		"Framing", "Metric",
	}
	known := messages()
	for i := range o.file.Messages().Len() {
		name := string(o.file.Messages().Get(i).Name())
		if _, ok := known[name]; !ok && !slices.Contains(inner, name) {
			t.Errorf("message %s has no codec", name)
		}
	}
	for name, fresh := range known {
		o.plainOf(t, name, fresh()) // fails on a Go field that the proto lacks
	}
}
