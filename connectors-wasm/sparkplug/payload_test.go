package main

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
)

// TestTypes holds each type with its bounds against what a host reads.
func TestTypes(t *testing.T) {
	s := peertest.NewSparkplugSchema(t)
	for _, c := range []struct {
		kind datatype
		in   abi.Value
		want any // nil: it does not fit
	}{
		{typeInt8, abi.Int(-128), int8(-128)},
		{typeInt8, abi.Int(127), int8(127)},
		{typeInt8, abi.Int(128), nil},
		{typeInt8, abi.Int(-129), nil},
		{typeInt16, abi.Int(-32768), int16(-32768)},
		{typeInt16, abi.Uint(32767), int16(32767)},
		{typeInt16, abi.Uint(32768), nil},
		{typeInt32, abi.Int(math.MinInt32), int32(math.MinInt32)},
		{typeInt32, abi.Int(math.MaxInt32 + 1), nil},
		{typeInt64, abi.Int(math.MinInt64), int64(math.MinInt64)},
		{typeInt64, abi.Int(-1), int64(-1)},
		{typeInt64, abi.Uint(math.MaxUint64), nil},
		{typeUInt8, abi.Uint(255), uint32(255)},
		{typeUInt8, abi.Uint(256), nil},
		{typeUInt8, abi.Int(-1), nil},
		{typeUInt16, abi.Int(65535), uint32(65535)},
		{typeUInt32, abi.Uint(math.MaxUint32), uint32(math.MaxUint32)},
		{typeUInt32, abi.Uint(math.MaxUint32 + 1), nil},
		{typeUInt64, abi.Uint(math.MaxUint64), uint64(math.MaxUint64)},
		{typeUInt64, abi.Int(-1), nil},
		{typeFloat, abi.Double(1.5), float32(1.5)},
		{typeDouble, abi.Double(math.Inf(1)), math.Inf(1)},
		{typeDouble, abi.Int(1 << 53), float64(1 << 53)},
		{typeDouble, abi.Int(1<<53 + 1), nil},
		{typeBoolean, abi.Bool(false), false},
		{typeBoolean, abi.Bool(true), true},
		{typeBoolean, abi.Int(1), nil},
		{typeString, abi.String(""), ""},
		{typeText, abi.String("grün"), "grün"},
		{typeUUID, abi.String("x"), "x"},
		{typeDateTime, abi.Uint(1_700_000_000_000), uint64(1_700_000_000_000)},
		{typeBytes, abi.Bytes([]byte{0, 255}), "00ff"},
		{typeBytes, abi.String("x"), nil},
		{typeUnknown, abi.Int(1), nil},
	} {
		v, ok := fit(c.kind, c.in)
		if ok != (c.want != nil) {
			t.Errorf("%s of %s fits: %v", nameOf(c.kind), text(c.in), ok)
		}
		if !ok {
			continue
		}
		p := payload{Time: 1, Seq: 0, Metrics: []metric{{Name: "a", Type: c.kind, Value: v}}}
		body := p.Append(nil)
		h, err := s.Read(body)
		if err != nil || len(h.Metrics) != 1 {
			t.Fatalf("%s: %v", nameOf(c.kind), err)
		}
		m := h.Metrics[0]
		if got := peertest.SparkplugValue(m.Datatype, m.Value); got != c.want || m.Field != peertest.SparkplugField(uint32(c.kind)) {
			t.Errorf("%s of %s is read as %v (%T) in %s", nameOf(c.kind), text(c.in), got, got, m.Field)
		}
		var back payload
		if err := back.Decode(body); err != nil {
			t.Fatal(err)
		}
		if again, err := back.Metrics[0].typed(typeUnknown); err != nil || string(text(again)) != string(text(v)) {
			t.Errorf("%s of %s comes back as %s (%v)", nameOf(c.kind), text(v), text(again), err)
		}
	}
}

// A negative number may fill the field, or be cut to the width of its type.
func TestSignedNumbersOfBothForms(t *testing.T) {
	for raw, want := range map[uint64]string{0xff: "-1", 0xffffffff: "-1", 0x80: "-128", 0xffffff80: "-128", 0x7f: "127", 0xffffff7f: "", 0x100: "", 1 << 32: ""} {
		m := metric{Type: typeInt8, Value: abi.Uint(raw)}
		v, err := m.typed(typeUnknown)
		if (err == nil) != (want != "") || err == nil && string(text(v)) != want {
			t.Errorf("%#x is %s, %v", raw, text(v), err)
		}
	}
}

func TestPayloadsAreReadAsTheyWereMeant(t *testing.T) {
	s := peertest.NewSparkplugSchema(t)
	rapid.Check(t, func(r *rapid.T) {
		p := payload{Time: rapid.Int64Range(0, 1<<53).Draw(r, "time"), Seq: rapid.IntRange(-1, 255).Draw(r, "seq"), Metrics: rapid.SliceOfN(rapid.Custom(anyMetric), 0, 20).Draw(r, "metrics")}
		h, err := s.Read(p.Append(nil))
		if err != nil {
			r.Fatal(err)
		}
		if h.Seq != p.Seq || int64(h.Time) != p.Time || len(h.Metrics) != len(p.Metrics) {
			r.Fatalf("%+v is read as %+v", p, h)
		}
		for i, m := range p.Metrics {
			got, quality := h.Metrics[i], -1
			if m.Quality != 0 {
				quality = max(m.Quality, 0)
			}
			if got.Name != m.Name || got.Alias != m.Alias || int64(got.Time) != m.Time || got.Null != m.Null ||
				got.Historical != m.Historical || got.Unit != m.Unit || got.Quality != quality || got.Has["datatype"] == m.Untold {
				r.Fatalf("%+v is read as %+v", m, got)
			}
		}
	})
}

