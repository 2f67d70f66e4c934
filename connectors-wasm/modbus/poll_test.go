package main

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

func TestPollReadsInFewRequests(t *testing.T) {
	h, ports, _ := opened(t, `{}`, abi.Device{ID: "meter", Config: []byte(meterConfig)})
	s := meter()
	ports.Answer = serve(s)
	_, got := poll(t, h, "meter")
	want := "running=true switches=5 volts=215V celsius=-10 energy=100000 flow=23 alarm=true @model=Hello far=42"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if r := strings.Join(s.requests, " "); r != "0100030001 0200030004 030000000a 0300640001" {
		t.Errorf("asked %s", r)
	}
	if _, again := poll(t, h, "meter"); strings.Contains(again, "flow") || !strings.Contains(again, "volts") {
		t.Errorf("what has not changed was told: %s", again)
	}
}

// A device that has nothing between two items is read item by item.
func TestPollSplitsWhatIsRefused(t *testing.T) {
	h, ports, lines := opened(t, `{"timeseries":[{"tag":"a","address":0},{"tag":"b","address":3},{"tag":"none","address":5}]}`, abi.Device{ID: "d", Config: []byte(`{"unitId":7}`)})
	s := meter()
	s.holding = map[int]uint16{0: 1, 3: 2}
	ports.Answer = serve(s)
	for _, want := range []string{"a=1 b=2 none=[] is bad 808b0000", "a=1 b=2"} {
		if _, got := poll(t, h, "d"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if r := strings.Join(s.requests, " "); r != "0300000006 0300000001 0300030001 0300050001 0300000001 0300030001 0300050001" {
		t.Errorf("asked %s", r)
	}
	if len(*lines) != 1 || !strings.Contains((*lines)[0].Text, "holding registers 5: the device refused function 3 with exception 2 (illegal data address") {
		t.Errorf("log %+v", *lines)
	}
}
