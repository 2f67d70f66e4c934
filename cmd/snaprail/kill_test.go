package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

const kills = 20

// The server is killed in the middle of its work, again and again, while a
// station that cannot repeat itself goes on. What was seen on the stream is in
// the history, once, under the same key; what is missing is missing between
// two runs only, and a gap record stands there.
func TestKillLosesNothingThatWasSeen(t *testing.T) {
	port := playing(t, 5*time.Millisecond)
	n := newNode(t)
	c := n.activate(stationConnector("station", n.push("serialline"), n.push("textframe"), port.Port, numberField()))
	seen := map[string]uint64{}
	from := "start"
	for range kills {
		stop := n.collect(client.StreamOptions{From: from, Connector: c.ID})
		n.until(c.ID, "counting", func(s *lifecycle.Status) bool { return s.Counters.Records > 5 })
		n.wait(rand.N(150 * time.Millisecond))
		n.kill()
		for _, r := range stop() {
			if from = r.Position; r.Kind == "telemetry" {
				seen[r.Key] = number(t, r)
			}
		}
		n.start()
	}
	if len(seen) < kills {
		t.Fatalf("only %d records were seen", len(seen))
	}
	n.until(c.ID, "counting", func(s *lifecycle.Status) bool { return s.Counters.Records > 5 })
	history := n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
		return r.Epoch == kills+1 && r.Sequence == 5
	})
	checkHistory(t, history, seen)
}

// checkHistory holds a history with numbered frames against what was seen.
func checkHistory(t *testing.T, history []client.Record, seen map[string]uint64) {
	t.Helper()
	keys := map[string]bool{}
	var last, epoch, missing uint64
	gap := false
	for _, r := range history {
		if keys[r.Key] {
			t.Errorf("key %s stands in the history twice", r.Key)
		}
		keys[r.Key] = true
		if r.Kind == "gap" {
			gap = true
			continue
		}
		num := number(t, r)
		if want, ok := seen[r.Key]; ok && want != num {
			t.Errorf("key %s was frame %d, and is frame %d now", r.Key, want, num)
		}
		switch {
		case num <= last:
			t.Errorf("frame %d behind frame %d", num, last)
		case r.Epoch == epoch && num != last+1:
			t.Errorf("frames %d to %d are missing within a run", last+1, num-1)
		case r.Epoch != epoch && epoch != 0 && !gap:
			t.Errorf("no gap record between the runs %d and %d", epoch, r.Epoch)
		}
		if last != 0 {
			missing += num - last - 1
		}
		if r.Epoch != epoch {
			epoch, gap = r.Epoch, false
		}
		last = num
	}
	for key, num := range seen {
		if !keys[key] {
			t.Errorf("frame %d, seen under key %s, is not in the history", num, key)
		}
	}
	t.Logf("%d records seen before kills, %d in the history, %d frames missing in gaps", len(seen), len(history), missing)
}

// With a source that can be read again, nothing is missing at all.
func TestKillLosesNothingOfAReplayableSource(t *testing.T) {
	const lines = 20_000
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "source.txt")
	var text bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&text, "line %06d\n", i)
	}
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(t)
	c := n.activate(json.Marshal(map[string]any{
		"name": "file", "module": n.push("filetail"), "config": map[string]any{"path": path},
		"grants": []any{map[string]any{"group": "file", "resources": []string{path}}},
	}))
	for range kills {
		n.wait(rand.N(30 * time.Millisecond))
		n.kill()
		n.start()
	}
	n.state(c.ID, lifecycle.Running)
	history := n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
		return bytes.Contains(r.Payload, fmt.Appendf(nil, "line %06d", lines-1))
	})
	history = slices.DeleteFunc(history, func(r client.Record) bool { return r.Kind == "gap" })
	if len(history) != lines {
		t.Errorf("%d records, want %d", len(history), lines)
	}
	for i, r := range history {
		if want := fmt.Sprintf(`"line %06d\n"`, i); string(r.Payload) != want {
			t.Fatalf("record %d is %s, want %s", i, r.Payload, want)
		}
	}
}

// A restart brings all connectors back as they were, and the first record
// comes soon.
func TestRestartBringsConnectorsBack(t *testing.T) {
	port := playing(t, 5*time.Millisecond)
	n := newNode(t)
	c := n.activate(stationConnector("station", n.push("serialline"), n.push("textframe"), port.Port, numberField()))
	draft, err := n.api.CreateConnector(t.Context(), json.RawMessage(fmt.Sprintf(`{"name":"idle","module":%q}`, n.push("ticker"))))
	if err != nil {
		t.Fatal(err)
	}
	n.until(c.ID, "counting", func(s *lifecycle.Status) bool { return s.Counters.Records > 5 })
	var times []time.Duration
	for range 5 {
		n.stop()
		began := time.Now()
		n.start()
		epoch := n.until(c.ID, "counting", func(s *lifecycle.Status) bool { return s.Counters.Records > 0 }).Epoch
		times = append(times, time.Since(began))
		if epoch < 2 {
			t.Errorf("epoch %d after a restart", epoch)
		}
	}
	if slices.Sort(times); times[2] > 2*time.Second {
		t.Errorf("start to first record: %v, want at most 2 s in the middle", times)
	}
	t.Logf("start to first record: %v", times)
	back, err := n.api.Connector(t.Context(), draft.ID)
	if err != nil || back.Enabled() || back.Runtime.State != lifecycle.Draft {
		t.Errorf("the draft came back as %+v, %v", back, err)
	}
	history := n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool { return r.Epoch == 6 })
	if i := slices.IndexFunc(history, func(r client.Record) bool { return r.Kind == "gap" }); i >= 0 {
		t.Errorf("an orderly stop left a gap record: %s", history[i].Raw)
	}
}
