package main

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

func TestFramesBecomeRecords(t *testing.T) {
	h := guesttest.New(t, &line{})
	ports := h.Serial("/dev/ttyUSB0", "/dev/ttyUSB1")
	h.Log()
	opened := h.MustOpen(`{"devices":[
		{"name":"roof"},
		{"name":"cellar","type":"weather","port":"/dev/ttyUSB1","content_type":"text/plain"}]}`)
	want := []abi.DeviceChange{
		{Change: abi.ChangePut, ID: "roof", Type: "serial", Name: "roof"},
		{Change: abi.ChangePut, ID: "cellar", Type: "weather", Name: "cellar"},
	}
	if !reflect.DeepEqual(opened.Devices, want) {
		t.Errorf("devices are %+v, want %+v", opened.Devices, want)
	}

	roof, cellar := ports.Frame("/dev/ttyUSB0", "422498\n"), ports.Frame("/dev/ttyUSB1", "\xff\x00\n")
	records := h.MustEvents(roof, cellar).Batch.Records
	if len(records) != 2 {
		t.Fatalf("%d records, want 2", len(records))
	}
	checkRecord(t, records[0], "roof", roof, "application/octet-stream")
	checkRecord(t, records[1], "cellar", cellar, "text/plain")
}

func checkRecord(t *testing.T, r abi.Record, device string, event abi.Event, contentType string) {
	t.Helper()
	if r.Device != device || r.Time != event.Time || r.ContentType != contentType ||
		string(r.Payload) != string(event.Data) || r.Kind != abi.KindTelemetry {
		t.Errorf("record is %+v, want %s with %q at %d as %s", r, device, event.Data, event.Time, contentType)
	}
}

func TestDefaultsAreThoseOfPyserial(t *testing.T) {
	h := guesttest.New(t, &line{})
	ports := h.Serial("/dev/ttyUSB0")
	h.MustOpen(`{"devices":[{"name":"a"}]}`)
	got := ports.Opened()[0]
	if got.WriteTimeoutMS != nil || got.InterByteTimeoutMS != nil || got.Exclusive != nil {
		t.Errorf("an option that is null by default is set: %+v", got)
	}
	if string(got.Delimiter) != "\n" {
		t.Errorf("delimiter is %q", got.Delimiter)
	}
	got.Delimiter = nil
	want := abi.SerialOpen{
		Port: "/dev/ttyUSB0", BaudRate: 9600, DataBits: 8, Parity: "N", StopBitsX2: 2,
		ReadTimeoutMS: 1000, MaxFrame: 4096, OpenTimeoutMS: 10_000, OpenRetryMS: 100,
	}
	if !equalOpen(got, want) {
		t.Errorf("opened with %+v, want %+v", got, want)
	}
}

func equalOpen(a, b abi.SerialOpen) bool {
	return string(a.Append(nil)) == string(b.Append(nil))
}

func TestDeviceOverridesAndInherits(t *testing.T) {
	h := guesttest.New(t, &line{})
	ports := h.Serial("/dev/a", "/dev/b", "/dev/c")
	h.MustOpen(`{"baudrate":19200,"stopbits":1.5,"write_timeout":2,"exclusive":true,"delimiter":"\r","devices":[
		{"name":"a","port":"/dev/a","write_timeout":0.25,"exclusive":false,"parity":"E"},
		{"name":"b","port":"/dev/b","write_timeout":null},
		{"name":"c","port":"/dev/c"}]}`)
	ms := func(v uint64) *uint64 { return &v }
	lock := func(v bool) *bool { return &v }
	base := abi.SerialOpen{
		BaudRate: 19200, DataBits: 8, Parity: "N", StopBitsX2: 3, ReadTimeoutMS: 1000, WriteTimeoutMS: ms(2000),
		Exclusive: lock(true), Delimiter: []byte("\r"), MaxFrame: 4096, OpenTimeoutMS: 10_000, OpenRetryMS: 100,
	}
	a, b, c := base, base, base
	a.Port, a.WriteTimeoutMS, a.Exclusive, a.Parity = "/dev/a", ms(250), lock(false), "E"
	b.Port, b.WriteTimeoutMS = "/dev/b", nil
	c.Port = "/dev/c"
	for i, want := range []abi.SerialOpen{a, b, c} {
		if !equalOpen(ports.Opened()[i], want) {
			t.Errorf("port %d opened with %+v, want %+v", i, ports.Opened()[i], want)
		}
	}
}

func TestOneDeviceFailsAndTheOthersWork(t *testing.T) {
	h := guesttest.New(t, &line{})
	ports := h.Serial("/dev/b")
	lines := h.Log()
	opened := h.MustOpen(`{"devices":[{"name":"a","port":"/dev/a"},{"name":"b","port":"/dev/b"}]}`)
	if len(opened.Devices) != 1 || opened.Devices[0].ID != "b" {
		t.Errorf("devices are %+v, want b alone", opened.Devices)
	}
	want := abi.LogLine{Level: abi.LogError, Text: "Connection refused per timeout for device a"}
	if len(*lines) != 1 || (*lines)[0] != want {
		t.Errorf("the log holds %+v, want %+v", *lines, want)
	}
	if out := h.MustEvents(ports.Frame("/dev/b", "x\n")); len(out.Batch.Records) != 1 {
		t.Errorf("%d records of b, want 1", len(out.Batch.Records))
	}
}

