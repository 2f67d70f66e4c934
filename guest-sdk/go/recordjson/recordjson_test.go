package recordjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

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

// Names that are no UTF-8 are told apart by what is written of them: an object has no
// member twice, however few or many there are.
func TestLastOfWhatIsWritten(t *testing.T) {
	points := []abi.Point{
		{Name: "a\xff", Unit: "V", Value: abi.Int(1)},
		{Name: "a\xfe", Unit: "A", Value: abi.Int(2)},
		{Name: "a\uFFFD\xff", Value: abi.Int(3)},
		{Name: "a\xff\xfe", Value: abi.Int(4)},
		{Name: "b", Value: abi.Int(5)},
	}
	if got := recordjson.Values(nil, points); string(got) != "{\"a\uFFFD\":2,\"a\uFFFD\uFFFD\":4,\"b\":5}" {
		t.Errorf("got %s", got)
	}
	if got := deliveredAs(abi.Record{Points: points}); !strings.HasSuffix(got, ",\"units\":{\"a\uFFFD\":\"A\"}}") {
		t.Errorf("got %s", got)
	}
	many := points
	for range 20 {
		many = append(many, points...)
	}
	if got := recordjson.Values(nil, many); string(got) != "{\"a\uFFFD\":2,\"a\uFFFD\uFFFD\":4,\"b\":5}" {
		t.Errorf("got %s", got)
	}
}

// JSON that receivers refuse, and with it all that is sent beside, is a text.
func TestJSONThatReceiversRefuse(t *testing.T) {
	nested := func(n int) string { return strings.Repeat(`{"a":[`, n/2) + strings.Repeat("]}", n/2) }
	for payload, want := range map[string]bool{
		nested(60): true, nested(62): false, nested(10_000): false, "[[]," + nested(58) + "]": true, `["[[[","\\\"["]`: true,
		`"` + strings.Repeat("[", 100) + `"`: true,
		"1e308":                              true, "-1.7976931348623157e308": true, "1e-999999": true, strings.Repeat("9", 308): true,
		"1e309": false, "-1E+999999": false, `{"a":[0, -1e999 ]}`: false, strings.Repeat("9", 310): false, `["1e999"]`: true, `{"1e999":true}`: true,
	} {
		r := abi.Record{ContentType: "application/json", Payload: []byte(payload)}
		if got := recordjson.IsJSON(&r); got != want {
			t.Errorf("%.40s: %v", payload, got)
		}
		var whole struct{ Payload any }
		if err := json.Unmarshal([]byte(deliveredAs(r)), &whole); err != nil {
			t.Errorf("%.40s: %v", payload, err)
		} else if text, is := whole.Payload.(string); !want && (!is || text != payload) {
			t.Errorf("%.40s is handed on as %.80v", payload, whole.Payload)
		}
	}
}

func deliveredAs(r abi.Record) string {
	part := abi.DeliverPart{Connector: "hall", ID: "con_1", Epoch: 2, First: 17, Received: 3, Batch: abi.Batch{Records: []abi.Record{{}, r}}}
	return string(recordjson.Of(nil, &part, 1))
}

