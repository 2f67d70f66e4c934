package main

import (
	"os"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

const taken = 1_700_000_000_000_000_000

func open(t testing.TB, config string) *guesttest.Harness {
	t.Helper()
	h := guesttest.New(t, &converter{})
	h.MustOpen(config)
	return h
}

func frame(payload string) abi.Record {
	return abi.Record{Device: "roof", Time: taken, Payload: []byte(payload), SourceKey: "s"}
}

func TestPaths(t *testing.T) {
	const payload = `{"a":{"b c":[10,20,{"d":"x"}]},"1":"one","t":"4.5","~/":true,"n":null}`
	for path, want := range map[string]abi.Value{
		"$.a['b c'][1]": abi.Int(20), `$.a["b c"][2].d`: abi.String("x"), "/a/b c/0": abi.Int(10), "/1": abi.String("one"),
		"t": abi.String("4.5"), "$['1']": abi.String("one"), "/~0~1": abi.Bool(true), "$.a['b c'][-2]": abi.Int(20), "$.t": abi.String("4.5"),
	} {
		h := open(t, `{"fields":[{"name":"v","path":`+quote(path)+`}]}`)
		out := h.MustConvert(frame(payload))
		if len(out.Batch.Records) != 1 || out.Batch.Records[0].Points[0].Value != want {
			t.Errorf("%s gave %+v, want %v", path, out, want)
		}
	}
	for _, path := range []string{"$.b", "$.a[0]", "$.a['b c'][9]", "$.a['b c'][-4]", "/a/b c/x", "$.t.u", "$.n"} {
		h := open(t, `{"fields":[{"name":"v","path":`+quote(path)+`}]}`)
		out := h.MustConvert(frame(payload))
		if len(out.Verdicts) != 1 || !strings.Contains(out.Verdicts[0].Reason, `field "v": there is no value`) {
			t.Errorf("%s gave %+v", path, out)
		}
	}
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func TestOneRecordForEachElement(t *testing.T) {
	h := open(t, `{"each":"$.readings","device":"$.id","time":"$.at","time_format":"ms","fields":[
		{"name":"temperature","path":"$.t","type":"double","unit":"Cel","scale":0.1},
		{"name":"site","path":"$.site","kind":"attribute"},
		{"name":"note","optional":true}]}`)
	out := h.MustConvert(frame(`{"site":"north","readings":[{"id":"a","t":215,"at":1700000001000},{"id":7,"t":"220","note":"x"}]}`))
	r := out.Batch.Records
	if len(r) != 4 || len(out.Verdicts) != 0 {
		t.Fatalf("outcome %+v", out)
	}
	if r[0].Device != "a" || r[0].Time != 1_700_000_001_000_000_000 || r[0].Points[0].Value != abi.Double(21.5) || r[0].Points[0].Unit != "Cel" || len(r[0].Points) != 1 {
		t.Errorf("first %+v", r[0])
	}
	if r[1].Kind != abi.KindAttributes || r[1].Points[0].Value != abi.String("north") || r[1].SourceKey != "s#attributes" {
		t.Errorf("its attributes %+v", r[1])
	}
	if r[2].Device != "7" || r[2].Time != taken || len(r[2].Points) != 2 || r[2].SourceKey != "s#1" {
		t.Errorf("second %+v", r[2])
	}
}

// A payload with one element that does not fit is rejected whole.
func TestRejects(t *testing.T) {
	h := open(t, `{"each":"","device":"id","time":"at","time_format":"s","fields":[{"name":"v","type":"int"}]}`)
	for payload, want := range map[string]string{
		`{`:                                    "is not JSON",
		`{"v":1}`:                              "there is no list",
		`[{"id":"a","v":1},{"id":"b"}]`:        `field "v": there is no value`,
		`[{"id":"a","v":1.5}]`:                 `field "v": "1.5" is no int`,
		`[{"v":1}]`:                            "device: there is none",
		`[{"id":"","v":1}]`:                    "device: it is empty",
		`[{"id":{},"v":1}]`:                    "device: it is no text",
		`[{"id":"a","v":1,"at":"x"}]`:          "time: ",
		`[{"id":"a","v":1,"at":1e300}]`:        "is no time",
		`[` + strings.Repeat("1,", 300) + `1]`: "301 elements",
	} {
		out := h.MustConvert(frame(payload))
		if len(out.Batch.Records) != 0 || len(out.Verdicts) != 1 || !strings.Contains(out.Verdicts[0].Reason, want) {
			t.Errorf("%s gave %+v", payload, out)
		}
	}
}

func TestTimes(t *testing.T) {
	for format, payload := range map[string]string{
		"rfc3339": `{"v":1,"at":"2023-11-14T22:13:20.5Z"}`, "s": `{"v":1,"at":1700000000.5}`,
		"ms": `{"v":1,"at":1700000000500}`, "us": `{"v":1,"at":1700000000500000}`, "ns": `{"v":1,"at":1700000000500000000}`,
	} {
		h := open(t, `{"time":"at","time_format":"`+format+`","fields":[{"name":"v"}]}`)
		if out := h.MustConvert(frame(payload)); len(out.Batch.Records) != 1 || out.Batch.Records[0].Time != 1_700_000_000_500_000_000 {
			t.Errorf("%s gave %+v", format, out)
		}
	}
}

func TestBadConfigs(t *testing.T) {
	for config, want := range map[string]string{
		`{}`: "at least one field",
		`{"fields":[{"name":"v","path":"$.[x"}]}`:                   "is no name",
		`{"fields":[{"name":"v","path":"$x"}]}`:                     "is no step",
		`{"fields":[{"name":"v","path":"$['x"}]}`:                   "has no end",
		`{"fields":[{"name":"v","path":"$[x]"}]}`:                   "is no index",
		`{"fields":[{"name":"v","path":"$.*"}]}`:                    "is no name",
		`{"time":"t","time_format":"days","fields":[{"name":"v"}]}`: "time_format",
		`{"fields":[{"name":"v","kind":"event"}]}`:                  "kind",
	} {
		h := guesttest.New(t, &converter{})
		if _, err := h.Open(abi.OpenInput{Config: []byte(config)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, seed := range []string{`{"a":[{"v":1}]}`, `[]`, `{"a":[1]}`, `{"a":[{"v":"x","id":1,"at":1}]}`, "\xff", `{"a":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		h := open(t, `{"each":"$.a","device":"/id","time":"at","time_format":"ms","fields":[{"name":"v","path":"$.v","optional":true}]}`)
		out := h.MustConvert(frame(string(payload)))
		if len(out.Verdicts) > 1 || len(out.Verdicts) == 1 && len(out.Batch.Records) > 0 {
			t.Fatalf("%q gave %+v", payload, out)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"$.a[0]", "/a/0/~1", "a", "$['x']", "$[-1]", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if p, err := parsePath(text); err == nil {
			(&document{raw: []byte(`{"a":[1,{"b":2}],"":[]}`)}).at(p)
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
	_, payload, _ := strings.Cut(string(readme), "The payload `")
	payload, _, _ = strings.Cut(payload, "`")
	out := open(t, config).MustConvert(frame(payload))
	r := out.Batch.Records
	if len(r) != 4 || r[0].Device != "a" || r[0].Points[0].Value != abi.Double(21.5) || r[0].Time != 1_700_000_001_000_000_000 ||
		r[2].Device != "7" || r[2].Points[0].Value != abi.Double(22) || r[2].Points[1].Value != abi.String("wet") || r[3].Points[0].Value != abi.String("north") {
		t.Errorf("records %+v, %+v", r, out.Verdicts)
	}
}