func TestNoDeviceOpens(t *testing.T) {
	h := guesttest.New(t, &line{})
	ports := h.Serial()
	h.Log()
	ports.Refuse("/dev/b", &abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "not granted", Hint: "ask"})
	in := guesttest.Opening(`{"devices":[{"name":"a","port":"/dev/a"},{"name":"b","port":"/dev/b"}]}`, abi.ReasonStart)
	_, err := h.Open(in)
	fault, ok := errors.AsType[*abi.Error](err)
	if !ok || fault.Kind != abi.FaultTimeout || fault.Code != "device_connect_timeout" ||
		!strings.Contains(fault.Text, "device a") || !strings.Contains(fault.Text, "1 more") {
		t.Errorf("open failed with %#v", err)
	}

	in = guesttest.Opening(`{"devices":[{"name":"b","port":"/dev/b"}]}`, abi.ReasonStart)
	_, err = h.Open(in)
	if fault, ok := errors.AsType[*abi.Error](err); !ok || fault.Kind != abi.FaultDenied || fault.Hint != "ask" {
		t.Errorf("open failed with %#v, want the host's denial", err)
	}
}

func TestBadConfig(t *testing.T) {
	for name, c := range map[string]struct{ config, says string }{
		"no device":       {`{}`, "at least one"},
		"same port":       {`{"devices":[{"name":"a"},{"name":"b"}]}`, "/dev/ttyUSB0"},
		"same name":       {`{"devices":[{"name":"a"},{"name":"a","port":"/dev/x"}]}`, "twice"},
		"no name":         {`{"devices":[{"port":"/dev/x"}]}`, "name is required"},
		"empty delimiter": {`{"delimiter":"","devices":[{"name":"a"}]}`, "delimiter"},
		"not JSON":        {`{`, "JSON"},
		"wrong type":      {`{"devices":[{"name":1}]}`, "devices[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			h := guesttest.New(t, &line{})
			h.Serial("/dev/ttyUSB0", "/dev/x")
			_, err := h.Open(guesttest.Opening(c.config, abi.ReasonStart))
			fault, ok := errors.AsType[*abi.Error](err)
			if !ok || fault.Kind != abi.FaultInvalid || !strings.Contains(fault.Text, c.says) {
				t.Errorf("open failed with %v, want an invalid config that says %q", err, c.says)
			}
			if len(h.Calls()) != 0 {
				t.Errorf("called %v before the config was checked", h.Calls())
			}
		})
	}
}

func TestPortEventsAreLogged(t *testing.T) {
	h := guesttest.New(t, &line{})
	ports := h.Serial("/dev/ttyUSB0")
	lines := h.Log()
	h.MustOpen(`{"devices":[{"name":"roof"}]}`)
	down := ports.Event(abi.EventDown, "/dev/ttyUSB0")
	down.Err = &abi.Error{Kind: abi.FaultUnavailable, Text: "unplugged"}
	gap := ports.Event(abi.EventGap, "/dev/ttyUSB0")
	gap.Name = "buffer full"
	future := ports.Event(abi.EventType(99), "/dev/ttyUSB0")
	out := h.MustEvents(down, ports.Event(abi.EventUp, "/dev/ttyUSB0"), gap, future)
	want := []abi.LogLine{
		{Level: abi.LogWarning, Text: "device roof: port /dev/ttyUSB0 is down: unplugged"},
		{Level: abi.LogInfo, Text: "device roof: port /dev/ttyUSB0 is back"},
		{Level: abi.LogWarning, Text: "device roof: port /dev/ttyUSB0 lost frames: buffer full"},
	}
	if !slices.Equal(*lines, want) {
		t.Errorf("the log holds %+v", *lines)
	}
	if len(out.Verdicts) != 1 || out.Verdicts[0].Input != 3 || out.Verdicts[0].Decision != abi.DecisionSkip {
		t.Errorf("verdicts are %+v, want a skip of the event from the future", out.Verdicts)
	}
}

func TestFrameOfAnUnknownPortIsRejected(t *testing.T) {
	h := guesttest.New(t, &line{})
	h.Serial("/dev/ttyUSB0")
	h.MustOpen(`{"devices":[{"name":"roof"}]}`)
	out := h.MustEvents(abi.Event{Type: abi.EventData, Handle: 7, Data: []byte("x\n")})
	if len(out.Batch.Records) != 0 || len(out.Verdicts) != 1 || out.Verdicts[0].Decision != abi.DecisionReject {
		t.Errorf("outcome is %+v", out)
	}
}

