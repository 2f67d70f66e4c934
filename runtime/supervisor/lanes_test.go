package supervisor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// census uploads the guest with another manifest.
func (r *rig) census(change func(*abi.Manifest)) string {
	r.t.Helper()
	src, err := os.ReadFile("../../testdata/guests/dist/census.wasm")
	if err != nil {
		r.t.Fatalf("%v: run `make wasm`", err)
	}
	raw, err := os.ReadFile("../../testdata/guests/census/manifest.json")
	if err != nil {
		r.t.Fatal(err)
	}
	var m abi.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		r.t.Fatal(err)
	}
	change(&m)
	uploading.Lock()
	defer uploading.Unlock()
	of, _, err := r.tenant.AddModule(r.t.Context(), bytes.NewReader(src), config(r.t, m), "")
	if err != nil {
		r.t.Fatal(err)
	}
	return of.Digest
}

// devicesOf puts devices into the book, as somebody outside does.
func (r *rig) put(connector string, devices ...spec.Device) {
	r.t.Helper()
	t := r.plant()
	for _, d := range devices {
		d.Connector = connector
		if d.Name == "" {
			d.Name = d.ID
		}
		err := r.space().Update(r.t.Context(), func(w store.Writer) error {
			_, err := t.Devices().Put(w, d, time.Now())
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	t.DevicesChanged(connector)
}

func (r *rig) leave(connector, id string, state spec.DeviceState) {
	r.t.Helper()
	err := r.space().Update(r.t.Context(), func(w store.Writer) error {
		if state == "" {
			return r.plant().Devices().Forget(w, connector, id)
		}
		_, err := r.plant().Devices().Leave(w, connector, id, state, time.Now())
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.plant().DevicesChanged(connector)
}

// lanes waits until the connector has these lanes, all in one state.
func (r *rig) lanes(id string, state lifecycle.State, names ...string) []lifecycle.Lane {
	r.t.Helper()
	var list []lifecycle.Lane
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); r.tick() {
		list, _ = r.plant().Lanes(id, "", 100)
		ok := len(list) == len(names)
		for i := range list {
			ok = ok && list[i].Name == names[i] && list[i].Status.State == state
		}
		if ok {
			return list
		}
	}
	r.t.Fatalf("the lanes are %+v; want %v, %s", list, names, state)
	return nil
}

// rpc asks a device and answers the reply.
func (r *rig) rpc(id, device string, wait time.Duration) (abi.Reply, error) {
	r.t.Helper()
	q, err := r.plant().Send(r.t.Context(), id, abi.Message{
		Type: abi.MessageRPC, Device: device, Method: "echo", Body: []byte(`{"x":1}`), ContentType: "application/json",
		Deadline: time.Now().Add(wait).UnixNano(),
	})
	if err != nil {
		return abi.Reply{}, err
	}
	defer q.Close()
	return q.Next(r.t.Context())
}

// openings are what the guests were opened with, by lane.
type opening struct {
	Reason   string   `json:"reason"`
	Lane     string   `json:"lane"`
	Devices  []string `json:"devices"`
	Revision uint64   `json:"revision"`
	Cursor   string   `json:"cursor"`
}

// opening is the next one that is told of.
func (s *records) opening() opening {
	s.t.Helper()
	for {
		rec := s.next()
		if rec.Kind != "event" || len(rec.Payload) == 0 {
			continue
		}
		var o opening
		if err := json.Unmarshal(rec.Payload, &o); err != nil {
			s.t.Fatal(err)
		}
		return o
	}
}

// Each device has a lane, which comes and goes with it; what it is told, its
// epoch and its cursor are its own. A device that is disconnected keeps its
// place, and one that is gone leaves nothing.
func TestEachDeviceHasALane(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{
		Name: "field", Module: r.census(func(*abi.Manifest) {}), Poll: spec.Poll{Interval: spec.Duration(10 * time.Millisecond)},
	})
	if s := r.state(v.ID, lifecycle.Running); s.Lanes == nil || s.Lanes.Total != 0 || !strings.Contains(s.Reason, "no connected device") {
		t.Errorf("without a device it is %+v", s)
	}
	_, err := r.plant().Send(t.Context(), v.ID, abi.Message{Type: abi.MessageQuery})
	if !fault.Is(err, fault.DeviceUnknown) || !strings.Contains(fault.Of(err).Advice(), "snaprail devices add") {
		t.Errorf("a message before there is a device: %v, %q", err, fault.Of(err).Advice())
	}
	r.put(v.ID, spec.Device{ID: "d1"}, spec.Device{ID: "d2"}, spec.Device{ID: "d3"})
	list := r.lanes(v.ID, lifecycle.Running, "d1", "d2", "d3")
	epochs := map[uint64]bool{}
	for _, l := range list {
		epochs[l.Status.Epoch] = true
	}
	if len(epochs) != 3 {
		t.Errorf("three lanes have %d epochs", len(epochs))
	}
	s := r.until(v.ID, "running with three lanes", func(s lifecycle.Status) bool { return s.State == lifecycle.Running && s.Lanes.Total == 3 })
	if s.Reason != "" || s.Lanes.States[lifecycle.Running] != 3 || s.Counters.Records < 3 {
		t.Errorf("the connector is %+v", s)
	}
	log := r.plant().Outbox()
	r.until(v.ID, "polled everywhere", func(lifecycle.Status) bool {
		all := log.Lanes(v.ID)
		return string(all["d1"].Cursor) == "d1" && string(all["d2"].Cursor) == "d2" && string(all["d3"].Cursor) == "d3"
	})
	r.leave(v.ID, "d2", spec.DeviceDisconnected)
	r.lanes(v.ID, lifecycle.Running, "d1", "d3")
	r.until(v.ID, "forgotten", func(lifecycle.Status) bool { _, known := log.LaneState(v.ID, "d2"); return !known })
	r.put(v.ID, spec.Device{ID: "d2"})
	r.lanes(v.ID, lifecycle.Running, "d1", "d2", "d3")
	st := r.stream("")
	for range 3 {
		st.opening()
	}
	if o := st.opening(); o.Lane != "d2" || o.Cursor != "" || o.Reason != abi.ReasonStart || !slices.Equal(o.Devices, []string{"d2"}) {
		t.Errorf("a device that came back was opened with %+v", o)
	}
	r.stop()
	r.start()
	st = r.stream("")
	for range 4 {
		st.opening()
	}
	for range 3 {
		if o := st.opening(); o.Cursor != o.Lane || !slices.Equal(o.Devices, []string{o.Lane}) {
			t.Errorf("after a restart it was opened with %+v", o)
		}
	}
	log = r.plant().Outbox()
	r.leave(v.ID, "d3", "")
	r.lanes(v.ID, lifecycle.Running, "d1", "d2")
	r.until(v.ID, "forgotten", func(lifecycle.Status) bool { _, known := log.LaneState(v.ID, "d3"); return !known })
	if err := r.tenant.DeleteConnector(t.Context(), v.ID, 0); err != nil {
		t.Fatal(err)
	}
	r.forgotten(v.ID)
	if left := log.Lanes(v.ID); len(left) > 0 {
		t.Errorf("a deleted connector left %v", left)
	}
}

// A key of a record comes once, although each lane counts from nothing.
func TestLanesNeverGiveAKeyTwice(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{
		Name: "field", Module: r.census(func(*abi.Manifest) {}), Poll: spec.Poll{Interval: spec.Duration(10 * time.Millisecond)},
	})
	for i := range 8 {
		r.put(v.ID, spec.Device{ID: fmt.Sprint("d", i)})
	}
	r.until(v.ID, "busy", func(s lifecycle.Status) bool { return s.Counters.Records > 100 })
	r.stop()
	r.start()
	r.until(v.ID, "busy again", func(s lifecycle.Status) bool { return s.Counters.Records > 100 })
	head := r.plant().Outbox().Head()
	st, seen := r.stream(""), map[string]bool{}
	for range 200 {
		rec := st.next()
		if seen[rec.Key] {
			t.Fatalf("the key %s was given twice", rec.Key)
		}
		seen[rec.Key] = true
	}
	if head < 200 {
		t.Errorf("there are only %d blocks", head)
	}
}

// One device that does not answer, or whose guest dies, costs the others
// nothing: theirs is another lane.
func TestOneDevicesTroubleIsItsOwn(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "field", Module: r.module("cdevice"), Config: config(t, map[string]string{"silent": "mute"})}
	in.Limits.CallTimeout = spec.Duration(6 * time.Second)
	v := r.connect(in)
	r.put(v.ID, spec.Device{ID: "a", Type: "cdevice"}, spec.Device{ID: "b", Type: "cdevice"}, spec.Device{ID: "mute", Type: "cdevice"})
	r.lanes(v.ID, lifecycle.Running, "a", "b", "mute")
	done := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		if reply, err := r.rpc(v.ID, "mute", 3*time.Second); err != nil || reply.Status != abi.ReplyError {
			t.Errorf("the silent device answered %+v, %v", reply, err)
		}
		done <- time.Since(began)
	}()
	for range 20 {
		for _, device := range []string{"a", "b"} {
			began := time.Now()
			if reply, err := r.rpc(v.ID, device, patience); err != nil || string(reply.Body) != `{"x":1}` {
				t.Fatalf("%s answered %+v, %v", device, reply, err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("%s took %s", device, took)
			}
		}
	}
	if took := <-done; took < 2900*time.Millisecond {
		t.Errorf("the silent device answered within %s", took)
	}
	for _, l := range r.lanes(v.ID, lifecycle.Running, "a", "b", "mute") {
		if l.Name != "mute" && l.Status.Restarts > 0 {
			t.Errorf("lane %s was restarted %d times", l.Name, l.Status.Restarts)
		}
	}
	if _, err := r.rpc(v.ID, "nobody", time.Second); !fault.Is(err, fault.DeviceUnknown) {
		t.Errorf("an unknown device: %v", err)
	}
	if _, err := r.rpc(v.ID, "", time.Second); !fault.Is(err, fault.DeviceUnknown) {
		t.Errorf("no device among several lanes: %v", err)
	}
}

// The connector's status is that of its lanes: some that fail make it degraded
// and not failed, and the one that needs attention is named.
func TestStatusTellsTheWorstLane(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{
		Name: "field", Module: r.census(func(*abi.Manifest) {}), Config: config(t, map[string]string{"refuse": "bad"}),
	})
	r.put(v.ID, spec.Device{ID: "good"}, spec.Device{ID: "bad"}, spec.Device{ID: "fine"})
	s := r.until(v.ID, "degraded", func(s lifecycle.Status) bool {
		return s.State == lifecycle.Degraded && s.Lanes.States[lifecycle.Running] == 2 && s.Lanes.Worst[0].Restarts > 1
	})
	if s.Lanes.Total != 3 || s.Lanes.Worst[0].Name != "bad" || !strings.Contains(s.Reason, `lane "bad"`) || !strings.Contains(s.Reason, "told not to open") {
		t.Errorf("the status is %+v", s)
	}
	r.leave(v.ID, "bad", spec.DeviceDisconnected)
	if s := r.state(v.ID, lifecycle.Running); s.Lanes.Total != 2 || s.Reason != "" {
		t.Errorf("without it the status is %+v", s)
	}
}

