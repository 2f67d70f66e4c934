package main

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

const weather = `{"fields":[
	{"name":"temperature","from":0,"to":2,"type":"int","unit":"Cel"},
	{"name":"humidity","from":2,"to":4,"type":"int","unit":"%"},
	{"name":"battery","from":4,"to":6,"type":"int","unit":"%"}]}`

func frame(payload string) abi.Record {
	return abi.Record{Device: "roof", Time: 1_700_000_000_000_000_000, Payload: []byte(payload)}
}

func open(t *testing.T, config string) *guesttest.Harness {
	t.Helper()
	h := guesttest.New(t, &converter{})
	h.MustOpen(config)
	return h
}

func TestWeatherStation(t *testing.T) {
	h := open(t, weather)
	for _, payload := range []string{"422498\n", "422498\r\n", "422498"} {
		in := frame(payload)
		out := h.MustConvert(in)
		if len(out.Batch.Records) != 1 || len(out.Verdicts) != 0 {
			t.Fatalf("%q gave %+v", payload, out)
		}
		r := out.Batch.Records[0]
		if r.Device != in.Device || r.Time != in.Time || r.Kind != abi.KindTelemetry || len(r.Payload) != 0 {
			t.Errorf("%q: record is %+v", payload, r)
		}
		checkPoints(t, r.Points, []abi.Point{
			{Name: "temperature", Unit: "Cel", Value: abi.Int(42)},
			{Name: "humidity", Unit: "%", Value: abi.Int(24)},
			{Name: "battery", Unit: "%", Value: abi.Int(98)},
		})
	}
}

func checkPoints(t *testing.T, got, want []abi.Point) {
	t.Helper()
	a, b := abi.Batch{Records: []abi.Record{{Points: got}}}, abi.Batch{Records: []abi.Record{{Points: want}}}
	if string(a.Append(nil)) != string(b.Append(nil)) {
		t.Errorf("points are %+v, want %+v", got, want)
	}
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		field, payload string
		want           abi.Value
	}{
		{`"from":0,"to":3,"type":"int"`, "-17\n", abi.Int(-17)},
		{`"from":0,"to":4,"type":"int"`, "  7 \n", abi.Int(7)},
		{`"from":0,"type":"int"`, "9223372036854775807\n", abi.Int(9223372036854775807)},
		{`"from":0,"type":"int"`, "-9223372036854775808\n", abi.Int(-9223372036854775808)},
		{`"from":0,"type":"int"`, "+07\n", abi.Int(7)},
		{`"from":0,"to":1,"type":"int"`, "7\n", abi.Int(7)},
		{`"from":2,"to":7,"type":"int"`, "xx12345xx\n", abi.Int(12345)},
		{`"from":0,"to":19,"type":"int"`, "9223372036854775807\n", abi.Int(9223372036854775807)},
		{`"from":0,"to":20,"type":"int"`, "-9223372036854775808", abi.Int(-9223372036854775808)},
		{`"from":0,"type":"uint"`, "000000000000000000000000000042\n", abi.Uint(42)},
		{`"from":0,"type":"uint"`, "18446744073709551615\n", abi.Uint(18446744073709551615)},
		{`"from":1,"type":"double"`, "T21.50\n", abi.Double(21.5)},
		{`"from":1,"to":3,"type":"string"`, "abcd\n", abi.String("bc")},
		{`"from":1,"to":3,"type":"string"`, "a bcd\n", abi.String(" b")},
		{`"from":4,"type":"string"`, "abcd\n", abi.String("")},
		{`"from":1,"to":3,"type":"string"`, "äöü\n", abi.String("öü")},
		{`"from":2,"type":"int"`, "°C42\n", abi.Int(42)},
		{`"from":0,"to":1,"type":"bool"`, "1\n", abi.Bool(true)},
		{`"from":0,"type":"bool"`, "false\n", abi.Bool(false)},
		{`"from":0,"type":"int","scale":0.1,"offset":-40`, "655\n", abi.Double(25.5)},
		{`"from":0,"type":"uint","scale":2`, "3\n", abi.Double(6)},
		{`"from":0,"type":"double","offset":1`, "1.5\n", abi.Double(2.5)},
	} {
		h := open(t, `{"fields":[{"name":"v",`+c.field+`}]}`)
		out := h.MustConvert(frame(c.payload))
		if len(out.Batch.Records) != 1 {
			t.Errorf("%s of %q gave %+v", c.field, c.payload, out)
			continue
		}
		checkPoints(t, out.Batch.Records[0].Points, []abi.Point{{Name: "v", Value: c.want}})
	}
}

