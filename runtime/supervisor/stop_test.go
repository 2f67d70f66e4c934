package supervisor_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// sleeping is an echo that sleeps on the frame "sleep", and says when it does.
func (r *rig) sleeping(l *line, d time.Duration) control.ConnectorInput {
	in := r.echoOn(l, map[string]any{"always": "log begun", "on": map[string]string{"sleep": fmt.Sprintf("sleep %s", d)}})
	in.Limits.CallTimeout = spec.Duration(time.Minute)
	return in
}

// stopping stops the node and tells how long that took.
func (r *rig) stopping(patience time.Duration) time.Duration {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	began := time.Now()
	for range 2 { // the second does nothing
		if err := r.super.Stop(ctx); err != nil {
			r.t.Error(err)
		}
	}
	took := time.Since(began)
	r.stop()
	return took
}

// A stop lets the step that runs finish: its record is there, and no gap.
func TestStopLetsAStepFinish(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.sleeping(l, 300*time.Millisecond))
	l.send(t, "sleep\n")
	r.logged(v.ID, "begun")
	if took := r.stopping(20 * time.Second); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
	r.start()
	s := r.stream("")
	if rec := s.next(); string(rec.Payload) != "sleep\n" || rec.Epoch != 1 {
		t.Errorf("record %+v", rec)
	}
	l.send(t, "next\n")
	if rec := s.next(); string(rec.Payload) != "next\n" || rec.Epoch != 2 {
		t.Errorf("record %+v: want no gap behind an orderly stop", rec)
	}
}

// A stop whose time is over ends what still runs, at once; what was cut off is
// a gap.
func TestStopThatCannotWait(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.sleeping(l, 50*time.Second))
	l.send(t, "sleep\n")
	r.logged(v.ID, "begun")
	if took := r.stopping(100 * time.Millisecond); took > 5*time.Second {
		t.Errorf("the stop took %s", took)
	}
	r.start()
	if rec := r.stream("").next(); rec.Kind != "gap" {
		t.Errorf("record %+v, want a gap", rec)
	}
}

// A guest in run mode that does not heed the stop is ended after a while.
func TestStopOfAGuestThatDoesNotListen(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{
		Name: "ticker", Module: r.module("ticker"), Config: config(t, map[string]any{"interval_ms": 5, "ignore_stop": true}),
	})
	r.until(v.ID, "counting", func(s lifecycle.Status) bool { return s.Counters.Records > 3 })
	if took := r.stopping(20 * time.Second); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
}

// A guest hears why it is closed; one that trapped is dead and hears nothing,
// and what it held is closed all the same.
func TestGuestIsToldWhyItIsClosed(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.echoOn(l, nil))
	r.update(v.ID, r.echoOn(l, map[string]any{"on": map[string]string{"bad": "panic"}}))
	r.logged(v.ID, "closed: swap")
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.logged(v.ID, "closed: requested")
	if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	l.send(t, "bad\n")
	r.state(v.ID, lifecycle.CrashLoop)
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
	logs, err := r.tenant.Logs(t.Context(), v.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	var closed []string
	for logs.Pending() {
		if line, err := logs.Next(t.Context()); err != nil {
			t.Fatal(err)
		} else if strings.HasPrefix(line.Text, "closed: ") && line.Source == "guest" {
			closed = append(closed, line.Text)
		}
	}
	// Each activation behind a change is preceded by a test, with a guest of its own.
	if want := []string{"closed: test", "closed: swap", "closed: requested", "closed: test"}; !slices.Equal(closed, want) {
		t.Errorf("the guests were told %q, want %q", closed, want)
	}
	other := r.echoOn(l, nil)
	other.Name = "other"
	r.connect(other) // the port is free
}