// What sinks send has one form, whatever takes it there.
func TestOf(t *testing.T) {
	head := func(kind, device string) string {
		return `{"key":"con_1/2/18","connector":"hall","device":"` + device + `","kind":"` + kind + `","time":"1970-01-01T00:00:00.000000001Z","received":"1970-01-01T00:00:00.000000003Z","epoch":2,"sequence":18`
	}
	for want, r := range map[string]abi.Record{
		head("telemetry", "p") + `,"values":{"a":1.5,"b":null},"units":{"a":"bar"},"quality":{"a":2},"times":{"a":"1970-01-01T00:00:00.000000002Z"}}`: {
			Device: "p", Points: []abi.Point{{Name: "a", Unit: "old"}, {Name: "a", Unit: "bar", Value: abi.Double(1.5), Quality: 2, SourceTime: 2}, {Name: "b", SourceTime: 1}},
		},
		head("event", "") + `,"content_type":"application/json","payload":{"a b":[1,"\" \n"]}}`: {
			Kind: abi.KindEvent, ContentType: "application/json", Payload: []byte("{ \"a b\" : [1,\n \"\\\" \\n\"] }"),
		},
		head("attributes", "") + `,"record_key":"k\"","source_key":"s","headers":[{"name":"h","value":"1"},{"name":"i","value_base64":"/w=="}],"content_type":"application/json","payload":"{\r\n"}`: {
			Kind: abi.KindAttributes, Key: []byte(`k"`), SourceKey: "s", Headers: []abi.Header{{Name: "h", Value: []byte("1")}, {Name: "i", Value: []byte{0xff}}},
			ContentType: "application/json", Payload: []byte("{\r\n"),
		},
		head("gap", "") + `,"content_type":"application/json","payload":{"from":"a","to":"b","reason":"c"}}`: {
			Kind: abi.KindGap, ContentType: "application/json", Payload: []byte(`{"from":"a","to":"b","reason":"c"}`),
		},
		head("telemetry", "") + `,"record_key_base64":"/w==","payload_base64":"AA=="}`:                   {Key: []byte{0xff}, Payload: []byte{0}},
		head("telemetry", "") + `,"payload":"5\ttab"}`:                                                   {Payload: []byte("5\ttab")},
		head("telemetry", "") + `,"content_type":"application/senml+json; x=y","payload_base64":"Iv8i"}`: {ContentType: "application/senml+json; x=y", Payload: []byte("\"\xff\"")},
		head("telemetry", "") + "}": {
			Payload: []byte{},
		},
	} {
		r.Time = 1
		if got := deliveredAs(r); got != want || !json.Valid([]byte(got)) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestKeyIsThatOfTheRecord(t *testing.T) {
	part := abi.DeliverPart{ID: "con\"1", Epoch: 7, First: 40}
	var got string
	if err := json.Unmarshal(recordjson.Key(nil, &part, 2), &got); err != nil || got != part.Key(2) {
		t.Errorf("%q, want %q: %v", got, part.Key(2), err)
	}
}

// Whatever a record holds, it is one line of JSON.
func FuzzOf(f *testing.F) {
	f.Add("dev\n", "application/json", []byte(`{"a": 1}`), "name", "unit", []byte{0xff})
	f.Add("\xff", "text/plain", []byte("a\r\nb\x00\x7f"), "\u2028", "\"", []byte{})
	f.Add("", "application/json", []byte(strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)), "a\xff", "a\xfe", []byte("x"))
	f.Add("", "application/json", []byte(`{"a":[1e999999,"\\\"",{"b":-0.5e-7}]}`), "a\xff", "a\uFFFD", []byte("x"))
	f.Add("", "application/json", []byte(strings.Repeat("9", 400)), "a", "a", []byte("x"))
	f.Fuzz(func(t *testing.T, device, content string, payload []byte, name, unit string, raw []byte) {
		got := deliveredAs(abi.Record{
			Device: device, Kind: abi.Kind(len(raw)), ContentType: content, Payload: payload, Key: raw, SourceKey: unit,
			Headers: []abi.Header{{Name: name, Value: raw}, {Name: unit, Value: payload}},
			Points: []abi.Point{
				{Name: name, Unit: unit, Value: abi.Bytes(raw), Quality: 1, SourceTime: 5},
				{Name: unit, Unit: name, Value: abi.String(device), SourceTime: -1},
			},
		})
		if !json.Valid([]byte(got)) || !utf8.ValidString(got) || strings.ContainsAny(got, "\n\r") {
			t.Errorf("not a line of JSON: %q", got)
		}
		readAll(t, got)
	})
}

// readAll reads JSON as a strict receiver does: numbers as doubles, at most 62 levels,
// and no member twice in what is ours, which is all but the payload.
func readAll(t *testing.T, text string) {
	t.Helper()
	var whole map[string]json.RawMessage
	var all any
	if err := errors.Join(json.Unmarshal([]byte(text), &whole), json.Unmarshal([]byte(text), &all)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"values", "units", "quality", "times"} {
		seen := map[string]bool{}
		d := json.NewDecoder(bytes.NewReader(whole[name]))
		for key := true; ; key = !key {
			token, err := d.Token()
			if err != nil {
				break
			}
			if delim, is := token.(json.Delim); is {
				key = delim != '{' // the next is a name
				continue
			}
			if word := fmt.Sprint(token); key && seen[word] {
				t.Errorf("%s has %q twice: %q", name, word, text)
			} else if key {
				seen[word] = true
			}
		}
	}
	if n := levels(all); n > 62 {
		t.Errorf("%d levels", n)
	}
}

func levels(v any) (deepest int) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			deepest = max(deepest, levels(e))
		}
		return deepest + 1
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, levels(e))
		}
		return deepest + 1
	}
	return 0
}

// A sink makes the text of each record that it delivers.
func TestAllocatesNothing(t *testing.T) {
	r := &abi.Record{Device: "p\"", Time: 1, Points: []abi.Point{{Name: "a\n", Unit: "bar", Value: abi.Double(1e-9)}, {Name: "b", Value: abi.String("ü\xff")}, {Name: "a\n"}}}
	part := &abi.DeliverPart{ID: "con_1", Connector: "hall", Batch: abi.Batch{Records: []abi.Record{*r, {
		ContentType: "application/json", Payload: []byte(`{ "a": 1 }`), Headers: []abi.Header{{Name: "h", Value: []byte("v\n")}},
	}}}}
	buf := make([]byte, 0, 4<<10)
	if n := testing.AllocsPerRun(100, func() {
		buf = recordjson.Values(recordjson.Of(recordjson.Of(buf[:0], part, 0), part, 1), r.Points)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