func anyMetric(r *rapid.T) metric {
	m := metric{
		Name: rapid.String().Draw(r, "name"), Alias: rapid.Uint64().Draw(r, "alias"), Time: rapid.Int64Range(0, 1<<53).Draw(r, "at"),
		Historical: rapid.Bool().Draw(r, "historical"), Null: rapid.Bool().Draw(r, "null"), Untold: rapid.Bool().Draw(r, "untold"),
		Unit: rapid.String().Draw(r, "unit"), Quality: rapid.SampledFrom([]int{0, qualityBad, qualityGood, qualityStale}).Draw(r, "quality"),
	}
	switch rapid.IntRange(0, 5).Draw(r, "type") {
	case 0:
		m.Type, m.Value = typeInt64, abi.Int(rapid.Int64().Draw(r, "v"))
	case 1:
		m.Type, m.Value = typeUInt64, abi.Uint(rapid.Uint64().Draw(r, "v"))
	case 2:
		m.Type, m.Value = typeDouble, abi.Double(rapid.Float64().Draw(r, "v"))
	case 3:
		m.Type, m.Value = typeString, abi.String(rapid.String().Draw(r, "v"))
	case 4:
		m.Type, m.Value = typeBytes, abi.Bytes(rapid.SliceOf(rapid.Byte()).Draw(r, "v"))
	default:
		m.Type, m.Value = typeBoolean, abi.Bool(rapid.Bool().Draw(r, "v"))
	}
	return m
}

// FuzzCommand holds the reading of commands against the oracle: what it reads, we
// read alike, and nothing panics or is unbounded.
func FuzzCommand(f *testing.F) {
	s := peertest.NewSparkplugSchema(f)
	p := payload{Time: 1, Seq: 3, Metrics: []metric{
		{Name: rebirthName, Type: typeBoolean, Value: abi.Bool(true)},
		{Alias: 7, Type: typeInt8, Value: abi.Int(-3)},
		{Name: "d", Type: typeDouble, Value: abi.Double(2.5), Unit: "Cel", Quality: qualityStale},
		{Name: "n", Type: typeString, Null: true},
	}}
	f.Add(p.Append(nil))
	f.Add([]byte{0x12, 0x02, 0x50, 0x01})
	f.Fuzz(func(t *testing.T, body []byte) {
		var got payload
		err := got.Decode(body)
		if len(got.Metrics) > maxCommandMetrics {
			t.Fatal("more metrics than may be")
		}
		for i := range got.Metrics {
			_, _ = got.Metrics[i].typed(typeInt16)
			if v, err := got.Metrics[i].typed(typeUnknown); err == nil && len(text(v)) == 0 {
				t.Error("a value without a text")
			}
		}
		want, unknown := s.Read(body)
		if err != nil || unknown != nil {
			return
		}
		if len(want.Metrics) != len(got.Metrics) {
			t.Fatalf("%d metrics, want %d", len(got.Metrics), len(want.Metrics))
		}
		for i, m := range want.Metrics {
			g := &got.Metrics[i]
			if m.Name != g.Name || m.Alias != g.Alias || m.Null != g.Null || datatype(m.Datatype) != g.Type || !alike(m, g) {
				t.Errorf("read %+v, want %+v", g, m)
			}
		}
	})
}

// alike reports whether both read the same value.
func alike(want peertest.SparkplugMetric, got *metric) bool {
	switch v := want.Value.(type) {
	case uint32:
		return uint32(got.Value.Uint()) == v
	case uint64:
		return got.Value.Uint() == v
	case float32:
		return math.Float32bits(float32(got.Value.Double())) == math.Float32bits(v) || v != v
	case float64:
		return math.Float64bits(got.Value.Double()) == math.Float64bits(v)
	case nil:
		return true // none, or one of a form that nobody can write to
	default:
		return fmt.Sprint(v) == fmt.Sprint(plain(got.Value))
	}
}

func plain(v abi.Value) any {
	switch v.Type() {
	case abi.ValueBool:
		return v.Bool()
	case abi.ValueString:
		return v.String()
	default:
		return v.Bytes()
	}
}

func TestCommandsAreBounded(t *testing.T) {
	p := payload{Seq: -1, Metrics: make([]metric, maxCommandMetrics+1)}
	var got payload
	if err := got.Decode(p.Append(nil)); err == nil {
		t.Error("too many metrics are read")
	}
	if err := got.Decode(make([]byte, maxCommandBytes+1)); err == nil {
		t.Error("too many bytes are read")
	}
	if err := got.Decode([]byte{0x12, 0x7f}); err == nil {
		t.Error("half a payload is read")
	}
}