// A guest that is long in a call holds up nobody but its own connector.
func TestConnectorsDoNotWaitForEachOther(t *testing.T) {
	r := newRig(t)
	a, b := newLine(t), newLine(t)
	v := r.connect(r.sleeping(a, 50*time.Second))
	other := r.echoOn(b, nil)
	other.Name = "other"
	r.connect(other)
	a.send(t, "sleep\n")
	r.logged(v.ID, "begun")
	s := r.stream("")
	for i := range 20 {
		b.send(t, fmt.Sprintf("%d\n", i))
		s.wants(fmt.Sprintf("%d\n", i))
	}
	if st := r.state(v.ID, lifecycle.Running); st.Counters.Records != 0 {
		t.Errorf("status %+v: the other was to sleep", st)
	}
	r.stopping(50 * time.Millisecond)
}

// disk is one whose free space the test decides.
type disk struct{ free atomic.Int64 }

func (d *disk) fill() { d.free.Store(0) }

func (d *disk) clear() { d.free.Store(math.MaxInt64) }

func newFullableRig(t *testing.T) (*rig, *disk) {
	t.Helper()
	d := &disk{}
	d.clear()
	return newRig(t, func(r *rig) {
		r.outbox.Free = func(string) (int64, error) { return d.free.Load(), nil }
	}), d
}

// While the disk is full the connector is paused and its line waits; then
// everything comes, in order.
func TestFullDiskPausesAndLosesNothing(t *testing.T) {
	r, d := newFullableRig(t)
	l := newLine(t)
	v, s := r.connect(r.echoOn(l, nil)), r.stream("")
	l.send(t, "before\n")
	s.wants("before\n")
	d.fill()
	var want []string
	for i := range 500 {
		want = append(want, fmt.Sprintf("%03d\n", i))
	}
	l.send(t, strings.Join(want, ""))
	st := r.state(v.ID, lifecycle.Paused)
	if st.Code != fault.DiskFull.String() || st.Reason == "" || st.Counters.Records != 1 {
		t.Errorf("status %+v", st)
	}
	r.until(v.ID, "buffering", func(s lifecycle.Status) bool { return s.Sessions[0].Buffered == len(want) })
	d.clear()
	s.wants(want...)
	st = r.until(v.ID, "running, with all acknowledged", func(s lifecycle.Status) bool {
		return s.State == lifecycle.Running && s.Sessions[0].Buffered == 0
	})
	if st.Reason != "" || st.Code != "" || st.Restarts != 0 || st.Counters.Gaps != 0 || st.Sessions[0].Opens != 1 {
		t.Errorf("status %+v", st)
	}
}

// A stop does not wait for space, neither in a step nor at a start; what was
// held is a gap.
func TestStopWhileTheDiskIsFull(t *testing.T) {
	r, d := newFullableRig(t)
	l := newLine(t)
	v, s := r.connect(r.echoOn(l, nil)), r.stream("")
	l.send(t, "before\n")
	s.wants("before\n")
	d.fill()
	l.send(t, "held\n")
	r.state(v.ID, lifecycle.Paused)
	if took := r.stopping(20 * time.Second); took > 3*time.Second {
		t.Errorf("the stop took %s", took)
	}
	r.start() // still full: the gap cannot be written
	r.until(v.ID, "held", func(s lifecycle.Status) bool {
		return s.Code == fault.DiskFull.String() || s.State == lifecycle.Running
	})
	if took := r.stopping(20 * time.Second); took > 3*time.Second {
		t.Errorf("the stop at a start took %s", took)
	}
	d.clear()
	r.start()
	r.state(v.ID, lifecycle.Running)
	s = r.stream("")
	s.wants("before\n")
	if rec := s.next(); rec.Kind != "gap" {
		t.Errorf("record %+v, want a gap", rec)
	}
	l.send(t, "after\n")
	s.wants("after\n")
}