// A new revision is tried by one lane; the others follow when it could take
// over, and do not when it could not.
func TestSwapRollsOverLanes(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "field", Module: r.census(func(*abi.Manifest) {}), Poll: spec.Poll{Interval: spec.Duration(10 * time.Millisecond)}}
	v := r.connect(in)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, n := range names {
		r.put(v.ID, spec.Device{ID: n})
	}
	r.lanes(v.ID, lifecycle.Running, names...)
	in.Config = config(t, map[string]string{"refuse": "a"})
	s := r.update(v.ID, in)
	if s.Swaps != 0 || !strings.Contains(s.Reason, "could not take over") || !strings.Contains(s.Reason, `"a"`) {
		t.Errorf("a revision that its first lane refuses: %+v", s)
	}
	for _, l := range r.lanes(v.ID, lifecycle.Running, names...) {
		if l.Status.Generation != 1 {
			t.Errorf("lane %s has its guest %d", l.Name, l.Status.Generation)
		}
	}
	in.Config = config(t, map[string]int{"next_ms": 10})
	r.update(v.ID, in)
	s = r.until(v.ID, "swapped everywhere", func(s lifecycle.Status) bool { return s.Swaps == 6 && s.State == lifecycle.Running })
	if s.Reason != "" || s.Restarts != 0 {
		t.Errorf("after the swap it is %+v", s)
	}
}

