package main

import (
	"encoding/json"
	"testing"

	"github.com/snaprail/snaprail/api/client"
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
