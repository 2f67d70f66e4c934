package supervisor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// A device that the store could not keep is refused before the log has it: the
// connector says why, can be stopped, and the node starts again.
func TestWhatTheStoreRefusesNeverReachesTheLog(t *testing.T) {
	r := newRig(t)
	v, err := r.tenant.CreateConnector(t.Context(), control.ConnectorInput{
		Name: "echo", Module: r.module("echo"), Config: config(t, map[string]any{"device": strings.Repeat("d", 600)}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, err = r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	st := r.until(v.ID, "held back with a reason", func(s lifecycle.Status) bool { return s.Code == fault.TooLarge.String() })
	if !strings.Contains(st.Reason, "device") {
		t.Errorf("reason %q", st.Reason)
	}
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
	if head := r.head(); head != 0 {
		t.Errorf("the log holds %d blocks", head)
	}
	r.stop()
	r.start()
}

func (r *rig) head() uint64 { return r.service.Stats().Outbox["plant"].Head }

// A converter that makes more of a batch than one batch may hold fills several,
// in one block.
func TestConverterMayExpandABatch(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.echoOn(l, map[string]any{"on": map[string]string{"00": "wasi_sleep 300ms"}})
	in.Converter = &spec.Converter{Module: r.module("textframe"), Config: config(t, map[string]any{"fields": []any{
		map[string]any{"name": "one", "from": 0, "to": 1, "type": "int"},
		map[string]any{"name": "two", "from": 1, "to": 2, "type": "int", "kind": "attribute"},
	}})}
	v := r.connect(in)
	s := r.stream("")
	l.send(t, "00\n") // holds the lane while a backlog grows
	for range 4 {
		l.send(t, strings.Repeat("12\n", 60))
	}
	kinds := map[string]int{}
	for i := range 2 * 241 {
		rec := s.next()
		if rec.Sequence != uint64(i) {
			t.Fatalf("record %d has the sequence %d", i, rec.Sequence)
		}
		kinds[rec.Kind]++
	}
	if kinds["telemetry"] != 241 || kinds["attributes"] != 241 {
		t.Errorf("records %v", kinds)
	}
	if st := r.state(v.ID, lifecycle.Running); st.Counters.Quarantined != 0 || st.Counters.Traps != 0 {
		t.Errorf("counters %+v", st.Counters)
	}
}

// A guest in run mode that does not return for a swap is killed, and everything
// goes on: the new version starts, and a stop ends.
func TestSwapOfAGuestThatDoesNotReturn(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "ticker", Module: r.module("ticker"), Config: config(t, map[string]any{"interval_ms": 5, "ignore_stop": true})}
	v := r.connect(in)
	in.Config = config(t, map[string]any{"interval_ms": 6})
	v, err := r.tenant.UpdateConnector(t.Context(), v.ID, in, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.until(v.ID, "running the new revision", func(s lifecycle.Status) bool {
		return s.State == lifecycle.Running && s.Revision == v.Revision
	})
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
}

// A run-mode guest hands its place over: no count is missing or comes twice.
func TestSwapInRunModeGoesOnFromTheCursor(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "ticker", Module: r.module("ticker")}
	in.Config = config(t, map[string]any{"interval_ms": 2})
	v := r.connect(in)
	s := r.stream("")
	next := int64(1)
	for swap := range 5 {
		for range 10 {
			if n := s.next().Points[0].Value.Int(); n != next {
				t.Fatalf("count %d, want %d", n, next)
			}
			next++
		}
		in.Config = config(t, map[string]any{"interval_ms": 3 + swap})
		if _, err := r.tenant.UpdateConnector(t.Context(), v.ID, in, 0); err != nil {
			t.Fatal(err)
		}
	}
	if st := r.state(v.ID, lifecycle.Running); st.Swaps != 5 || st.Restarts != 0 {
		t.Errorf("%d swaps, %d restarts", st.Swaps, st.Restarts)
	}
}

// busy is an echo connector whose guest is in a long call.
func (r *rig) busy(l *line) control.ConnectorView {
	r.t.Helper()
	in := r.echoOn(l, map[string]any{"on": map[string]string{"z": "wasi_sleep 50s"}})
	in.Limits.CallTimeout = spec.Duration(time.Minute)
	v := r.connect(in)
	l.send(r.t, "z\n")
	r.until(v.ID, "busy", func(s lifecycle.Status) bool { return len(s.Sessions) == 1 && s.Sessions[0].Buffered == 1 })
	return v
}

// A swap that waits for a busy guest is called off by a delete, which stops the
// guest and leaves nothing.
func TestDeleteCallsOffAWaitingSwap(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.busy(l)
	if _, err := r.tenant.UpdateConnector(t.Context(), v.ID, r.echoOn(l, nil), 0); err != nil {
		t.Fatal(err)
	}
	// The caller does not wait for as long as the guest may take to stop.
	short, cancel := context.WithCancel(t.Context())
	defer cancel()
	deleted := make(chan error, 1)
	go func() { deleted <- r.tenant.DeleteConnector(short, v.ID, 0) }()
	for deadline := time.Now().Add(patience); ; r.tick() {
		if _, err := r.tenant.Connector(t.Context(), v.ID); fault.Is(err, fault.NotFound) {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("it is not deleted: %v", err)
		}
	}
	cancel()
	if err := <-deleted; !fault.Is(err, fault.Timeout) {
		t.Fatalf("delete: %v", err)
	}
	for deadline := time.Now().Add(patience); len(r.service.Stats().Connectors) > 0; r.tick() {
		if time.Now().After(deadline) {
			t.Fatalf("a deleted connector still runs: %+v", r.service.Stats().Connectors)
		}
	}
	in := r.echoOn(l, nil)
	r.connect(in) // name and port are free
}

// A swap that fails when it commits what open asked for leaves the old version
// whole, with the converter that it had.
func TestSwapThatFailsLateRestoresTheVersion(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, nil))
	in := r.echoOn(l, map[string]any{"on_open": "gap"}) // an outcome that is refused
	in.Converter = &spec.Converter{Module: r.module("textframe"), Config: config(t, map[string]any{
		"fields": []any{map[string]any{"name": "n", "from": 0, "to": 1, "type": "int"}},
	})}
	v, err := r.tenant.UpdateConnector(t.Context(), v.ID, in, 0)
	if err != nil {
		t.Fatal(err)
	}
	if v.Runtime.State != lifecycle.Running || !strings.Contains(v.Runtime.Reason, "could not take over") {
		t.Errorf("status %+v", v.Runtime)
	}
	s := r.stream("")
	l.send(t, "raw\n")
	if rec := s.next(); string(rec.Payload) != "raw\n" {
		t.Errorf("record %+v: want it unconverted, as the version that runs says", rec)
	}
	if st := r.state(v.ID, lifecycle.Running); st.Restarts != 0 || st.Revision != 2 {
		t.Errorf("status %+v", st)
	}
}