// What is taken away from a connector is taken from all lanes, even when the
// first one could not take the new revision over.
func TestTakenGrantsAreNoLanesToKeep(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "field", Grants: port("/dev/ttyS0"), Module: r.census(func(m *abi.Manifest) {
		m.Capabilities = append(m.Capabilities, abi.Capability{Group: "serial", Optional: true, Reason: "For the test.", Rights: []string{"read", "write"}})
	})}
	v := r.connect(in)
	r.put(v.ID, spec.Device{ID: "a"}, spec.Device{ID: "b"}, spec.Device{ID: "c"})
	r.lanes(v.ID, lifecycle.Running, "a", "b", "c")
	in.Grants, in.Config = []spec.Grant{}, config(t, map[string]string{"refuse": "a"})
	r.update(v.ID, in)
	s := r.until(v.ID, "without the grant", func(s lifecycle.Status) bool {
		return s.State == lifecycle.Degraded && s.Swaps == 2 && s.Lanes.States[lifecycle.Running] == 2
	})
	if s.Lanes.Worst[0].Name != "a" {
		t.Errorf("the status is %+v", s)
	}
}

// Devices at one endpoint share a lane, which is told of all of them, and again
// when they change.
func TestDevicesAtOneEndpointShareALane(t *testing.T) {
	r := newRig(t)
	st := r.stream("")
	v := r.connect(control.ConnectorInput{
		Name: "field", Module: r.census(func(m *abi.Manifest) { m.Lanes, m.Polls = "endpoint", abi.PollsDevice }),
		Poll: spec.Poll{Interval: spec.Duration(10 * time.Millisecond)},
	})
	r.put(v.ID, spec.Device{ID: "d1", Endpoint: "one"})
	r.lanes(v.ID, lifecycle.Running, "one")
	if o := st.opening(); o.Lane != "one" || !slices.Equal(o.Devices, []string{"d1"}) {
		t.Errorf("opened with %+v", o)
	}
	r.put(v.ID, spec.Device{ID: "d2", Endpoint: "one"})
	if o := st.opening(); o.Lane != "one" || o.Reason != abi.ReasonSwap || !slices.Equal(o.Devices, []string{"d1", "d2"}) {
		t.Errorf("a device that came was told as %+v", o)
	}
	polled := map[string]int{}
	for polled["d1"] < 3 || polled["d2"] < 3 {
		polled[st.next().Device]++
	}
	r.put(v.ID, spec.Device{ID: "d3", Endpoint: "two"})
	r.lanes(v.ID, lifecycle.Running, "one", "two")
}

