package main

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// Two versions of the connector take turns while 200 frames come in each
// second. Every frame arrives, once and in order, and the port is opened once.
// `make soak` makes it a thousand turns.
func TestSoakSwapsLoseNothing(t *testing.T) {
	count := 100
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		count = 1000
	}
	port := playing(t, 5*time.Millisecond)
	n := newNode(t)
	versions := [2]string{n.push("serialline"), n.pushBytes(reversioned(t, "serialline", "1.0.1"))}
	frame := n.push("textframe")
	c := n.activate(stationConnector("station", versions[0], frame, port.Port, numberField()))
	for i := range count {
		spec, err := stationConnector("station", versions[(i+1)%2], frame, port.Port, numberField())
		if err != nil {
			t.Fatal(err)
		}
		v, err := n.api.UpdateConnector(t.Context(), c.ID, spec, 0)
		if err != nil {
			t.Fatal(err)
		}
		if v.Runtime.Module != versions[(i+1)%2] || v.Runtime.State != lifecycle.Running {
			t.Fatalf("swap %d: %+v\n%s", i, v.Runtime, n.stderr)
		}
	}
	s := n.until(c.ID, "counting", func(s *lifecycle.Status) bool { return s.Counters.Records > uint64(count) })
	if s.Swaps != uint64(count) || s.Restarts != 0 {
		t.Errorf("%d swaps, %d restarts; want %d and 0", s.Swaps, s.Restarts, count)
	}
	if len(s.Sessions) != 1 || s.Sessions[0].Opens != 1 || s.Sessions[0].Dropped != 0 {
		t.Errorf("sessions %+v: want one port, opened once", s.Sessions)
	}
	until := s.Counters.Records
	history := n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool { return r.Sequence+1 >= until })
	first := number(t, history[0])
	for i, r := range history {
		if r.Kind != "telemetry" || number(t, r) != first+uint64(i) {
			t.Fatalf("record %d is %s; want frame %d", i, r.Raw, first+uint64(i))
		}
	}
	t.Logf("%d swaps, %d frames, none lost", count, len(history))
}

// reversioned is a shipped module with another version in its manifest, and so
// with another digest.
func reversioned(t *testing.T, name, version string) []byte {
	t.Helper()
	wasm := guestBytes(t, name)
	raw, found, err := wasmbin.Section(wasm, abi.ManifestSection)
	if err != nil || !found {
		t.Fatal(err, "no manifest")
	}
	var manifest map[string]any
	if err := json.Unmarshal(raw, &manifest); err != nil {
		t.Fatal(err)
	}
	manifest["version"] = version
	if raw, err = json.Marshal(manifest); err != nil {
		t.Fatal(err)
	}
	if wasm, err = wasmbin.WithSection(wasm, abi.ManifestSection, raw); err != nil {
		t.Fatal(err)
	}
	return wasm
}

// A version that cannot take over leaves the old one at work.
func TestFailedSwapKeepsTheOldVersion(t *testing.T) {
	port := playing(t, 5*time.Millisecond)
	n := newNode(t)
	echo := n.push("echo")
	spec := func(config string) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"name":"echo","module":%q,"config":%s,
			"grants":[{"group":"serial","resources":[%q],"rights":["read","write"]}]}`, echo, config, port.Port))
	}
	c := n.activate(spec(fmt.Sprintf(`{"port":%q}`, port.Port)), nil)
	for _, bad := range []string{"panic", "error"} {
		v, err := n.api.UpdateConnector(t.Context(), c.ID, spec(fmt.Sprintf(`{"port":%q,"on_open":%q}`, port.Port, bad)), 0)
		if err != nil {
			t.Fatal(err)
		}
		if v.Runtime.State != lifecycle.Running || v.Runtime.Reason == "" {
			t.Errorf("on_open %s: %+v; want running, with the reason of the failed swap", bad, v.Runtime)
		}
	}
	before := n.state(c.ID, lifecycle.Running)
	n.until(c.ID, "counting", func(s *lifecycle.Status) bool { return s.Counters.Records > before.Counters.Records+10 })
	if before.Generation != 1 || before.Sessions[0].Opens != 1 {
		t.Errorf("status %+v: want the first guest and its port", before)
	}
}