func TestAttributesAreARecordOfTheirOwn(t *testing.T) {
	h := open(t, `{"fields":[
		{"name":"serial","from":0,"to":3,"type":"string","kind":"attribute"},
		{"name":"level","from":3,"type":"int"}]}`)
	in := frame("A7x55\n")
	in.Key, in.SourceKey, in.Headers = []byte("k"), "line/1", []abi.Header{{Name: "h", Value: []byte("v")}}
	records := h.MustConvert(in).Batch.Records
	if len(records) != 2 {
		t.Fatalf("%d records, want 2", len(records))
	}
	for i, want := range []abi.Kind{abi.KindTelemetry, abi.KindAttributes} {
		r := records[i]
		if r.Kind != want || r.Device != "roof" || r.Time != in.Time || string(r.Key) != "k" || len(r.Headers) != 1 {
			t.Errorf("record %d is %+v", i, r)
		}
	}
	checkPoints(t, records[1].Points, []abi.Point{{Name: "serial", Value: abi.String("A7x")}})
	if records[0].SourceKey != "line/1" || records[1].SourceKey == "line/1" {
		t.Errorf("source keys are %q and %q", records[0].SourceKey, records[1].SourceKey)
	}
}

func TestMalformedIsRejectedAndTheRestGoesOn(t *testing.T) {
	h := open(t, weather)
	out := h.MustConvert(frame("422498\n"), frame("4224\n"), frame("42x498\n"), frame("\xff24980\n"), frame("432598\n"))
	if len(out.Batch.Records) != 2 || out.Batch.Records[1].Points[0].Value.Int() != 43 {
		t.Errorf("records are %+v", out.Batch.Records)
	}
	for i, says := range [][]string{
		{`field "battery"`, `"4224" has 4`},
		{`field "humidity"`, `"x4"`, "not an int"},
		{"not UTF-8"},
	} {
		if i >= len(out.Verdicts) {
			t.Fatalf("%d verdicts, want 3", len(out.Verdicts))
		}
		v := out.Verdicts[i]
		if v.Decision != abi.DecisionReject || v.Input != uint32(i+1) {
			t.Errorf("verdict %d is %+v", i, v)
		}
		for _, say := range says {
			if !strings.Contains(v.Reason, say) {
				t.Errorf("reason %q does not say %s", v.Reason, say)
			}
		}
	}
}

// TestNothingForeignPasses puts a byte that is no text at each place of texts
// of many lengths.
func TestNothingForeignPasses(t *testing.T) {
	h := open(t, `{"fields":[{"name":"v","from":0,"type":"string"}]}`)
	for n := range 40 {
		text := strings.Repeat("x", n)
		if out := h.MustConvert(frame(text)); len(out.Batch.Records) != 1 {
			t.Errorf("%q gave %+v", text, out.Verdicts)
		}
		for i := range n {
			if out := h.MustConvert(frame(text[:i] + "\xff" + text[i+1:])); len(out.Verdicts) != 1 {
				t.Errorf("byte %d of %d is foreign, and passed", i, n)
			}
		}
	}
}

func TestUnusableNumbers(t *testing.T) {
	for kind, payloads := range map[string][]string{
		"int":    {"", " ", "-", "+-1", "1.5", "0x1", "9223372036854775808", "-9223372036854775809", "99999999999999999999"},
		"uint":   {"", "-1", "+1", "1 2", "18446744073709551616", "99999999999999999999"},
		"double": {"", "NaN", "inf", "1e999", "x"},
		"bool":   {"", "maybe", "2"},
	} {
		h := open(t, `{"fields":[{"name":"v","from":0,"type":"`+kind+`"}]}`)
		for _, payload := range payloads {
			if out := h.MustConvert(frame(payload)); len(out.Verdicts) != 1 || len(out.Batch.Records) != 0 {
				t.Errorf("%s of %q gave %+v", kind, payload, out)
			}
		}
	}
}

