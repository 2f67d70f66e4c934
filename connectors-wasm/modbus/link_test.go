package main

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// RTU through a server that hands on the bytes of a line.
func TestRTUOverTCP(t *testing.T) {
	h := guesttest.New(t, &bus{})
	h.Log()
	peers := h.TCP("moxa:4001")
	peers.Answer = serve(meter())
	in := guesttest.Opening(meterConfig, abi.ReasonStart)
	in.Lane, in.Devices = "rtu+tcp://moxa:4001", []abi.Device{{ID: "meter"}}
	if _, err := h.Open(in); err != nil {
		t.Fatal(err)
	}
	if f := peers.Opened()[0].Framing; f.Kind != abi.FramingGap || f.GapUS != 20_000 {
		t.Errorf("framed %+v", f)
	}
	if _, got := poll(t, h, "meter"); !strings.HasPrefix(got, "running=true switches=5 volts=215V") {
		t.Errorf("got %s", got)
	}
	if got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "meter", Method: "far", Body: []byte(`5`)}); got != `{"success":true}` {
		t.Errorf("a write: %s", got)
	}
}

// Over TCP, a late answer to an earlier request is passed over.
func TestTCP(t *testing.T) {
	h := guesttest.New(t, &bus{})
	h.Log()
	peers := h.TCP("plc1:502")
	s := meter()
	late := []byte{0, 99, 0, 0, 0, 5, 7, 3, 2, 0xde, 0xad}
	peers.Answer = func(_ string, request []byte) ([]byte, error) {
		answer := append(append([]byte(nil), request[:4]...), 0, 0, request[6])
		answer = append(answer, s.answer(request[7:])...)
		binary.BigEndian.PutUint16(answer[4:], uint16(len(answer)-6))
		if len(s.requests) == 1 {
			peers.Receive("plc1:502", string(answer))
			return late, nil
		}
		return answer, nil
	}
	in := guesttest.Opening(meterConfig, abi.ReasonStart)
	in.Lane, in.Devices = "tcp://plc1", []abi.Device{{ID: "meter"}}
	if _, err := h.Open(in); err != nil {
		t.Fatal(err)
	}
	if _, got := poll(t, h, "meter"); !strings.HasPrefix(got, "running=true switches=5 volts=215V") {
		t.Errorf("got %s", got)
	}
	if got := ask(t, h, abi.Message{Type: abi.MessageRPC, Device: "meter", Method: "far", Body: []byte(`5`)}); got != `{"success":true}` || s.holding[100] != 5 {
		t.Errorf("a write: %s", got)
	}
}

// What a server over TCP says that is no answer is asked for again; what it goes on
// saying is told as no communication.
func TestTCPSurvivesNonsense(t *testing.T) {
	for name, mangle := range map[string]func([]byte) []byte{
		"of another unit":     func(b []byte) []byte { b[6]++; return b },
		"of another protocol": func(b []byte) []byte { b[3] = 1; return b },
		"other function":      func(b []byte) []byte { b[7]++; return b },
		"no function at all":  func(b []byte) []byte { return b[:7] },
		"wrong byte count":    func(b []byte) []byte { b[8] += 2; return b },
		"short":               func(b []byte) []byte { return b[:len(b)-1] },
		"long":                func(b []byte) []byte { return append(b, 0) },
		"an empty exception":  func(b []byte) []byte { b[7] |= 0x80; return b[:8] },
	} {
		h := guesttest.New(t, &bus{})
		h.Log()
		peers := h.TCP("plc1:502")
		s, times := meter(), 1
		peers.Answer = func(_ string, request []byte) ([]byte, error) {
			answer := append(append([]byte(nil), request[:4]...), 0, 0, request[6])
			answer = append(answer, s.answer(request[7:])...)
			if times--; times >= 0 {
				answer = mangle(answer)
			}
			binary.BigEndian.PutUint16(answer[4:], uint16(len(answer)-6))
			return answer, nil
		}
		in := guesttest.Opening(`{"unitId":7,"timeseries":[{"tag":"a","address":0}]}`, abi.ReasonStart)
		in.Lane, in.Devices = "plc1:502", []abi.Device{{ID: "meter"}}
		if _, err := h.Open(in); err != nil {
			t.Fatal(err)
		}
		if _, got := poll(t, h, "meter"); got != "a=2150" || len(s.requests) != 2 {
			t.Errorf("%s: %s after %d requests", name, got, len(s.requests))
		}
		times = 2
		if _, got := poll(t, h, "meter"); got != "a=2150 is bad 80310000" {
			t.Errorf("%s again and again: %s", name, got)
		}
	}
}
