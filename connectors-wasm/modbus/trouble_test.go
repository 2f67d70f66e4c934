package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// What was told on change is told again after it was not known for a while.
func TestValuesAreToldAgainAfterSilence(t *testing.T) {
	h, ports, lines := opened(t, `{"sendDataOnlyOnChange":true,"timeseries":[{"tag":"a","address":0}]}`, abi.Device{ID: "d", Config: []byte(`{"unitId":7}`)})
	s := meter()
	ports.Answer = serve(s)
	var told []string
	for _, mangle := range []func([]byte) []byte{nil, nil, func([]byte) []byte { return nil }, nil, nil} {
		s.mangle = mangle
		_, got := poll(t, h, "d")
		told = append(told, got)
	}
	if got := strings.Join(told, ", "); got != "a=2150, , a=2150 is bad 80310000, a=2150, " {
		t.Errorf("told %s", got)
	}
	if len(*lines) != 2 || !strings.Contains((*lines)[1].Text, "answered again") {
		t.Errorf("log %+v", *lines)
	}
}

// Damaged answers are asked for again, and told once; silent devices are left
// alone for a while.
func TestPollSurvivesNoiseAndSilence(t *testing.T) {
	h, ports, lines := opened(t, `{"timeseries":[{"tag":"a","address":0}]}`,
		abi.Device{ID: "d", Config: []byte(`{"unitId":7}`)}, abi.Device{ID: "gone", Config: []byte(`{"unitId":9}`)})
	s := meter()
	for name, mangle := range map[string]func([]byte) []byte{
		"a flipped bit":  func(b []byte) []byte { b[3] ^= 1; return b },
		"cut off":        func(b []byte) []byte { return b[:4] },
		"of another":     func([]byte) []byte { return framed(8, 3, 2, 0, 1) },
		"other function": func([]byte) []byte { return framed(7, 4, 2, 0, 1) },
		"other length":   func([]byte) []byte { return framed(7, 3, 4, 0, 1, 0, 2) },
		"silence":        func([]byte) []byte { return nil },
	} {
		asked := len(s.requests)
		once := true
		s.mangle = func(b []byte) []byte {
			if once {
				once = false
				return mangle(b)
			}
			return b
		}
		ports.Answer = serve(s)
		_, got := poll(t, h, "d")
		if n := len(s.requests) - asked; got != "a=2150" || n != 2 {
			t.Errorf("%s: %s after %d requests", name, got, n)
		}
	}
	s.mangle = nil
	*lines = nil
	for i := range 4 {
		out, got := poll(t, h, "gone")
		if want := map[int]string{0: "a=[] is bad 80310000"}[i]; got != want || i > 0 && out.NextPollMS < 4000 {
			t.Errorf("silent device: %s, next after %d ms", got, out.NextPollMS)
		}
	}
	if len(*lines) != 1 || !strings.Contains((*lines)[0].Text, "device gone: holding registers 0: ") {
		t.Errorf("log %+v", *lines)
	}
	if _, got := poll(t, h, "d"); got != "a=2150" {
		t.Errorf("the other one: %s", got)
	}
	ports.Answer = func(string, []byte) ([]byte, error) {
		return nil, &abi.Error{Kind: abi.FaultUnavailable, Code: "resource_unavailable", Text: "away"}
	}
	for range 3 {
		if out, _ := poll(t, h, "d"); out.NextPollMS != 0 {
			t.Errorf("without a port the next poll is after %d ms", out.NextPollMS)
		}
	}
}

// What was not granted is told once as bad, and then the polls fail, so that the
// connector shows it; a device that is only silent fails no poll.
func TestPollsFailWithoutAGrant(t *testing.T) {
	h, ports, _ := opened(t, `{"timeseries":[{"tag":"a","address":0},{"tag":"b","address":100}]}`, abi.Device{ID: "d", Config: []byte(`{"unitId":7}`)})
	ports.Answer = func(string, []byte) ([]byte, error) {
		return nil, &abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "no grant covers it with the right to write"}
	}
	said := ""
	for range 2 { // each read once
		_, got := poll(t, h, "d")
		said += got + " "
	}
	if !strings.Contains(said, "a=[] is bad 80310000") || !strings.Contains(said, "b=[] is bad 80310000") {
		t.Errorf("told %s", said)
	}
	for range 3 {
		if _, err := h.PollDevice("d", nil); err == nil || !strings.Contains(err.Error(), "right to write") {
			t.Errorf("a poll without a grant: %v", err)
		}
	}
	ports.Answer = serve(meter())
	if _, got := poll(t, h, "d"); !strings.Contains(got, "a=2150") || !strings.Contains(got, "b=42") {
		t.Errorf("with the grant: %s", got)
	}
}

// Where no device of an endpoint works, the polls fail with the reason, always the
// same one, once the values were told to be bad; one that works is enough.
func TestPollsFailWhereNoDeviceWorks(t *testing.T) {
	config := `{"timeseries":[{"tag":"a","address":0},{"tag":"b","address":900}]}`
	h, ports, _ := opened(t, config, abi.Device{ID: "refuses", Config: []byte(`{"unitId":7}`)},
		abi.Device{ID: "silent", Config: []byte(`{"unitId":9}`)}, abi.Device{ID: "wrong", Config: []byte(`{"profile":"none"}`)})
	s := meter()
	s.holding = map[int]uint16{}
	ports.Answer = serve(s)
	for _, id := range []string{"refuses", "silent", "silent", "wrong"} { // what is not known is told first, read by read
		if out, got := poll(t, h, id); len(out.Batch.Records) == 0 {
			t.Errorf("%s: told %q", id, got)
		}
	}
	for _, id := range []string{"silent", "refuses", "wrong", "silent"} {
		_, err := h.PollDevice(id, nil)
		if err == nil || !strings.Contains(err.Error(), "none of the 3 devices works; device refuses: holding registers 0: the device refused function 3 with exception 2") {
			t.Errorf("%s: %v", id, err)
		}
	}
	s.holding[900] = 1
	if _, got := poll(t, h, "refuses"); got != "b=1" {
		t.Errorf("one that works in part: %s", got)
	}
	if _, err := h.PollDevice("silent", nil); err != nil {
		t.Errorf("beside one that works: %v", err)
	}
}

// A lane with one device that is silent says so, and leaves it alone for longer and longer.
func TestASilentDeviceIsTheLanesTrouble(t *testing.T) {
	h, ports, _ := opened(t, `{"timeseries":[{"tag":"a","address":0}]}`, abi.Device{ID: "gone", Config: []byte(`{"unitId":9}`)})
	ports.Answer = serve(meter())
	poll(t, h, "gone")
	var waits []uint64
	for range 3 {
		_, err := h.PollDevice("gone", nil)
		said, ok := errors.AsType[*abi.Error](err)
		if !ok || said.Code != "timeout" || !strings.HasPrefix(said.Text, "device gone: holding registers 0: ") {
			t.Fatalf("%v", err)
		}
		waits = append(waits, said.RetryAfterMS)
	}
	if fmt.Sprint(waits) != "[4000 8000 16000]" {
		t.Errorf("waits %v", waits)
	}
}
