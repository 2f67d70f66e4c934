package api

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestRecordInFull(t *testing.T) {
	r := control.Record{
		Position: "7.3", Key: "con_1/2/41", Connector: "con_1", Epoch: 2, Sequence: 41,
		Device: "station", Kind: "telemetry",
		Time: at("2026-11-22T01:02:03.000000004Z"), Received: at("2026-11-22T02:02:03+01:00"),
		Points: []abi.Point{
			{Name: "temperature", Unit: "Cel", Value: abi.Double(42.5)},
			{Name: "on", Value: abi.Bool(true), Quality: 0x80000000},
			{Name: "late", Value: abi.Int(-1), SourceTime: at("2026-11-22T00:00:00Z").UnixNano()},
		},
		Headers: []abi.Header{{Name: "a", Value: []byte("b")}, {Name: "c", Value: []byte{0xff}}},
		Content: "text/plain", Payload: []byte("422498\n"), SourceKey: "plant/3/4711",
	}
	want := `{"position":"7.3","key":"con_1/2/41","connector":"con_1","device":"station","kind":"telemetry",` +
		`"time":"2026-11-22T01:02:03.000000004Z","received":"2026-11-22T01:02:03Z","epoch":2,"sequence":41,"source_key":"plant/3/4711",` +
		`"values":{"temperature":42.5,"on":true,"late":-1},"units":{"temperature":"Cel"},"quality":{"on":2147483648},` +
		`"times":{"late":"2026-11-22T00:00:00Z"},"headers":[{"name":"a","value":"b"},{"name":"c","value_base64":"/w=="}],` +
		`"content_type":"text/plain","payload":"422498\n"}`
	if got := string(appendRecord(nil, &r)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRecordLeavesOutWhatIsEmpty(t *testing.T) {
	got := string(appendRecord(nil, &control.Record{}))
	for _, name := range []string{"values", "units", "quality", "times", "headers", "content_type", "payload", "source_key"} {
		if strings.Contains(got, `"`+name+`"`) {
			t.Errorf("%s is there: %s", name, got)
		}
	}
}

func TestValues(t *testing.T) {
	for want, v := range map[string]abi.Value{
		"true":                 abi.Bool(true),
		"9223372036854775807":  abi.Int(math.MaxInt64),
		"-9223372036854775808": abi.Int(math.MinInt64),
		"18446744073709551615": abi.Uint(math.MaxUint64),
		"0.1":                  abi.Double(0.1),
		"1e+300":               abi.Double(1e300),
		"5e-324":               abi.Double(math.SmallestNonzeroFloat64),
		"-0":                   abi.Double(math.Copysign(0, -1)),
		`"NaN"`:                abi.Double(math.NaN()),
		`"Infinity"`:           abi.Double(math.Inf(1)),
		`"-Infinity"`:          abi.Double(math.Inf(-1)),
		`"a\"\\\u0001\u001f"`:  abi.String("a\"\\\x01\x1f"),
		`"` + "\ufffd" + `x"`:  abi.String("\xc3x"),
		`{"base64":"AAE="}`:    abi.Bytes([]byte{0, 1}),
		"null":                 {},
	} {
		if got := string(appendValue(nil, v)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPayloads(t *testing.T) {
	for _, c := range []struct{ content, payload, want string }{
		{"application/json", "{ \"a b\" : [1,\n 2] }", `"payload":{"a b":[1,2]}`},
		{"application/senml+json; x=y", `[]`, `"payload":[]`},
		{"application/json", `"\" \\"`, `"payload":"\" \\"`},
		{"application/json", `{"a":`, `"payload":"{\"a\":"`},
		{"application/json", "\"\xff\"", `"payload_base64":"Iv8i"`},
		{"application/octet-stream", "422498\r\n", `"payload":"422498\r\n"`},
		{"", "a\x00", `"payload_base64":"YQA="`},
	} {
		got := string(appendRecord(nil, &control.Record{Content: c.content, Payload: []byte(c.payload)}))
		if !strings.Contains(got, c.want+"}") || !json.Valid([]byte(got)) {
			t.Errorf("%q of %q: got %s, want %s", c.payload, c.content, got, c.want)
		}
	}
}

func TestLastPointOfANameCounts(t *testing.T) {
	var few, many []abi.Point
	for i := range 3 {
		few = append(few, abi.Point{Name: "x", Value: abi.Int(int64(i))})
	}
	for i := range 100 {
		many = append(many, abi.Point{Name: string(rune('a' + i%20)), Value: abi.Int(int64(i))})
	}
	if got := string(appendRecord(nil, &control.Record{Points: few})); !strings.Contains(got, `"values":{"x":2}`) {
		t.Error(got)
	}
	got := string(appendRecord(nil, &control.Record{Points: many}))
	if !strings.Contains(got, `"values":{"a":80,`) || strings.Count(got, `"a":`) != 1 {
		t.Error(got)
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	r := control.Record{
		Position: "1.1", Device: "größe", Kind: "telemetry", Time: time.Now(), Received: time.Now(),
		Points: []abi.Point{{Name: "temperature", Unit: "Cel", Value: abi.Double(21.7)}, {Name: "text", Value: abi.String("ü")}},
	}
	dst := make([]byte, 0, 4<<10)
	if n := testing.AllocsPerRun(100, func() { dst = appendRecord(dst[:0], &r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("7.3", "dev\n", "application/json", []byte(`{"a": 1}`), "name", "unit", 1.5, int64(1), []byte{0xff}, uint32(3))
	f.Add("\xff", "\x00", "text/plain", []byte("a\r\nb"), "\u2028", "\"", math.Inf(-1), int64(math.MinInt64), []byte{}, uint32(0))
	f.Fuzz(func(t *testing.T, position, device, content string, payload []byte, name, unit string, d float64, i int64, raw []byte, q uint32) {
		r := control.Record{
			Position: position, Key: device, Device: device, Kind: unit, Content: content, Payload: payload,
			Time: time.Unix(0, i), Received: time.Unix(0, -i/2),
			Points: []abi.Point{
				{Name: name, Unit: unit, Value: abi.Double(d), Quality: q, SourceTime: i},
				{Name: unit, Value: abi.Int(i)},
				{Name: device, Value: abi.Bytes(raw)},
				{Name: content, Value: abi.String(name)},
				{Name: position, Value: abi.Uint(uint64(i))},
				{Name: "none"},
			},
			Headers: []abi.Header{{Name: name, Value: raw}, {Name: unit, Value: payload}},
		}
		got := appendRecord(nil, &r)
		if !json.Valid(got) || !utf8.Valid(got) || strings.ContainsAny(string(got), "\n\r") {
			t.Errorf("not a line of JSON: %q", got)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	r := control.Record{
		Position: "12345.17", Key: "con_01JD0000000000000000000000/3/123456", Connector: "con_01JD0000000000000000000000",
		Device: "station", Kind: "telemetry", Time: time.Now(), Received: time.Now(), Epoch: 3, Sequence: 123456,
		Points: []abi.Point{
			{Name: "temperature", Unit: "Cel", Value: abi.Double(42)},
			{Name: "humidity", Unit: "%", Value: abi.Double(24)},
			{Name: "battery", Unit: "%", Value: abi.Int(98)},
		},
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = appendRecord(dst[:0], &r)
	}
	b.SetBytes(int64(len(dst)))
}