// A reason in any script and of any length is kept, cut at a character.
func TestLongReasonsAreCutAtACharacter(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"always": "error"}))
	l.send(t, "x"+strings.Repeat("é", 400)+"\n")
	st := r.until(v.ID, "quarantined", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 1 })
	if st.Restarts != 0 {
		t.Errorf("status %+v", st)
	}
}

// A stop loses nothing that a session had read: it is worked off first.
func TestStopWorksOffWhatWasRead(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"on": map[string]string{"a": "wasi_sleep 300ms"}}))
	s := r.stream("")
	l.send(t, "a\n")
	r.until(v.ID, "busy", func(s lifecycle.Status) bool { return s.Sessions[0].Buffered == 1 })
	l.send(t, "b\nc\nd\n")
	r.until(v.ID, "behind", func(s lifecycle.Status) bool { return s.Sessions[0].Buffered == 4 })
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
	if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	l.send(t, "e\n")
	for _, want := range []string{"a\n", "b\n", "c\n", "d\n", "e\n"} {
		if rec := s.next(); string(rec.Payload) != want || rec.Kind == "gap" {
			t.Fatalf("record %s %q, want %q", rec.Kind, rec.Payload, want)
		}
	}
}

// The state tells of a session that is down, also after a swap.
func TestSwapWhileThePortIsAwayStaysDegraded(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, nil))
	_ = l.near.Close()
	r.state(v.ID, lifecycle.Degraded)
	v, err := r.tenant.UpdateConnector(t.Context(), v.ID, r.echoOn(l, map[string]any{"every_ms": 100_000}), 0)
	if err != nil {
		t.Fatal(err)
	}
	r.until(v.ID, "swapped", func(s lifecycle.Status) bool { return s.Swaps == 1 })
	if st := r.state(v.ID, lifecycle.Degraded); st.Reason == "" {
		t.Errorf("status %+v", st)
	}
}

// What a module writes is bounded, counted, and does not push the host's own
// lines out of the log.
func TestLogFloodIsBounded(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"on": map[string]string{"z": "stderr hello"}}))
	for range 20 {
		l.send(t, strings.Repeat("z\n", 200))
	}
	st := r.until(v.ID, "through", func(s lifecycle.Status) bool { return s.Counters.Events == 4000 })
	if c := st.Counters; c.LogLines > 3500 || c.LogDropped == 0 || c.LogLines+c.LogDropped != 4000 {
		t.Errorf("%d lines, %d dropped", c.LogLines, c.LogDropped)
	}
}

// A reason goes with the mistake that it told of: putting the good spec back
// changes nothing for the guest and clears the status.
func TestReasonGoesWithTheMistake(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	good := r.echoOn(l, nil)
	v := r.connect(good)
	bad, err := r.tenant.UpdateConnector(t.Context(), v.ID, r.echoOn(l, map[string]any{"on_open": "error"}), 0)
	if err != nil || bad.Runtime.Reason == "" {
		t.Fatalf("status %+v, %v", bad.Runtime, err)
	}
	back, err := r.tenant.UpdateConnector(t.Context(), v.ID, good, 0)
	if err != nil {
		t.Fatal(err)
	}
	if s := back.Runtime; s.Reason != "" || s.State != lifecycle.Running || s.Revision != back.Revision || s.Generation != 1 {
		t.Errorf("status %+v, want running at revision %d without a reason", s, back.Revision)
	}
}

// What was rejected is shown in the log with its reason, and a reader with a
// place of a server before this one starts at the oldest line.
func TestLogShowsRejectsToAnyReader(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, map[string]any{"on": map[string]string{"bad": "reject"}}))
	l.send(t, "bad\n")
	r.until(v.ID, "quarantined", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 1 })
	logs, err := r.tenant.Logs(t.Context(), v.ID, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		line, err := logs.Next(ctx)
		if err != nil {
			t.Fatal("the reject is not in the log:", err)
		}
		if line.Target == "quarantine" && strings.Contains(line.Text, "told to reject") && strings.Contains(line.Text, `"bad\n"`) {
			return
		}
	}
}
