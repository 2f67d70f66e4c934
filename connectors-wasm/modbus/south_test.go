package main

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func TestWrites(t *testing.T) {
	h, ports, _ := opened(t, `{"profiles":{"m":`+meterConfig+`}}`, abi.Device{ID: "meter", Config: []byte(`{"profile":"m","any_register":true}`)})
	s := meter()
	s.holding[20], s.holding[21] = 0, 0
	ports.Answer = serve(s)
	for _, c := range []struct{ method, body, said, asked string }{
		{"write", `{"tag":"far","value":7}`, `{"success":true}`, "0600640007"},
		{"far", `8`, `{"success":true}`, "0600640008"},
		{"far", ``, `{"value":8}`, "0300640001"},
		{"write", `{"tag":"running","value":false}`, `{"success":true}`, "0500030000"},
		{"running", `true`, `{"success":true}`, "050003ff00"},
		{"setpoint", `21.5`, `{"success":true}`, "100014000204000041ac"},
		{"read", `{"tag":"setpoint"}`, `{"value":21.5}`, "0300140002"},
		{"lamps", `513`, `{"success":true}`, "0f0028000a020102"},
		{"write", `{"tag":"alarm","value":false}`, `{"success":true}`, "1600097fff0000"},
		{"read", `{"tag":"alarm"}`, `{"value":false}`, "0300090001"},
		{"read", `{"functionCode":3,"address":2,"type":"uint32"}`, `{"value":100000}`, "0300020002"},
		{"write", `{"functionCode":6,"address":100,"value":9}`, `{"success":true}`, "0600640009"},
		{"write", `{"tag":"volts","value":1}`, "not_writable: volts is not writable: the configuration does not say so", ""},
		{"write", `{"tag":"nothing","value":1}`, "item_unknown: there is no nothing", ""},
		{"write", `{"tag":"far","value":70000}`, `value_wrong: "70000" is no uint16: strconv.ParseUint: parsing "70000": value out of range`, ""},
		{"write", `{"tag":"far","value":1.5}`, `value_wrong: "1.5" is no uint16: invalid syntax`, ""},
		{"read", `{"functionCode":3,"address":900}`, "illegal_data_address: the device refused function 3 with exception 2 (illegal data address: the device has nothing there)", "0303840001"},
		{"launch", `1`, "method_unknown: the method launch is neither read nor write, nor a tag of the device", ""},
	} {
		before := len(s.requests)
		got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "meter", Method: c.method, Body: []byte(c.body)})
		asked := strings.Join(s.requests[before:], " ")
		if got != c.said || asked != c.asked {
			t.Errorf("%s %s: %s, asked %s; want %s, asked %s", c.method, c.body, got, asked, c.said, c.asked)
		}
	}
	got := ask(t, h, abi.Message{Type: abi.MessageAttributes, Device: "meter", Body: []byte(`{"far":3,"volts":1,"setpoint":20}`)})
	if want := `[{"item":"far","success":true},{"item":"setpoint","success":true},{"item":"volts","success":false,"error":{"code":"not_writable","text":"volts is not writable: the configuration does not say so"}}]`; got != want {
		t.Errorf("an update: %s", got)
	}
	if got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "other", Method: "read", Body: []byte(`{}`)}); !strings.HasPrefix(got, "device_unknown") {
		t.Errorf("another device: %s", got)
	}
}

// A write that is not answered is not repeated: it may have been done.
func TestAWriteIsMadeOnce(t *testing.T) {
	h, ports, _ := opened(t, meterConfig, abi.Device{ID: "meter"})
	s := meter()
	s.mangle = func([]byte) []byte { return nil }
	ports.Answer = serve(s)
	if got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "meter", Method: "far", Body: []byte(`1`)}); !strings.HasPrefix(got, "timeout: ") || len(s.requests) != 1 {
		t.Errorf("%s after %d requests", got, len(s.requests))
	}
}
