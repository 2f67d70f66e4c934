package main

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

func TestConfigErrors(t *testing.T) {
	for config, want := range map[string]string{
		`{"timeseries":[{"tag":"a","address":0},{"tag":"a","address":1}]}`:          `the tag "a" is there twice`,
		`{"timeseries":[{"tag":"a","address":65535,"type":"uint32"}]}`:              "/timeseries/0/address is 65535",
		`{"timeseries":[{"tag":"a","address":0,"type":"int128"}]}`:                  `/timeseries/0/type is "int128"`,
		`{"timeseries":[{"tag":"a","address":0,"functionCode":1,"type":"uint16"}]}`: "coils and discrete inputs are bool or bits",
		`{"timeseries":[{"tag":"a","address":0,"functionCode":4,"writable":true}]}`: "/timeseries/0/writable inputs cannot be written",
		`{"attributes":[{"tag":"a","address":0,"type":"string","divider":2}]}`:      "/attributes/0/multiplier only numbers are scaled",
		`{"rpc":[{"tag":"a","address":0,"type":"uint32","functionCode":6}]}`:        "/rpc/0/writeFunctionCode function 6 writes one, and uint32 takes 2",
		`{"timeseries":[{"tag":"a","address":0,"objectsCount":3}]}`:                 "/timeseries/0/objectsCount is 3: uint16 takes 1",
		`{"unitId":256}`:     "/unitId is 256",
		`{"profile":"none"}`: `/profile there is no profile "none"`,
		`{"timeseries":[{"tag":"a","address":0,"byteOrder":"MIDDLE"}]}`:                   "BIG or LITTLE",
		`{"timeseries":[{"tag":"a","address":0,"functionCode":2,"type":"uint16"}]}`:       "/timeseries/0/type",
		`{"timeseries":[{"tag":"a","address":0,"type":"bytes","objectsCount":126}]}`:      "want at most 125",
		`{"timeseries":[{"tag":"a","address":0,"type":"uint16","bit":3}]}`:                "/timeseries/0/bit",
		`{"timeseries":[{"tag":"a","address":0,"functionCode":7}]}`:                       "/timeseries/0/functionCode is 7",
		`{"timeseries":[{"tag":"a","address":0,"writable":true,"writeFunctionCode":15}]}`: "/timeseries/0/writeFunctionCode is 15",
	} {
		h := guesttest.New(t, &bus{})
		h.Serial(port)
		h.Log()
		in := guesttest.Opening(`{}`, abi.ReasonStart)
		in.Lane, in.Devices = port, []abi.Device{{ID: "meter", Config: []byte(config)}}
		if _, err := h.Open(in); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "device meter: ") {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// A device whose config does not hold is told of, and the others of its endpoint work.
func TestABadDeviceIsLeftOut(t *testing.T) {
	h, ports, lines := opened(t, `{"timeseries":[{"tag":"a","address":0}]}`, abi.Device{ID: "bad", Config: []byte(`{"profile":"boilr"}`)},
		abi.Device{ID: "typo", Config: []byte(`{"unitId":8,"timeseries":[{"tag":"b","address":70000}]}`)}, abi.Device{ID: "good", Config: []byte(`{"unitId":7}`)})
	ports.Answer = serve(meter())
	if _, got := poll(t, h, "good"); got != "a=2150" {
		t.Errorf("the good one: %s", got)
	}
	for _, want := range []string{`config_error=invalid_config: device typo: /timeseries/0/address is 70000: want 0 to 65535, and room for the value is bad 80890000 b=[] is bad 80890000`, ""} {
		if _, got := poll(t, h, "typo"); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	if out, got := poll(t, h, "bad"); !strings.Contains(got, `there is no profile "boilr"`) || out.Batch.Records[0].Kind != abi.KindEvent {
		t.Errorf("told %q: %+v", got, out.Batch.Records)
	}
	if len(*lines) != 2 || !strings.Contains((*lines)[0].Text, "device bad: /profile") {
		t.Errorf("log %+v", *lines)
	}
	m := abi.Message{Type: abi.MessageRPC, Correlation: "1", Device: "bad", Method: "a"}
	if got := ask(t, h, m); !strings.Contains(got, "invalid_config") || !strings.Contains(got, "boilr") {
		t.Errorf("an RPC is answered %s", got)
	}

	in := guesttest.Opening(`{"timeseries":[{"tag":"a","address":0}]}`, abi.ReasonTest)
	in.Lane, in.Devices = port, []abi.Device{{ID: "bad", Config: []byte(`{"profile":"boilr"}`)}, {ID: "good", Config: []byte(`{"unitId":7}`)}}
	for range 2 { // with and without one that works
		var result abi.TestResult
		answer, err := h.Call(abi.EntryTest, in.Append(nil))
		if err != nil || result.Decode(answer) != nil {
			t.Fatal(err)
		}
		details := map[string]string{}
		for _, d := range result.Details {
			details[d.Name] = string(d.Value)
		}
		if result.Success || !strings.Contains(result.Message, "device bad") || details["code"] != "invalid_config" || !strings.Contains(details["bad"], "boilr") {
			t.Errorf("test: %+v", result)
		}
		in.Devices = in.Devices[:1]
	}
}
