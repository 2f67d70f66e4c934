package supervisor_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// counting is an echo that keeps the number of its frames.
func (r *rig) counting(l *line) control.ConnectorInput {
	return r.echoOn(l, map[string]any{"kv": "frames", "cursor": true, "every_ms": 3_600_000})
}

// count is the next number of frames that the stream shows.
func (s *records) count() int64 {
	s.t.Helper()
	for {
		if rec := s.next(); len(rec.Points) == 1 && rec.Points[0].Name == "frames" {
			return rec.Points[0].Value.Int()
		}
	}
}

// traces are the buckets that still hold something of a connector.
func (r *rig) traces(id string) (all []store.Bucket) {
	r.t.Helper()
	err := r.space().View(r.t.Context(), func(reader store.Reader) error {
		for _, b := range []store.Bucket{store.Connectors, store.KV, store.Devices, store.Applied, store.Epochs} {
			entries, err := reader.List(b, id, "", 1)
			if err != nil {
				return err
			}
			if len(entries) > 0 {
				all = append(all, b)
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// A deleted connector leaves its records and nothing else, and its name is
// free for one that starts from nothing.
func TestDeletedConnectorIsForgotten(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v, s := r.connect(r.counting(l)), r.stream("")
	for i := range int64(3) {
		l.send(t, "frame\n")
		if n := s.count(); n != i+1 {
			t.Fatalf("count %d, want %d", n, i+1)
		}
	}
	if got := r.traces(v.ID); len(got) != 5 {
		t.Fatalf("only %s hold something of the connector: the test shows nothing", got)
	}
	if err := r.tenant.DeleteConnector(t.Context(), v.ID, 0); err != nil {
		t.Fatal(err)
	}
	r.forgotten(v.ID)
	for name, err := range map[string]error{
		"logs":   second(r.tenant.Logs(t.Context(), v.ID, 0)),
		"status": second(r.tenant.Connector(t.Context(), v.ID)),
		"again":  r.tenant.DeleteConnector(t.Context(), v.ID, 0),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
	again := r.connect(r.counting(l))
	if again.ID == v.ID || again.Runtime.Epoch != 1 {
		t.Errorf("the new connector has the id %s and the epoch %d", again.ID, again.Runtime.Epoch)
	}
	l.send(t, "frame\n")
	if n := s.count(); n != 1 {
		t.Errorf("count %d, want 1", n)
	}
	logs, err := r.tenant.Logs(t.Context(), again.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := logs.Next(t.Context()); err != nil || line.Sequence != 1 {
		t.Errorf("the new log starts with %+v, %v", line, err)
	}
	if first := r.stream("").next(); first.Connector != v.ID {
		t.Errorf("the oldest record is of %s, want %s", first.Connector, v.ID)
	}
	r.stop()
	r.start()
	r.forgotten(v.ID)
	r.state(again.ID, lifecycle.Running)
}

func second[T any](_ T, err error) error { return err }

func (r *rig) forgotten(id string) {
	r.t.Helper()
	if got := r.traces(id); len(got) != 0 {
		r.t.Errorf("%s still hold something of the connector", got)
	}
	tenant, err := r.super.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	if state, ok := tenant.Outbox().State(id); ok {
		r.t.Errorf("the log still knows the connector: %+v", state)
	}
}

// A delete that the end of the process cut in two is finished at the next
// start.
func TestInterruptedDeleteIsFinished(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v, s := r.connect(r.counting(l)), r.stream("")
	l.send(t, "frame\n")
	s.count()
	r.stop()
	err := r.space().Update(t.Context(), func(w store.Writer) error {
		return errors.Join(w.Delete(store.Connectors, v.ID), w.Delete(store.ConnectorNames, "echo"))
	})
	if err != nil {
		t.Fatal(err)
	}
	r.start()
	r.forgotten(v.ID)
}

// Deleting stops what runs and gives its port back.
func TestDeleteWhileRunningFreesThePort(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v, stop := r.connect(r.counting(l)), l.playing(t)
	in := r.echoOn(l, nil)
	in.Name = "next"
	next, err := r.tenant.CreateConnector(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.tenant.Activate(t.Context(), next.ID); err == nil || !strings.Contains(err.Error(), "port_in_use") {
		t.Errorf("activated beside the owner of the port: %v", err)
	}
	r.until(v.ID, "busy", func(s lifecycle.Status) bool { return s.Counters.Records > 10 })
	if err := r.tenant.DeleteConnector(t.Context(), v.ID, 0); err != nil {
		t.Fatal(err)
	}
	r.forgotten(v.ID)
	if _, err := r.tenant.Activate(t.Context(), next.ID); err != nil {
		t.Errorf("the port is not free: %v", err)
	}
	r.until(next.ID, "reading", func(s lifecycle.Status) bool { return s.Counters.Records > 10 })
	stop()
	r.forgotten(v.ID)
}

// A start brings back what was enabled, and nothing else.
func TestStartBringsBackWhatWasEnabled(t *testing.T) {
	r := newRig(t)
	ids := map[string]string{}
	for _, name := range []string{"on", "off", "never"} {
		in := r.echoOn(newLine(t), nil)
		in.Name = name
		v, err := r.tenant.CreateConnector(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = v.ID
		if name == "never" {
			continue
		}
		if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
			t.Fatal(err)
		}
		r.state(v.ID, lifecycle.Running)
	}
	if _, err := r.tenant.Deactivate(t.Context(), ids["off"]); err != nil {
		t.Fatal(err)
	}
	r.stop()
	r.start()
	st := r.state(ids["on"], lifecycle.Running)
	if st.Epoch != 2 || st.Counters.Gaps != 0 {
		t.Errorf("status %+v", st)
	}
	r.state(ids["off"], lifecycle.Stopped)
	r.state(ids["never"], lifecycle.Draft)
	tenant, err := r.super.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	if running := tenant.Running(); len(running) != 1 {
		t.Errorf("running: %+v", running)
	}
}

// What is durable in the log and not yet in the store when the process ends is
// in the store after the next start, once.
func TestUnappliedBlockIsApplied(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v, s := r.connect(r.counting(l)), r.stream("")
	l.send(t, "frame\n")
	s.count()
	r.stop()
	log, err := outbox.Open(filepath.Join(r.dir, "outbox", "plant"), outbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"40", "41"} {
		_, err := log.Append(t.Context(), &outbox.Block{
			Connector: v.ID, Epoch: 2, Received: time.Now().UnixNano(), KV: []outbox.KV{{Key: "frames", Value: []byte(n)}},
			Devices: []abi.DeviceChange{{ID: "late", Name: "Late"}, {ID: "echo", Change: abi.ChangeRemove}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	r.rewrite(v.ID, func(c *spec.Connector) { c.Enabled = false })
	r.start()
	if got := r.devices(v.ID); got != "late" {
		t.Errorf("devices %q, want the one that was added last", got)
	}
	if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	s = r.stream("now")
	l.send(t, "frame\n")
	if n := s.count(); n != 42 {
		t.Errorf("count %d, want 42", n)
	}
	r.stop() // nothing is applied twice: an old block would bring the old number back
	r.start()
	r.state(v.ID, lifecycle.Running)
	s = r.stream("now")
	l.send(t, "frame\n")
	if n := s.count(); n != 43 {
		t.Errorf("count %d, want 43", n)
	}
}

func (r *rig) devices(id string) string {
	r.t.Helper()
	list, _, err := r.tenant.Devices(r.t.Context(), id, control.Page{})
	if err != nil {
		r.t.Fatal(err)
	}
	var names []string
	for _, d := range list {
		names = append(names, d.ID)
	}
	return strings.Join(names, " ")
}

// reluctant is a store whose disk is full now and then.
type reluctant struct {
	store.Store
	full    atomic.Bool
	refused atomic.Int64
}

func (s *reluctant) Tenant(id string) (store.Space, error) {
	space, err := s.Store.Tenant(id)
	return reluctantSpace{space, s}, err
}

type reluctantSpace struct {
	store.Space
	of *reluctant
}

func (s reluctantSpace) Update(ctx context.Context, fn func(store.Writer) error) error {
	if s.of.full.Load() {
		s.of.refused.Add(1)
		return fault.New(fault.DiskFull, "the store's disk is full")
	}
	return s.Space.Update(ctx, fn)
}

// A store that cannot take a step's changes holds the connector, not the
// record: the log has it. When the process ends before the store can, the next
// start makes it good.
func TestStoreThatDoesNotTakeAStep(t *testing.T) {
	for name, end := range map[string]func(r *rig, s *reluctant){
		"and then does": func(_ *rig, s *reluctant) { s.full.Store(false) },
		"to the end": func(r *rig, s *reluctant) {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if err := r.super.Stop(ctx); err != nil {
				r.t.Error(err)
			}
			r.stop()
			s.full.Store(false)
			r.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			full := &reluctant{}
			r := newRig(t, func(r *rig) { full.Store, r.store = r.store, full })
			l := newLine(t)
			v, s := r.connect(r.counting(l)), r.stream("")
			l.send(t, "one\n")
			if n := s.count(); n != 1 {
				t.Fatalf("count %d", n)
			}
			r.until(v.ID, "applied", func(s lifecycle.Status) bool { return s.Counters.Records == 2 })
			full.full.Store(true)
			l.send(t, "two\n")
			if n := s.count(); n != 2 { // the record is durable before the store is
				t.Fatalf("count %d", n)
			}
			r.logged(v.ID, "the store does not take a step's changes")
			end(r, full)
			r.state(v.ID, lifecycle.Running)
			s = r.stream("now")
			l.send(t, "three\n")
			if n := s.count(); n != 3 {
				t.Errorf("count %d, want 3", n)
			}
			if full.refused.Load() == 0 {
				t.Error("the store was not asked")
			}
		})
	}
}

// Devices come and go with the steps that say so.
func TestDevicesFollowTheGuest(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v, s := r.connect(r.echoOn(l, nil)), r.stream("")
	r.state(v.ID, lifecycle.Running)
	if got := r.devices(v.ID); got != "echo" {
		t.Errorf("devices %q", got)
	}
	r.update(v.ID, r.echoOn(l, map[string]any{"device": "other", "on": map[string]string{"go": "remove echo"}}))
	if got := r.devices(v.ID); got != "echo other" {
		t.Errorf("devices %q", got)
	}
	l.send(t, "go\n")
	s.wants("go\n")
	r.until(v.ID, "done", func(lifecycle.Status) bool { return r.devices(v.ID) == "other" })
	r.stop()
	r.start()
	r.state(v.ID, lifecycle.Running)
	if got := r.devices(v.ID); got != "other" {
		t.Errorf("devices %q", got)
	}
}
