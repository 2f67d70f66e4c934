package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

func open(t testing.TB, config string) *guesttest.Harness {
	t.Helper()
	h := guesttest.New(t, &converter{})
	h.MustOpen(config)
	return h
}

func payload(t testing.TB, text string) abi.Record {
	t.Helper()
	bytes, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return abi.Record{Device: "meter", Time: 1_700_000_000_000_000_000, Payload: bytes}
}

func TestTypes(t *testing.T) {
	for _, tt := range []struct {
		field, payload string
		want           abi.Value
	}{
		{`"type":"uint8","at":1`, "00 ff", abi.Uint(255)},
		{`"type":"int8","at":1`, "00 ff", abi.Int(-1)},
		{`"type":"uint16"`, "01 02", abi.Uint(0x0102)},
		{`"type":"uint16","endian":"little"`, "01 02", abi.Uint(0x0201)},
		{`"type":"int16"`, "ff fe", abi.Int(-2)},
		{`"type":"uint24"`, "01 02 03", abi.Uint(0x010203)},
		{`"type":"int24"`, "ff ff fe", abi.Int(-2)},
		{`"type":"uint48","endian":"little"`, "01 00 00 00 00 02", abi.Uint(0x020000000001)},
		{`"type":"int64"`, "ff ff ff ff ff ff ff ff", abi.Int(-1)},
		{`"type":"uint64"`, "ff ff ff ff ff ff ff ff", abi.Uint(1<<64 - 1)},
		{`"type":"float32"`, "41 c8 00 00", abi.Double(25)},
		{`"type":"float32","endian":"little"`, "00 00 c8 41", abi.Double(25)},
		{`"type":"float32","endian":"big_swap"`, "00 00 41 c8", abi.Double(25)},
		{`"type":"float32","endian":"little_swap"`, "c8 41 00 00", abi.Double(25)},
		{`"type":"float64"`, "40 39 00 00 00 00 00 00", abi.Double(25)},
		{`"type":"float64","endian":"big_swap"`, "00 00 00 00 00 00 40 39", abi.Double(25)},
		{`"type":"bool"`, "40", abi.Bool(true)},
		{`"type":"bool","bit":6`, "40", abi.Bool(true)},
		{`"type":"bool","bit":5`, "40", abi.Bool(false)},
		{`"type":"bool","bits":1`, "40", abi.Bool(false)},
		{`"type":"uint16","bit":4,"bits":8`, "0f f0", abi.Uint(0xff)},
		{`"type":"int16","bit":4,"bits":8`, "0f f0", abi.Int(-1)},
		{`"type":"int8","bit":4`, "f0", abi.Int(-1)},
		{`"type":"string","at":1,"length":4`, "00 41 42 20 00", abi.String("AB")},
		{`"type":"string","at":-2`, "00 41 42", abi.String("AB")},
		{`"type":"bcd","length":2`, "12 34", abi.Uint(1234)},
		{`"type":"bcd","length":2,"endian":"little"`, "34 12", abi.Uint(1234)},
		{`"type":"int16","scale":0.1,"offset":-40`, "01 90", abi.Double(0)},
		{`"type":"uint8","at":-1`, "00 07", abi.Uint(7)},
	} {
		h := open(t, `{"fields":[{"name":"v",`+tt.field+`}]}`)
		out := h.MustConvert(payload(t, tt.payload))
		if len(out.Batch.Records) != 1 || out.Batch.Records[0].Points[0].Value != tt.want {
			t.Errorf("%s of %s gave %+v, %+v, want %v", tt.field, tt.payload, out.Batch.Records, out.Verdicts, tt.want)
		}
	}
	h := open(t, `{"fields":[{"name":"v","type":"bytes","length":2}]}`)
	if out := h.MustConvert(payload(t, "01 02 03")); string(out.Batch.Records[0].Points[0].Value.Bytes()) != "\x01\x02" {
		t.Errorf("bytes gave %+v", out)
	}
}

// What a device sends for no value makes no point.
func TestMissing(t *testing.T) {
	h := open(t, `{"fields":[{"name":"a","type":"int16","missing":"0x8000"},{"name":"b","at":2,"type":"float32"},{"name":"c","type":"uint8"}]}`)
	out := h.MustConvert(payload(t, "80 00 7f c0 00 00"))
	if p := out.Batch.Records[0].Points; len(p) != 1 || p[0].Name != "c" {
		t.Errorf("points %+v", p)
	}
}

func TestChecksums(t *testing.T) {
	for sum, good := range map[string]string{
		"crc16_modbus": "01 03 00 00 00 0a c5 cd",
		"crc16_ccitt":  "31 32 33 34 35 36 37 38 39 29 b1",
		"crc32":        "31 32 33 34 35 36 37 38 39 cb f4 39 26",
		"sum8":         "ff 02 01", "xor8": "0f f0 ff",
	} {
		h := open(t, `{"checksum":{"type":"`+sum+`"},"fields":[{"name":"v","type":"uint8"}]}`)
		out := h.MustConvert(payload(t, good))
		if len(out.Batch.Records) != 1 {
			t.Errorf("%s gave %+v", sum, out.Verdicts)
		}
		bad := payload(t, good)
		bad.Payload[0] ^= 1
		if out := h.MustConvert(bad); len(out.Verdicts) != 1 || !strings.Contains(out.Verdicts[0].Reason, "the checksum of") {
			t.Errorf("%s takes what is damaged: %+v", sum, out)
		}
		if out := h.MustConvert(payload(t, "")); len(out.Verdicts) != 1 || !strings.Contains(out.Verdicts[0].Reason, "too short") {
			t.Errorf("%s takes nothing: %+v", sum, out)
		}
	}
}

