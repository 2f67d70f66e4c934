package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

func open(t testing.TB, config string) *guesttest.Harness {
	t.Helper()
	h := guesttest.New(t, &converter{})
	h.MustOpen(config)
	return h
}

func frame(payload string) abi.Record {
	return abi.Record{Device: "roof", Time: 1_700_000_000_000_000_000, Payload: []byte(payload), SourceKey: "s"}
}

const station = `{"patterns":[
	{"pattern":"^T=(?P<temperature>-?[0-9.]+);H=(?P<humidity>[0-9]+)(;B=(?P<battery>[0-9]+))?","fields":[
		{"name":"temperature","type":"double","unit":"Cel"},
		{"name":"humidity","type":"int","unit":"%"},
		{"name":"charge","group":"battery","type":"double","unit":"%","scale":0.5,"kind":"attribute"}]},
	{"pattern":"^S (\\w+)","fields":[{"name":"state","group":"1","type":"string"}]}]}`

func TestFirstPatternThatMatches(t *testing.T) {
	h := open(t, station)
	out := h.MustConvert(frame("T=-4.5;H=31;B=90\n"), frame("S open\n"), frame("T=2;H=3\n"))
	want := []struct {
		kind  abi.Kind
		names string
		value abi.Value
		key   string
	}{
		{abi.KindTelemetry, "temperature,humidity", abi.Double(-4.5), "s"},
		{abi.KindAttributes, "charge", abi.Double(45), "s#attributes"},
		{abi.KindTelemetry, "state", abi.String("open"), "s"},
		{abi.KindTelemetry, "temperature,humidity", abi.Double(2), "s"}, // the group took no part
	}
	if len(out.Batch.Records) != len(want) || len(out.Verdicts) != 0 {
		t.Fatalf("outcome %+v", out)
	}
	for i, r := range out.Batch.Records {
		var names []string
		for _, p := range r.Points {
			names = append(names, p.Name)
		}
		if r.Kind != want[i].kind || strings.Join(names, ",") != want[i].names || r.Points[0].Value != want[i].value ||
			r.SourceKey != want[i].key || r.Device != "roof" {
			t.Errorf("record %d is %+v, want %+v", i, r, want[i])
		}
	}
}

func TestAllMatches(t *testing.T) {
	h := open(t, `{"all":true,"patterns":[{"pattern":"(?P<v>[0-9]+)"}]}`)
	out := h.MustConvert(frame("1 22 x 333"))
	if len(out.Batch.Records) != 3 || out.Batch.Records[2].Points[0].Value != abi.Int(333) || out.Batch.Records[2].SourceKey != "s#2" {
		t.Fatalf("outcome %+v", out)
	}
}

// A record is rejected whole: of the matches before the wrong one nothing is kept.
func TestRejects(t *testing.T) {
	h := open(t, `{"all":true,"patterns":[{"pattern":"v(?P<v>\\S+)","fields":[{"name":"v","type":"int"}]}]}`)
	out := h.MustConvert(frame("v1 vx"), frame("none"), frame("\xff"), frame("v7"))
	if len(out.Batch.Records) != 1 || out.Batch.Records[0].Points[0].Value != abi.Int(7) {
		t.Fatalf("records %+v", out.Batch.Records)
	}
	for i, want := range []string{`field "v": "x" is no int`, `no expression matches "none"`, "is not UTF-8"} {
		if v := out.Verdicts[i]; v.Input != uint32(i) || v.Decision != abi.DecisionReject || !strings.Contains(v.Reason, want) {
			t.Errorf("verdict %+v, want %s", v, want)
		}
	}
}

func TestUnmatched(t *testing.T) {
	h := open(t, `{"unmatched":"skip","patterns":[{"pattern":"(?P<v>[0-9])"}]}`)
	if out := h.MustConvert(frame("x")); len(out.Batch.Records) != 0 || out.Verdicts[0].Decision != abi.DecisionSkip {
		t.Errorf("skip gave %+v", out)
	}
	h = open(t, `{"unmatched":"pass","patterns":[{"pattern":"(?P<v>[0-9])"}]}`)
	out := h.MustConvert(frame("x"))
	if len(out.Batch.Records) != 1 || len(out.Verdicts) != 0 || string(out.Batch.Records[0].Payload) != "x" {
		t.Errorf("pass gave %+v", out)
	}
}

func TestBadConfigs(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                               "patterns",
		`{"patterns":[{"pattern":"("}]}`:   "missing closing",
		`{"patterns":[{"pattern":"(x)"}]}`: "no group has a name",
		`{"patterns":[{"pattern":"(?P<a>x)","fields":[{"name":"b"}]}]}`:                `no group "b"`,
		`{"patterns":[{"pattern":"(?P<a>x)","fields":[{"name":"a","group":"2"}]}]}`:    `no group "2"`,
		`{"patterns":[{"pattern":"(?P<a>x)","fields":[{"name":"a","type":"float"}]}]}`: "float",
		`{"unmatched":"drop","patterns":[{"pattern":"(?P<a>x)"}]}`:                     "unmatched",
	} {
		h := guesttest.New(t, &converter{})
		if _, err := h.Open(abi.OpenInput{Config: []byte(config)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// No payload stops the converter or makes what it would not take back.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{"T=1;H=2", "S x", "", "\xff", "T=;H=", "T=1e9;H=2;B=3"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		h := open(t, station)
		out := h.MustConvert(frame(string(payload)))
		if n := len(out.Batch.Records) + len(out.Verdicts); n == 0 || len(out.Verdicts) > 1 {
			t.Fatalf("%q gave %+v", payload, out)
		}
		for _, v := range out.Verdicts {
			if !utf8.ValidString(v.Reason) {
				t.Fatalf("reason %q", v.Reason)
			}
		}
	})
}
