package control

import (
	"slices"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestServerConfigIsRead: sources once each and without blanks, and the port of
// the probe, which is 8000 unless the file says otherwise.
func TestServerConfigIsRead(t *testing.T) {
	const head = "targetServer=https://rail.example/\nauthToken=x\n"
	for _, tt := range []struct {
		text    string
		sources []string
		port    int
	}{
		{"sources=press\n", []string{"press"}, 8000},
		{"sources= press , oven,,press\ntcpProbePort=9100\n", []string{"press", "oven"}, 9100},
	} {
		f, err := readServerConfig([]byte(head + tt.text))
		if err != nil || !slices.Equal(f.sources, tt.sources) || f.port != tt.port {
			t.Errorf("%q: %v on %d, %v", tt.text, f.sources, f.port, err)
		}
		rows, err := f.rows("press")
		if err != nil || len(rows) != 3 {
			t.Errorf("%q: rows %+v, %v", tt.text, rows, err)
		}
	}
	for _, wrong := range []string{"sources=press\ntcpProbePort=80\n", "sources=press\ntcpProbePort=x\n", "sources=,\n", ""} {
		if f, err := readServerConfig([]byte(head + wrong)); !fault.Is(err, fault.ConfigInvalid) {
			t.Errorf("%q: %+v, %v", wrong, f, err)
		}
	}
}
