package recordjson_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/recordjson"
)

func TestText(t *testing.T) {
	for _, s := range []string{"", "pump 1", `a"b\c`, "ü€😀", "a\nb\tc\rd\x00\x1f\x7f", "<&>", "\xff", "a\xffb\xc3", "\"", "\u2028"} {
		raw := recordjson.Text([]byte("x"), s)
		var back string
		if err := json.Unmarshal(raw[1:], &back); err != nil || back != strings.ToValidUTF8(s, "\uFFFD") {
			t.Errorf("%q became %s, which says %q: %v", s, raw, back, err)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\"\\\n\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		var back, want string
		if err := json.Unmarshal(recordjson.Text(nil, s), &back); err != nil {
			t.Fatal(err)
		}
		quoted, _ := json.Marshal(s)
		if _ = json.Unmarshal(quoted, &want); back != want {
			t.Errorf("%q became %q, want %q", s, back, want)
		}
	})
}

func TestDoublesAreAsInJSON(t *testing.T) {
	for _, v := range []float64{0, math.Copysign(0, -1), 1, -4.2, 1e6, 123456789, 1e20, 1e21, -1e21, 1e-6, 1e-7, 1.5e-9, 1e-10, 5e-324, math.MaxFloat64, 0.1} {
		want, _ := json.Marshal(v)
		if got := recordjson.Value(nil, abi.Double(v)); string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got := recordjson.Value(nil, abi.Double(v)); string(got) != "null" {
			t.Errorf("%v became %s", v, got)
		}
	}
}

func TestValues(t *testing.T) {
	got := recordjson.Values(nil, []abi.Point{
		{Name: "serial", Value: abi.String("old")},
		{Name: "serial", Value: abi.String("a\"ü")},
		{Name: "n", Value: abi.Int(-3)},
		{Name: "u", Value: abi.Uint(1 << 63)},
		{Name: "on", Value: abi.Bool(true)},
		{Name: "raw", Value: abi.Bytes([]byte{1})},
		{Name: "none"},
	})
	if want := `{"serial":"a\"ü","n":-3,"u":9223372036854775808,"on":true,"raw":"AQ==","none":null}`; string(got) != want {
		t.Errorf("got %s", got)
	}
	if got := recordjson.Values(nil, nil); string(got) != "{}" {
		t.Errorf("got %s", got)
	}
}

// However many values there are, the last of each name counts.
func TestLastOfMany(t *testing.T) {
	var points []abi.Point
	for i := range 1000 {
		points = append(points, abi.Point{Name: string(rune('a' + i%3)), Value: abi.Int(int64(i))})
	}
	if got := recordjson.Values(nil, points); string(got) != `{"b":997,"c":998,"a":999}` {
		t.Errorf("got %s", got)
	}
	if got := recordjson.Values(nil, points[:6]); string(got) != `{"a":3,"b":4,"c":5}` {
		t.Errorf("got %s", got)
	}
}

func TestRecord(t *testing.T) {
	for want, r := range map[string]*abi.Record{
		`{"connector":"hall","device":"p","kind":"telemetry","time":"1970-01-01T00:00:00.000000001Z","points":[{"name":"a","value":1.5,"unit":"bar","quality":2,"time":"1970-01-01T00:00:00.000000002Z"},{"name":"b","value":null}]}`: {
			Device: "p", Time: 1, Points: []abi.Point{{Name: "a", Unit: "bar", Value: abi.Double(1.5), Quality: 2, SourceTime: 2}, {Name: "b", SourceTime: 1}},
		},
		`{"connector":"hall","device":"","kind":"event","time":"1970-01-01T00:00:00Z","content_type":"application/json","payload":{"a":1}}`: {
			Kind: abi.KindEvent, ContentType: "application/json", Payload: []byte(`{"a":1}`),
		},
		`{"connector":"hall","device":"","kind":"attributes","time":"1970-01-01T00:00:00Z","content_type":"application/json","payload_base64":"ew=="}`: {
			Kind: abi.KindAttributes, ContentType: "application/json", Payload: []byte(`{`),
		},
		`{"connector":"hall","device":"","kind":"telemetry","time":"1970-01-01T00:00:00Z","payload_base64":""}`: {Payload: []byte{}},
	} {
		if got := recordjson.Record(nil, "hall", r); string(got) != want || !json.Valid(got) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A sink makes the text of each record that it delivers.
func TestAllocatesNothing(t *testing.T) {
	r := &abi.Record{Device: "p\"", Time: 1, Points: []abi.Point{{Name: "a\n", Unit: "bar", Value: abi.Double(1e-9)}, {Name: "b", Value: abi.String("ü\xff")}, {Name: "a\n"}}}
	buf := make([]byte, 0, 4<<10)
	if n := testing.AllocsPerRun(100, func() {
		buf = recordjson.Values(recordjson.Record(buf[:0], "hall", r), r.Points)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