// Another converter is every lane's, and no guest's business.
func TestConvertersChangeUnderAllLanes(t *testing.T) {
	r := newRig(t)
	st := r.stream("")
	in := control.ConnectorInput{Name: "field", Module: r.census(func(*abi.Manifest) {})}
	in.Converter = &spec.Converter{Module: r.module("poison"), Config: config(t, map[string]string{"prefix": "A"})}
	v := r.connect(in)
	r.put(v.ID, spec.Device{ID: "d1"}, spec.Device{ID: "d2"})
	r.lanes(v.ID, lifecycle.Running, "d1", "d2")
	opened := func(prefix string, n int) {
		t.Helper()
		for n > 0 {
			p := string(st.payload())
			if !strings.Contains(p, "{") {
				continue // a poll
			}
			if n--; !strings.HasPrefix(p, prefix+"{") {
				t.Errorf("a payload is %q, want it converted by %s", p, prefix)
			}
		}
	}
	opened("A", 2)
	in.Converter = &spec.Converter{Module: in.Converter.Module, Config: config(t, map[string]string{"prefix": "B"})}
	if s := r.update(v.ID, in); s.Swaps != 0 || s.Revision != 3 {
		t.Errorf("with another converter it is %+v", s)
	}
	r.put(v.ID, spec.Device{ID: "d3"})
	opened("B", 1)
	if after, err := r.tenant.Reconnect(t.Context(), v.ID); err != nil || after.Runtime.Lanes.Total != 3 {
		t.Errorf("reconnected, it is %+v, %v", after.Runtime, err)
	}
	opened("B", 3)
}