func TestInputs(t *testing.T) {
	for input, text := range map[string]string{"hex": "0x01 02:aB\r\n", "base64": "AQKr\n"} {
		h := open(t, `{"input":"`+input+`","fields":[{"name":"v","type":"uint24"}]}`)
		if out := h.MustConvert(abi.Record{Device: "d", Payload: []byte(text)}); len(out.Batch.Records) != 1 || out.Batch.Records[0].Points[0].Value != abi.Uint(0x0102ab) {
			t.Errorf("%s gave %+v", input, out)
		}
		if out := h.MustConvert(abi.Record{Device: "d", Payload: []byte("?!")}); len(out.Verdicts) != 1 {
			t.Errorf("%s takes anything", input)
		}
	}
}

func TestRejects(t *testing.T) {
	h := open(t, `{"min_length":2,"max_length":6,"fields":[{"name":"v","at":1,"type":"uint16"},{"name":"s","type":"string","length":1},{"name":"b","type":"bcd","length":1}]}`)
	for text, want := range map[string]string{
		"01": "has 1 bytes", "01 02 03 04 05 06 07": "has 7 bytes", "01 02": `field "v": wants 2 bytes at 1`,
		"ff 02 03": `field "s": ff is not UTF-8`, "0a 02 03": `field "b": 0a is no BCD`,
	} {
		out := h.MustConvert(payload(t, text))
		if len(out.Batch.Records) != 0 || len(out.Verdicts) != 1 || !strings.Contains(out.Verdicts[0].Reason, want) {
			t.Errorf("%s gave %+v", text, out)
		}
	}
}

func TestBadConfigs(t *testing.T) {
	for config, want := range map[string]string{
		`{}`: "at least one field",
		`{"input":"octal","fields":[{"name":"v","type":"uint8"}]}`:                            "input",
		`{"endian":"middle","fields":[{"name":"v","type":"uint8"}]}`:                          "endian",
		`{"checksum":{"type":"md5"},"fields":[{"name":"v","type":"uint8"}]}`:                  "checksum: type",
		`{"checksum":{"type":"sum8","from":4,"at":2},"fields":[{"name":"v","type":"uint8"}]}`: "is no part",
		`{"fields":[{"name":"v","type":"uint9"}]}`:                                            `type "uint9"`,
		`{"fields":[{"name":"v","type":"uint8","length":2}]}`:                                 "has 1 bytes",
		`{"fields":[{"name":"v","type":"bcd"}]}`:                                              "1 to 8 bytes",
		`{"fields":[{"name":"v","type":"uint8","bit":8}]}`:                                    "are not in 8 bits",
		`{"fields":[{"name":"v","type":"uint8","bit":4,"bits":5}]}`:                           "are not in 8 bits",
		`{"fields":[{"name":"v","type":"float32","bits":5}]}`:                                 "bits are parts",
		`{"fields":[{"name":"v","type":"uint8","missing":"none"}]}`:                           "missing",
		`{"fields":[{"name":"v","type":"string","scale":2}]}`:                                 "for numbers",
		`{"fields":[{"type":"uint8"}]}`:                                                       "name is required",
	} {
		h := guesttest.New(t, &converter{})
		if _, err := h.Open(abi.OpenInput{Config: []byte(config)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func FuzzConvert(f *testing.F) {
	var fields []string
	for name := range types {
		for i, at := range []int{0, 3, -4} {
			field := fmt.Sprintf(`{"name":"%s%d","type":"%s","at":%d`, name, i, name, at)
			if name == "bcd" {
				field += `,"length":3`
			}
			fields = append(fields, field+"}")
		}
	}
	config := `{"endian":"little_swap","fields":[` + strings.Join(fields, ",") + `]}`
	one := `{"fields":[` + fields[0] + `]}`
	for _, seed := range []string{"", "\x00", strings.Repeat("\x12", 16), strings.Repeat("\xff", 12)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, c := range []string{config, one} {
			out := open(t, c).MustConvert(abi.Record{Device: "d", Payload: payload})
			if n := len(out.Batch.Records) + len(out.Verdicts); n > 1 {
				t.Fatalf("%x gave %+v", payload, out)
			}
		}
	})
}

// The README's example does what it says.
func TestWorkedExample(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, config, _ := strings.Cut(string(readme), "```json\n")
	config, _, _ = strings.Cut(config, "```")
	h := open(t, config)
	for frame, want := range map[string]string{
		"07 31 00 d7 00 00 41 c8 12 34": "running=true mode=3 temperature=21.5 Cel power=25 kW|serial=1234",
		"07 31 7f ff 00 00 41 c8 12 34": "running=true mode=3 power=25 kW|serial=1234",
	} {
		in := payload(t, frame)
		n := sum("crc16_modbus", in.Payload)
		in.Payload = append(in.Payload, byte(n), byte(n>>8))
		out := h.MustConvert(in)
		var records []string
		for _, r := range out.Batch.Records {
			var points []string
			for _, p := range r.Points {
				points = append(points, strings.TrimSpace(p.Name+"="+shownValue(p.Value)+" "+p.Unit))
			}
			records = append(records, strings.Join(points, " "))
		}
		if got := strings.Join(records, "|"); got != want {
			t.Errorf("%s gave %s, %+v", frame, got, out.Verdicts)
		}
	}
}

func shownValue(v abi.Value) string {
	switch v.Type() {
	case abi.ValueBool:
		return fmt.Sprint(v.Bool())
	case abi.ValueUint:
		return fmt.Sprint(v.Uint())
	default:
		return fmt.Sprint(v.Double())
	}
}