func TestLongestEndingIsStripped(t *testing.T) {
	h := open(t, `{"strip":[";",";;\n"],"fields":[{"name":"v","from":0,"type":"string"}]}`)
	for payload, want := range map[string]string{"a;;\n": "a", "a;": "a", "a;;": "a;", "a\n": "a\n"} {
		out := h.MustConvert(frame(payload))
		checkPoints(t, out.Batch.Records[0].Points, []abi.Point{{Name: "v", Value: abi.String(want)}})
	}
}

func TestBadConfig(t *testing.T) {
	for config, says := range map[string]string{
		`{}`: "at least one field",
		`{"encoding":"latin-1","fields":[{"name":"v","from":0,"type":"int"}]}`:                      "latin-1",
		`{"fields":[{"name":"v","from":2,"to":2,"type":"int"}]}`:                                    "no range",
		`{"fields":[{"name":"v","from":-1,"type":"int"}]}`:                                          "no range",
		`{"fields":[{"name":"v","from":0,"type":"float"}]}`:                                         "float",
		`{"fields":[{"name":"v","from":0,"type":"int","kind":"event"}]}`:                            "event",
		`{"fields":[{"name":"v","from":0,"type":"bool","scale":2}]}`:                                "for numbers",
		`{"fields":[{"name":"v","from":0,"to":1,"type":"int"},{"name":"v","from":1,"type":"int"}]}`: "twice",
		`{"fields":[{"from":0,"type":"int"}]}`:                                                      "name is required",
		`[]`:                                                                                        "cannot be read",
	} {
		h := guesttest.New(t, &converter{})
		_, err := h.Open(guesttest.Opening(config, abi.ReasonStart))
		fault, ok := errors.AsType[*abi.Error](err)
		if !ok || fault.Kind != abi.FaultInvalid || !strings.Contains(fault.Text, says) {
			t.Errorf("%s: open failed with %v, want an invalid config that says %q", config, err, says)
		}
	}
}

// encoded is a batch of n frames, as a host hands it in.
func encoded(n int) []byte {
	var batch abi.Batch
	for range n {
		batch.Records = append(batch.Records, frame("422498\n"))
	}
	return batch.Append(nil)
}

func openGuest(tb testing.TB, config string) *snaprail.Guest {
	tb.Helper()
	guest := snaprail.NewGuest(&converter{})
	if answer, failed := guest.Call(abi.EntryOpen, guesttest.Opening(config, abi.ReasonStart).Append(nil), nil); failed {
		tb.Fatalf("open failed: %q", answer)
	}
	return guest
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	config := strings.Replace(weather, `"fields":[`,
		`"fields":[{"name":"s","from":0,"type":"string"},{"name":"d","from":1,"to":3,"type":"double"},{"name":"a","from":0,"to":1,"type":"bool","kind":"attribute"},`, 1)
	config = strings.Replace(config, `"to":1,"type":"bool"`, `"to":1,"type":"uint"`, 1)
	guest, input := openGuest(t, config), encoded(64)
	var reply []byte
	allocs := testing.AllocsPerRun(100, func() {
		answer, failed := guest.Call(abi.EntryConvert, input, reply[:0])
		if failed {
			t.Fatalf("convert failed: %q", answer)
		}
		reply = answer
	})
	if allocs != 0 {
		t.Errorf("%v allocations for 64 records, want none", allocs)
	}
}

func BenchmarkConvert64(b *testing.B) {
	guest, input := openGuest(b, weather), encoded(64)
	var reply []byte
	b.ReportAllocs()
	for b.Loop() {
		reply, _ = guest.Call(abi.EntryConvert, input, reply[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/record")
}

// TestDigits holds the fast way of whole numbers to parseInt.
func TestDigits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		text := make([]byte, 1+random.IntN(18))
		for i := range text {
			text[i] = byte('0' + random.IntN(10))
		}
		if random.IntN(2) == 0 {
			text[random.IntN(len(text))] = byte(random.IntN(0x80))
		}
		c := &converter{telemetry: make([]abi.Point, 1)}
		c.fields = []field{{name: "v", to: len(text), kind: signed, point: &c.telemetry[0], plain: true}}
		err := c.cut(text)
		want, ok := parseInt(trim(text))
		if ok != (err == nil) || ok && c.telemetry[0].Value.Int() != want {
			t.Fatalf("%q: %d, %v; want %d, %v", text, c.telemetry[0].Value.Int(), err, want, ok)
		}
	}
}
