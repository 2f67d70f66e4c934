package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// python is an interpreter with pysparkplug, or the test is skipped.
func python(t *testing.T) string {
	t.Helper()
	at := os.Getenv("SNAPRAIL_PYTHON")
	if at == "" {
		at = filepath.Join("..", "..", "bin", "python", "bin", "python3")
	}
	if err := exec.Command(at, "-c", "import pysparkplug").Run(); err != nil {
		t.Skip("no Python with pysparkplug: make test-setup installs it")
	}
	return at
}

// TestPeer holds what the node publishes, and what it takes, against an
// implementation of Sparkplug of another make.
func TestPeer(t *testing.T) {
	at := python(t)
	r := newRig(t, `{"url":"mqtt://b","group":"plant","node":"hall","types":{"i8":"Int8","f":"Float","t":"DateTime"}}`).birth()
	r.deliver(telemetry("m", 1,
		point("b", abi.Bool(true)), point("i", abi.Int(-5)), point("i8", abi.Int(-5)), point("u", abi.Uint(1<<63)), point("d", abi.Double(2.5)),
		point("f", abi.Double(0.5)), point("s", abi.String("grün")), point("raw", abi.Bytes([]byte{1, 255})), point("t", abi.Int(1_700_000_000_000)),
		abi.Point{Name: "none"}))
	r.deliver(telemetry("m", 2, point("i", abi.Int(-6)), point("i8", abi.Int(-128)), point("s", abi.String(""))))
	old := r.part(telemetry("m", 3, point("u", abi.Uint(7))))
	old.Received = 1
	r.MustDeliver(old)
	r.see().deliver(abi.Record{Time: second, Points: []abi.Point{point("load", abi.Double(0.25))}})
	r.deliver(abi.Record{Time: 2 * second, Points: []abi.Point{point("load", abi.Double(0.5))}})

	var in bytes.Buffer
	for _, m := range r.broker.Published() {
		fmt.Fprintf(&in, "{\"topic\":%q,\"payload\":%q}\n", m.Topic, hex.EncodeToString(m.Payload))
	}
	cmd := exec.CommandContext(t.Context(), at, filepath.Join("testdata", "peer.py"))
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	read := peerRead(t, lines[:len(r.broker.Published())])
	for _, want := range []string{
		"NBIRTH 0: bdSeq INT64 0", "NBIRTH 0: Node Control/Rebirth BOOLEAN false",
		"DBIRTH m 1: b BOOLEAN true@1000", "DBIRTH m 1: i INT64 -5@1000", "DBIRTH m 1: i8 INT8 -5@1000", "DBIRTH m 1: u UINT64 9223372036854775808@1000",
		"DBIRTH m 1: d DOUBLE 2.5@1000", "DBIRTH m 1: f FLOAT 0.5@1000", `DBIRTH m 1: s STRING "grün"@1000`, `DBIRTH m 1: raw BYTES "01ff"@1000`,
		"DBIRTH m 1: t DATETIME 1700000000000@1000", "DBIRTH m 1: none DOUBLE null@1000", "DDATA m 2: i INT64 -6@2000", "DDATA m 2: i8 INT8 -128@2000", `DDATA m 2: s STRING ""@2000`,
		"DDATA m 3: u UINT64 !7@3000", "NBIRTH 0: load DOUBLE 0.25@1000", "DBIRTH m 1: u UINT64 7@3000", "NDATA 2: load DOUBLE 0.5@2000",
	} {
		if !slices.ContainsFunc(read, func(s string) bool { return s == want || strings.HasPrefix(s, want+"@") }) {
			t.Errorf("the peer did not read %s", want)
		}
	}
	if t.Failed() {
		t.Logf("it read\n%s", strings.Join(read, "\n"))
	}
	r.commands(lines[len(r.broker.Published()):])
}

// peerRead is what the peer has read, a metric a line.
func peerRead(t *testing.T, lines []string) (read []string) {
	t.Helper()
	for _, line := range lines {
		var m struct {
			Kind, Device string
			Seq          int
			Metrics      [][]json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, x := range m.Metrics {
			var name, kind string
			var historical bool
			var value any
			for i, into := range []any{&name, &kind, &value} {
				if err := json.Unmarshal(x[i], into); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
			}
			mark := ""
			if err := json.Unmarshal(x[4], &historical); err == nil && historical {
				mark = "!"
			}
			raw := string(x[2])
			if s, ok := value.(string); ok {
				raw = `"` + s + `"`
			}
			head := strings.Join(strings.Fields(fmt.Sprint(m.Kind, " ", m.Device, " ", m.Seq)), " ")
			read = append(read, fmt.Sprintf("%s: %s %s %s%s@%s", head, name, kind, mark, raw, x[3]))
		}
	}
	return read
}

// commands hands the peer's commands in.
func (r *rig) commands(lines []string) {
	r.tb.Helper()
	var asked []string
	r.Connectors(func(_ string, m *abi.Message) ([]abi.Reply, error) {
		asked = append(asked, string(m.Body))
		return []abi.Reply{{Status: abi.ReplyEmpty}}, nil
	})
	r.deliver(telemetry("pump", 1, point("speed", abi.Int(1))))
	for _, line := range lines {
		body, err := hex.DecodeString(line)
		if err != nil {
			r.tb.Fatal(err)
		}
		r.MustEvents(r.broker.Event(abi.MQTTMessage{Topic: "spBv1.0/plant/DCMD/hall/pump", Payload: body}))
	}
	want := []string{`{"speed":-7}`, `{"speed":-7}`, `{"speed":1.5}`, `{"speed":"fast"}`, `{"speed":true}`, `{"speed":18446744073709551615}`}
	if !slices.Equal(asked, want) {
		r.tb.Errorf("the peer's commands ask %q", asked)
	}
}
