package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// A device's text cannot drive the terminal.
func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"größe 21 °C":     "größe 21 °C",
		"\x1b[31mred\a":   `\x1b[31mred\x07`,
		"two\nlines\ttab": `two\x0alines  tab`,
		"\u009b31m":       `\x9b31m`,
		"abc\u202edef":    `abc\x202edef`,
		"bad \xff byte":   "bad \ufffd byte",
		"":                "",
	} {
		if got := visible(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestRecordLine(t *testing.T) {
	for raw, want := range map[string]string{
		`{"device":"station","kind":"telemetry","time":"2026-11-22T01:02:03.5Z","values":{"temperature":42,"text":"a\u001b","none":null},"units":{"temperature":"Cel"},"quality":{"text":2147483648}}`: `2026-11-22T01:02:03.500Z  station  temperature=42 Cel  text=a\x1b (quality 0x80000000)  none=null`,
		`{"device":"d","kind":"event","time":"2026-11-22T01:02:03Z","payload":"422498\n"}`:                                                                                                             `2026-11-22T01:02:03.000Z  d  (event)  422498\x0a`,
		`{"device":"d","kind":"gap","time":"2026-11-22T01:02:03Z","payload":{"from_block":1}}`:                                                                                                         `2026-11-22T01:02:03.000Z  d  (gap)  {"from_block":1}`,
		`{"device":"d","kind":"telemetry","time":"2026-11-22T01:02:03Z","content_type":"image/png","payload_base64":"AAAA"}`:                                                                           `2026-11-22T01:02:03.000Z  d  3 B of image/png`,
	} {
		var r client.Record
		if err := json.Unmarshal([]byte(raw), &r); err != nil {
			t.Fatal(err)
		}
		if got := recordLine(r); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// What a session has lost is told in words, and its name once.
func TestSessionLine(t *testing.T) {
	for want, s := range map[string]lifecycle.Session{
		"mqtt broker:b:1883 up (opened once; 0 events lost)":                         {Group: "mqtt", Resource: "broker:b:1883", Up: true, Opens: 1},
		"mqtt broker:b:1883 down: connection refused (opened 2 times; 1 event lost)": {Group: "mqtt", Resource: "broker:b:1883", Reason: "broker:b:1883: connection refused", Opens: 2, Dropped: 1},
		"serial /dev/ttyS0 down: it is gone (opened 0 times; 12 events lost)":        {Group: "serial", Resource: "/dev/ttyS0", Reason: "it is gone", Dropped: 12},
		"tcp plc:502 down (opened once; 0 events lost)":                              {Group: "tcp", Resource: "plc:502", Opens: 1},
	} {
		if got := sessionLine(s); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Why a test failed stands in the error, and the rest beside it.
func TestPrintTest(t *testing.T) {
	for want, r := range map[string]client.TestResult{
		"test  failed\ntook  1ms\ncode  denied\n":              {Message: "no grant", LatencyMS: 1, Details: map[string]any{"hint": "ask", "code": "denied", "latency_ms": 1}},
		"test     passed\nmessage  it answers\ntook     1ms\n": {Success: true, Message: "it answers", LatencyMS: 1},
	} {
		var out bytes.Buffer
		(&app{terminal: terminal{out: &inert{to: &out}}}).printTest(r)
		if out.String() != want {
			t.Errorf("got  %q\nwant %q", out.String(), want)
		}
	}
}

// A network that is kept is told of when nothing may be in it any more.
func TestNetworkIsLeft(t *testing.T) {
	const network = "cidr:127.0.0.0/8"
	for _, tt := range []struct {
		group string
		left  []string
		told  bool
	}{
		{"mqtt", []string{"broker:b:1883", network}, false},
		{"mqtt", []string{"topic:a", network}, true},
		{"mqtt", []string{"topic:a"}, false},
		{"kafka", []string{"kafka://k:9092/a", network}, false},
		{"http", []string{network}, true},
	} {
		var err bytes.Buffer
		v := client.Connector{}
		v.Name, v.Grants = "c", []spec.Grant{{Group: tt.group, Resources: tt.left}, {Group: "tcp", Resources: []string{"plc:502"}}}
		(&app{terminal: terminal{err: &err}}).left(&v, tt.group)
		if told := strings.Contains(err.String(), "`snaprail grants rm c "+tt.group+" "+network+"`"); told != tt.told || !told && err.Len() > 0 {
			t.Errorf("%s keeps %q: %q", tt.group, tt.left, err.String())
		}
	}
}
