package main

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

func TestTestAnswersForEachDevice(t *testing.T) {
	h := guesttest.New(t, &bus{})
	h.Log()
	ports := h.Serial(port)
	test := func(config string, devices ...abi.Device) (result abi.TestResult) {
		t.Helper()
		in := guesttest.Opening(config, abi.ReasonTest)
		in.Lane, in.Devices = port, devices
		answer, err := h.Call(abi.EntryTest, in.Append(nil))
		if err != nil || result.Decode(answer) != nil {
			t.Fatal(err)
		}
		return result
	}
	ports.Answer = serve(meter())
	if r := test(meterConfig, abi.Device{ID: "meter"}, abi.Device{ID: "gone", Config: []byte(`{"unitId":9}`)}); !r.Success || r.Message != "1 of 2 devices answer" {
		t.Errorf("%+v", r)
	}
	if r := test(`{"timeseries":[{"tag":"a","address":0}]}`, abi.Device{ID: "gone", Config: []byte(`{"unitId":9}`)}); r.Success || r.Message != "0 of 1 devices answer" {
		t.Errorf("nobody answers: %+v", r)
	}
	ports.Answer = func(string, []byte) ([]byte, error) {
		return nil, &abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant covers it with the right to write"}
	}
	if r := test(meterConfig, abi.Device{ID: "meter"}); r.Success || string(r.Details[0].Value) != "denied" {
		t.Errorf("without a grant: %+v", r)
	}
	ports.Answer = func(string, []byte) ([]byte, error) {
		return nil, &abi.Error{Kind: abi.FaultNotActive, Code: "not_active", Text: "the running version still owns the writes"}
	}
	if r := test(meterConfig, abi.Device{ID: "meter"}); !r.Success || string(r.Details[0].Value) != untried {
		t.Errorf("where a test may not write: %+v", r)
	}
	if r := test(`{}`); !r.Success {
		t.Errorf("without devices: %+v", r)
	}
	r := test(`{"profiles":{"m":{"timeseries":[{"tag":"a","address":0,"type":"string","divider":2}]}}}`)
	if r.Success || !strings.Contains(r.Message, "device of profile m: /timeseries/0/multiplier only numbers are scaled") {
		t.Errorf("a profile that is wrong: %+v", r)
	}
}
