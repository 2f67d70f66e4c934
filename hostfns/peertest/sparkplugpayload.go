package peertest

import (
	_ "embed"
	"errors"
	"fmt"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

//go:embed sparkplug.proto
var sparkplugProto string

// SparkplugSchema reads payloads of Sparkplug B as generated code does, and knows
// nothing of ours.
type SparkplugSchema struct {
	Payload protoreflect.MessageDescriptor
}

// NewSparkplugSchema compiles the schema.
func NewSparkplugSchema(tb testing.TB) *SparkplugSchema {
	tb.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"sparkplug.proto": sparkplugProto}),
	}}
	files, err := compiler.Compile(tb.Context(), "sparkplug.proto")
	if err != nil {
		tb.Fatal(err)
	}
	return &SparkplugSchema{files[0].Messages().ByName("Payload")}
}

// SparkplugPayload is a payload as a host reads it. Times are unix ms.
type SparkplugPayload struct {
	Time    uint64
	HasTime bool
	Seq     int // -1: none
	Metrics []SparkplugMetric
}

// SparkplugMetric is a metric as a host reads it.
type SparkplugMetric struct {
	Name       string
	Alias      uint64
	Has        map[string]bool // the fields that are there, and what is wrong with it
	Time       uint64
	Datatype   uint32
	Historical bool
	Null       bool
	Field      string // of the value
	Value      any
	Quality    int // -1: not told
	Unit       string
}

// Read reads a payload. One with fields that the schema does not have is wrong.
func (s *SparkplugSchema) Read(body []byte) (SparkplugPayload, error) {
	m := dynamicpb.NewMessage(s.Payload)
	if err := proto.Unmarshal(body, m); err != nil {
		return SparkplugPayload{}, err
	}
	if len(m.GetUnknown()) > 0 {
		return SparkplugPayload{}, errors.New("the payload has unknown fields")
	}
	p := SparkplugPayload{Seq: -1}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch f.Name() {
		case "timestamp":
			p.Time, p.HasTime = v.Uint(), true
		case "seq":
			p.Seq = int(v.Uint())
		case "metrics":
			for i := range v.List().Len() {
				p.Metrics = append(p.Metrics, readSparkplugMetric(v.List().Get(i).Message()))
			}
		}
		return true
	})
	return p, nil
}

func readSparkplugMetric(m protoreflect.Message) SparkplugMetric {
	out := SparkplugMetric{Has: map[string]bool{}, Quality: -1}
	if len(m.GetUnknown()) > 0 {
		out.Has["unknown fields"] = true
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		out.Has[name] = true
		switch name {
		case "name":
			out.Name = v.String()
		case "alias":
			out.Alias = v.Uint()
		case "timestamp":
			out.Time = v.Uint()
		case "datatype":
			out.Datatype = uint32(v.Uint())
		case "is_historical":
			out.Historical = v.Bool()
		case "is_null":
			out.Null = v.Bool()
		case "is_transient": // of no matter here
		case "properties":
			out.properties(v.Message())
		default:
			out.Field, out.Value = name, v.Interface()
		}
		return true
	})
	return out
}

func (s *SparkplugMetric) properties(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	keys, values := m.Get(fields.ByName("keys")).List(), m.Get(fields.ByName("values")).List()
	if keys.Len() != values.Len() {
		s.Has["unequal properties"] = true
		return
	}
	for i := range keys.Len() {
		p := values.Get(i).Message()
		f := p.Descriptor().Fields()
		kind := p.Get(f.ByName("type")).Uint()
		switch key := keys.Get(i).String(); {
		case key == "Quality" && kind == 3:
			s.Quality = int(p.Get(f.ByName("int_value")).Uint())
		case key == "engUnit" && kind == 12:
			s.Unit = p.Get(f.ByName("string_value")).String()
		default:
			s.Has["unknown properties"] = true
		}
	}
}

// wrong says what is wrong with the form of a metric, whatever it is in.
func (s *SparkplugMetric) wrong() string {
	switch {
	case s.Has["unknown fields"], s.Has["unequal properties"], s.Has["unknown properties"]:
		return "tck-id-payloads-propertyset"
	case s.Time == 0:
		return "tck-id-payloads-name-birth-data-requirement"
	case s.Null != (s.Field == ""):
		return "tck-id-payloads-metric-is-null"
	case s.Quality > 0 && s.Quality != 192 && s.Quality != 500:
		return "tck-id-payloads-propertyset-quality-value-value"
	default:
		return ""
	}
}

// SparkplugField is the field that values of a datatype stand in.
func SparkplugField(datatype uint32) string {
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

// SparkplugValue is a value of a datatype with its sign; bytes are hex.
func SparkplugValue(datatype uint32, v any) any {
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

// Command is a command of one metric, to a bool or a string.
func (s *SparkplugSchema) Command(tb testing.TB, metric string, value any) []byte {
	tb.Helper()
	list := s.Payload.Fields().ByName("metrics")
	m := dynamicpb.NewMessage(list.Message())
	set := func(field string, v any) {
		m.Set(m.Descriptor().Fields().ByName(protoreflect.Name(field)), protoreflect.ValueOf(v))
	}
	set("name", metric)
	switch value.(type) {
	case bool:
		set("datatype", uint32(11))
		set("boolean_value", value)
	case string:
		set("datatype", uint32(12))
		set("string_value", value)
	default:
		tb.Fatalf("a command of %T", value)
	}
	p := dynamicpb.NewMessage(s.Payload)
	p.Mutable(list).List().Append(protoreflect.ValueOfMessage(m))
	body, err := proto.Marshal(p)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}