// Two tenants have connectors, devices and records of the same names, and see
// their own.
func TestTenantsAreApart(t *testing.T) {
	r := newRig(t)
	plant := r.tenant
	if err := r.super.AddTenant(t.Context(), "works"); err != nil {
		t.Fatal(err)
	}
	works := r.as("works")
	type side struct {
		tenant *control.Tenant
		line   *line
		v      control.ConnectorView
		s      *records
	}
	sides := map[string]*side{"plant": {tenant: plant}, "works": {tenant: works}}
	for name, x := range sides {
		r.tenant, x.line = x.tenant, newLine(t)
		x.v, x.s = r.connect(r.echoOn(x.line, map[string]any{"kv": "n", "on": map[string]string{"bad": "reject"}})), r.stream("")
		x.line.send(t, "bad\nof "+name+"\n")
	}
	for name, x := range sides {
		r.tenant = x.tenant
		rec := x.s.next()
		for len(rec.Payload) == 0 {
			rec = x.s.next()
		}
		if string(rec.Payload) != "of "+name+"\n" || rec.Connector != x.v.ID {
			t.Errorf("%s: record %+v", name, rec)
		}
		list, _, err := x.tenant.Connectors(t.Context(), control.ConnectorFilter{}, control.Page{})
		if err != nil || len(list) != 1 || list[0].ID != x.v.ID || list[0].Name != "echo" {
			t.Errorf("%s: connectors %+v, %v", name, list, err)
		}
		devices, _, err := x.tenant.Devices(t.Context(), "", control.Page{})
		if err != nil || len(devices) != 1 || devices[0].Connector != x.v.ID {
			t.Errorf("%s: devices %+v, %v", name, devices, err)
		}
		if rejects := r.rejects(name); len(rejects) != 1 {
			t.Errorf("%s: rejects %+v", name, rejects)
		}
	}
	if _, err := plant.Connector(t.Context(), sides["works"].v.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("one tenant finds the other's connector: %v", err)
	}
	// One tenant's stop and delete are not the other's.
	if err := plant.DeleteConnector(t.Context(), "echo", 0); err != nil {
		t.Fatal(err)
	}
	x := sides["works"]
	r.tenant = x.tenant
	x.line.send(t, "still here\n")
	x.s.wants("still here\n")
	r.stop()
	r.start()
	r.tenant = r.as("works")
	r.state(x.v.ID, lifecycle.Running)
}

// A stop does not wait for ever for a disk that hangs: it gives up its outbox, says so,
// and leaves it as a crash would. Other tenants' are closed in order.
func TestStopGivesUpADiskThatHangs(t *testing.T) {
	g := &gate{}
	r := newRig(t, func(r *rig) {
		r.outbox.Free = func(dir string) (int64, error) {
			if strings.HasSuffix(dir, "plant") {
				return g.free(dir)
			}
			return math.MaxInt64, nil
		}
	})
	if err := r.super.AddTenant(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	l := newLine(t)
	v, s := r.connect(r.echoOn(l, nil)), r.stream("")
	l.send(t, "first\n")
	s.wants("first\n")
	g.flood(r, l, v.ID, countedFrames(700))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- r.super.Stop(ctx) }()
	select {
	case err := <-stopped:
		if !fault.Is(err, fault.LogFailed) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "plant was given up") {
			t.Errorf("stopped with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the stop waits for the disk")
	}
	g.open()
	r.stop() // the rest of the node
	eventually(t, "its files are let go", func() bool {
		log, err := outbox.Open(filepath.Join(r.dir, "outbox", "plant"), outbox.Config{})
		return err == nil && log.Close() == nil
	})
	r.start()
	s = r.stream("")
	s.wants("first\n")
	if rec := s.next(); string(rec.Payload) != "ahead\n" { // its write may have ended or not
		for rec.Kind != "gap" {
			rec = s.next()
		}
	}
	l.send(t, "after\n")
	r.until(v.ID, "at work", func(s lifecycle.Status) bool { return s.State == lifecycle.Running && s.Counters.Records > 0 })
}