func TestConnectionTest(t *testing.T) {
	h := guesttest.New(t, &line{})
	ports := h.Serial("/dev/a")
	h.Log()
	h.MustOpen(`{"port":"/dev/a","devices":[{"name":"a"}]}`)
	result, err := h.Test(`{"port":"/dev/a","devices":[{"name":"a"}]}`)
	if err != nil || !result.Success || result.Message != "1 of 1 ports opened" {
		t.Errorf("test answered %+v, %v", result, err)
	}
	if len(ports.Opened()) != 1 {
		t.Errorf("%d sessions, want the open one taken over", len(ports.Opened()))
	}

	result, err = h.Test(`{"port":"/dev/a","devices":[{"name":"a"},{"name":"b","port":"/dev/b"}]}`)
	if err != nil || !result.Success || !strings.Contains(result.Message, "1 of 2 ports opened: ") || !strings.Contains(result.Message, "timeout for device b") || len(result.Details) != 2 {
		t.Errorf("with one port away the test answered %+v, %v", result, err)
	}
	if result, err = h.Test(`{"devices":[{"name":"b","port":"/dev/b"}]}`); err != nil || result.Success {
		t.Errorf("with all ports away the test answered %+v, %v", result, err)
	}
	ports.Refuse("/dev/b", &abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant covers it"})
	result, err = h.Test(`{"port":"/dev/a","devices":[{"name":"a"},{"name":"b","port":"/dev/b"}]}`)
	if err != nil || result.Success || string(result.Details[1].Value) != "denied" {
		t.Errorf("without a grant the test answered %+v, %v", result, err)
	}
	if result, err = h.Test(`{"devices":[]}`); err != nil || result.Success {
		t.Errorf("test of a bad config answered %+v, %v", result, err)
	}
}

func TestClose(t *testing.T) {
	h := guesttest.New(t, &line{})
	h.Serial("/dev/ttyUSB0")
	h.MustOpen(`{"devices":[{"name":"roof"}]}`)
	if err := h.Close(abi.ReasonStop); err != nil {
		t.Error(err)
	}
}

// TestFramings: how a port is cut reaches the host as it is configured.
func TestFramings(t *testing.T) {
	for config, want := range map[string]abi.SerialOpen{
		`"framing":"fixed","frame_length":12,"start":"aa55","check":"crc16"`: {
			Framing: abi.SerialFixed, FrameLength: 12, Start: []byte{0xaa, 0x55}, Check: "crc16",
		},
		`"framing":"prefixed","length_at":1,"length_size":2,"length_little":true,"length_adds":-3`: {
			Framing: abi.SerialPrefixed, LengthAt: 1, LengthSize: 2, LengthLittle: true, LengthAdds: -3,
		},
		`"framing":"gap"`:  {Framing: abi.SerialGap},
		`"framing":"slip"`: {Framing: abi.SerialSLIP},
		``:                 {},
	} {
		h := guesttest.New(t, &line{})
		ports := h.Serial("/dev/ttyUSB0")
		h.Log()
		h.MustOpen(`{"devices":[{"name":"a",` + strings.TrimPrefix(config+",", ",") + `"type":"t"}]}`)
		got := ports.Opened()[0]
		if got.Framing != want.Framing || got.FrameLength != want.FrameLength || got.LengthAt != want.LengthAt || got.LengthSize != want.LengthSize ||
			got.LengthLittle != want.LengthLittle || got.LengthAdds != want.LengthAdds || string(got.Start) != string(want.Start) || got.Check != want.Check {
			t.Errorf("%s: %+v", config, got)
		}
	}
	for _, config := range []string{`"framing":"lines"`, `"framing":"fixed","start":"xy"`} {
		h := guesttest.New(t, &line{})
		h.Serial("/dev/ttyUSB0")
		h.Log()
		if _, err := h.Open(guesttest.Opening(`{"devices":[{"name":"a",`+config+`}]}`, abi.ReasonStart)); err == nil || !strings.Contains(err.Error(), "devices[0]: framing") {
			t.Errorf("%s: %v", config, err)
		}
	}
}

// TestALatePortIsToldAsAGatewayDoes: S2.34, whatever kept the port.
func TestALatePortIsToldAsAGatewayDoes(t *testing.T) {
	h := guesttest.New(t, &line{})
	ports := h.Serial("/dev/ttyUSB0")
	ports.Refuse("/dev/ttyUSB0", &abi.Error{Kind: abi.FaultNotFound, Code: "port_not_found", Text: "Connection refused per timeout for device /dev/ttyUSB0"})
	lines := h.Log()
	_, err := h.Open(guesttest.Opening(`{"devices":[{"name":"roof"}]}`, abi.ReasonStart))
	fault, ok := errors.AsType[*abi.Error](err)
	if !ok || fault.Code != "device_connect_timeout" || !strings.Contains(fault.Text, "device roof: port /dev/ttyUSB0 did not open") {
		t.Errorf("the error: %+v", err)
	}
	if len(*lines) != 2 || (*lines)[0].Text != "Connection refused per timeout for device roof" || (*lines)[0].Level != abi.LogError {
		t.Errorf("the log: %+v", *lines)
	}
}
