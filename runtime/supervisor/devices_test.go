package supervisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// roster uploads the guest that knows devices, as a module of a category.
func (r *rig) roster(category string, change ...string) string {
	r.t.Helper()
	src, err := os.ReadFile("../../testdata/guests/dist/roster.wasm")
	if err != nil {
		r.t.Fatalf("%v: run `make wasm`", err)
	}
	raw, err := os.ReadFile("../../testdata/guests/roster/manifest.json")
	if err != nil {
		r.t.Fatal(err)
	}
	src = append(append(src, 0, byte(1+len(category)), byte(len(category))), category...) // a section, so that it is a module of its own
	manifest := bytes.Replace(raw, []byte(`"category": "platform"`), fmt.Appendf(nil, `"category": %q`, category), 1)
	manifest = []byte(strings.NewReplacer(change...).Replace(string(manifest)))
	uploading.Lock()
	defer uploading.Unlock()
	m, _, err := r.tenant.AddModule(r.t.Context(), bytes.NewReader(src), manifest, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return m.Digest
}

// running is a connector of the roster that works.
func (r *rig) running(in control.ConnectorInput) control.ConnectorView {
	r.t.Helper()
	if in.Config == nil {
		in.Config = []byte(`{}`)
	}
	v := r.connect(in)
	r.state(v.ID, lifecycle.Running)
	return v
}

// list calls an operation that answers a list of devices, or an object of them.
func (r *rig) list(id, operation, args string) string {
	r.t.Helper()
	out, err := r.plant().Call(r.t.Context(), id, "op_"+operation, []byte(args))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(out)
}

func (r *rig) device(connector, id string) (spec.Device, error) {
	r.t.Helper()
	return r.tenant.Device(r.t.Context(), connector, id)
}

func meter(id string) spec.Device {
	return spec.Device{ID: id, Type: "meter", Name: "Meter " + id, Attributes: json.RawMessage(`{"floor":2}`)}
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		}
	}
}

func yes() *bool { is := true; return &is }

// TestDevicesWithoutAPlatform: local first, always; without a platform that is
// all, and nothing is left of what was deleted.
func TestDevicesWithoutAPlatform(t *testing.T) {
	r := newRig(t)
	c := r.running(control.ConnectorInput{Name: "fleet", Module: r.roster("telemetry")})
	ctx := t.Context()
	added, err := r.tenant.AddDevice(ctx, "fleet", meter("m1"), control.Patience{})
	if err != nil || !added.Local || added.Upstream || added.Code != fault.TypeUnknown.String() || added.Revision != 1 {
		t.Fatalf("%+v, %v", added, err)
	}
	for what, d := range map[string]spec.Device{
		"no type": {ID: "x", Name: "X"}, "no id": {Type: "meter", Name: "X"},
		"a type that the module does not serve": {ID: "x", Type: "boat", Name: "X"},
		"a converter that is none":              {ID: "x", Type: "meter", Name: "X", Converter: &spec.Converter{Module: c.Module}},
	} {
		if _, err := r.tenant.AddDevice(ctx, "fleet", d, control.Patience{}); !fault.Is(err, fault.Invalid) || len(fault.Of(err).Fields) == 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := r.tenant.AddDevice(ctx, "fleet", meter("m1"), control.Patience{}); !fault.Is(err, fault.Exists) {
		t.Errorf("twice: %v", err)
	}
	renamed := meter("m1")
	renamed.Name = "Roof"
	if _, err := r.tenant.UpdateDevice(ctx, "fleet", "m1", renamed, 7, control.Patience{}); !fault.Is(err, fault.StaleRevision) {
		t.Errorf("stale: %v", err)
	}
	if v, err := r.tenant.UpdateDevice(ctx, "fleet", "m1", renamed, 1, control.Patience{}); err != nil || v.Name != "Roof" || v.UUID != added.UUID || v.Hash == added.Hash {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := r.tenant.AddTag(ctx, "fleet", "m1", "site", "a", 0, control.Patience{}); err != nil {
		t.Error(err)
	}
	if _, err := r.tenant.AddTag(ctx, "fleet", "m1", "site", "b", 0, control.Patience{}); !fault.Is(err, fault.TagExists) {
		t.Error(err)
	}
	if v, err := r.tenant.ChangeTag(ctx, "fleet", "m1", "site", "b", 0, control.Patience{}); err != nil || v.Tags["site"] != "b" {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := r.tenant.RemoveTag(ctx, "fleet", "m1", "floor", 0, control.Patience{}); !fault.Is(err, fault.TagMissing) {
		t.Error(err)
	}
	gone, err := r.tenant.DeleteDevice(ctx, "fleet", "m1", 0, control.Patience{})
	if err != nil || !gone.Local || gone.Upstream {
		t.Errorf("%+v, %v", gone, err)
	}
	if d, err := r.device("fleet", "m1"); !fault.Is(err, fault.DeviceUnknown) {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := r.tenant.DisconnectDevice(ctx, "fleet", "m1", 0, control.Patience{}); !fault.Is(err, fault.DeviceUnknown) {
		t.Error(err)
	}
	events, _, err := r.tenant.Audit(ctx, control.AuditQuery{Action: "device"}, control.Page{})
	if err != nil || len(events) == 0 || events[0].On != "m1" {
		t.Errorf("%v, %v", events, err)
	}
	var actions []string
	for _, e := range events {
		if e.Outcome == identity.Done {
			actions = append(actions, string(e.Action))
		}
	}
	if got := strings.Join(actions, " "); got != "device.delete device.update device.update device.update device.create" {
		t.Errorf("audited %s", got)
	}
}

// TestDevicesAndThePlatform: what is so here is told upstream, at once when it
// can be reached, and by hash when it comes back.
func TestDevicesAndThePlatform(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	digest := r.roster("platform")
	up := r.running(control.ConnectorInput{Name: "upstream", Module: digest, Default: yes()})
	c := r.running(control.ConnectorInput{Name: "fleet", Module: digest})
	of := fmt.Sprintf(`{"connector":%q}`, c.ID)
	for _, id := range []string{"a", "b", "c"} {
		v, err := r.tenant.AddDevice(ctx, "fleet", meter(id), control.Patience{})
		if err != nil || !v.Local || !v.Upstream || !v.Registered || v.Reason != "" {
			t.Fatalf("%+v, %v", v, err)
		}
	}
	if all := r.list(up.ID, "devices", of); !strings.Contains(all, `"name":"Meter a"`) || strings.Contains(all, `"config"`) {
		t.Errorf("upstream knows %s", all)
	}
	if v, err := r.tenant.DisconnectDevice(ctx, "fleet", "c", 0, control.Patience{}); err != nil || !v.Upstream {
		t.Errorf("%+v, %v", v, err)
	}
	if all := r.list(up.ID, "devices", of); !strings.Contains(all, `"state":"disconnected"`) {
		t.Errorf("it is retained there: %s", all)
	}
	if _, err := r.device("fleet", "c"); !fault.Is(err, fault.DeviceUnknown) {
		t.Errorf("and gone here: %v", err)
	}
	if _, err := r.tenant.Deactivate(ctx, "upstream"); err != nil {
		t.Fatal(err)
	}
	v, err := r.tenant.DeleteDevice(ctx, "fleet", "a", 0, control.Patience{})
	if err != nil || !v.Local || v.Upstream || v.Code != fault.WrongState.String() {
		t.Errorf("while upstream is away: %+v, %v", v, err)
	}
	if d, err := r.device("fleet", "a"); err != nil || d.State != spec.DeviceDeleted {
		t.Errorf("%+v, %v", d, err)
	}
	if v, err := r.tenant.AddDevice(ctx, "fleet", meter("d"), control.Patience{Later: true}); err != nil || !v.Local || !v.Pending {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := r.tenant.Activate(ctx, "upstream"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "upstream is in step again", func() bool {
		report, err := r.tenant.DeviceReport(ctx, "fleet")
		return err == nil && report.Reason == "start" && report.Deleted.Count == 1 && report.Added.Count == 1 && report.Unchanged == 1
	})
	if all := r.list(up.ID, "devices", of); strings.Contains(all, "Meter a") || !strings.Contains(all, "Meter d") {
		t.Errorf("upstream knows %s", all)
	}
	if _, err := r.device("fleet", "a"); !fault.Is(err, fault.DeviceUnknown) {
		t.Errorf("it is over: %v", err)
	}
	reports, err := r.tenant.SyncDevices(ctx, "", control.Patience{})
	if err != nil || len(reports) != 1 || reports[0].Unchanged != 2 || reports[0].Error != "" {
		t.Errorf("%+v, %v", reports, err)
	}
}

// TestPlatformWithLanes: one that has a lane for each device of its own brings the
// devices of others in step too, when there is a lane.
func TestPlatformWithLanes(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	up := r.running(control.ConnectorInput{
		Name: "upstream", Module: r.roster("platform", `"mode": "event"`, `"mode": "event", "lanes": "device"`), Default: yes(),
	})
	c := r.running(control.ConnectorInput{Name: "fleet", Module: r.roster("telemetry")})
	if v, err := r.tenant.AddDevice(ctx, "fleet", meter("a"), control.Patience{}); err != nil || !v.Local || v.Upstream {
		t.Fatalf("while upstream has no lane: %+v, %v", v, err)
	}
	r.put(up.ID, meter("gate"))
	r.lanes(up.ID, lifecycle.Running, "gate")
	eventually(t, "upstream is in step", func() bool {
		report, err := r.tenant.DeviceReport(ctx, "fleet")
		return err == nil && report.Reason == "start" && report.Added.Count == 1
	})
	if all := r.list(up.ID, "devices", fmt.Sprintf(`{"connector":%q}`, c.ID)); !strings.Contains(all, "Meter a") {
		t.Errorf("upstream knows %s", all)
	}
}

// TestDeleteThatUpstreamRefuses: it enters the disconnected state at the next
// sync, and somebody has to act.
func TestDeleteThatUpstreamRefuses(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	digest := r.roster("platform")
	up := r.running(control.ConnectorInput{Name: "upstream", Module: digest, Default: yes(), Config: []byte(`{"refuse":["delete_device"]}`)})
	c := r.running(control.ConnectorInput{Name: "fleet", Module: digest})
	if _, err := r.tenant.AddDevice(ctx, "fleet", meter("a"), control.Patience{}); err != nil {
		t.Fatal(err)
	}
	if v, err := r.tenant.DeleteDevice(ctx, "fleet", "a", 0, control.Patience{}); err != nil || !v.Local || v.Upstream || v.Reason == "" {
		t.Errorf("%+v, %v", v, err)
	}
	reports, err := r.tenant.SyncDevices(ctx, "fleet", control.Patience{})
	if err != nil || len(reports[0].NeedsAction) != 1 || reports[0].NeedsAction[0].Device != "a" || reports[0].FailedCount != 1 {
		t.Errorf("%+v, %v", reports, err)
	}
	if all := r.list(up.ID, "devices", fmt.Sprintf(`{"connector":%q}`, c.ID)); !strings.Contains(all, `"disconnected"`) {
		t.Errorf("upstream knows %s", all)
	}
	r.logged(c.ID, "a: it was deleted here")
}

// TestGuestsDevices: what a guest changes is seen by its own step, is durable with
// the step or not at all, and upstream's word on it comes as an event.
func TestGuestsDevices(t *testing.T) {
	r := newRig(t)
	digest := r.roster("platform")
	up := r.running(control.ConnectorInput{Name: "upstream", Module: digest, Default: yes()})
	c := r.running(control.ConnectorInput{Name: "fleet", Module: digest})
	if all := r.list(c.ID, "own_put", `{"device":{"id":"a","type":"meter","name":"A","tags":{"site":"x"}}}`); !strings.Contains(all, `"id":"a"`) ||
		!strings.Contains(all, `"state":"connected"`) || strings.Contains(all, "not ") {
		t.Errorf("its own step sees %s", all)
	}
	eventually(t, "upstream knows what the guest added, and the guest that it does", func() bool {
		d, err := r.device("fleet", "a")
		return err == nil && d.Registered && d.Tags["site"] == "x" &&
			strings.Contains(r.list(c.ID, "own_told", "{}"), `a {\"local\":true,\"upstream\":true}`)
	})
	if _, err := r.op(c.ID, "own_put", `{"fail":true,"device":{"id":"b","type":"meter","name":"B"}}`); err == nil || !strings.Contains(err.Error(), "seen 2") {
		t.Errorf("the step saw both: %v", err)
	}
	if all := r.list(c.ID, "own_devices", `{}`); strings.Contains(all, `"b"`) {
		t.Errorf("a step that failed added %s", all)
	}
	for what, call := range map[string][2]string{
		"a type that the module does not serve": {"own_put", `{"device":{"id":"b","type":"boat","name":"B"}}`},
		"no name":                               {"own_put", `{"device":{"id":"b","type":"meter"}}`},
		"not here":                              {"own_remove", `{"id":"b"}`},
	} {
		if _, err := r.op(c.ID, call[0], call[1]); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
	if all := r.list(c.ID, "own_disconnect", `{"id":"a"}`); all != "null" {
		t.Errorf("its own step sees %s", all)
	}
	eventually(t, "upstream retains what the guest disconnected", func() bool {
		return strings.Contains(r.list(up.ID, "devices", fmt.Sprintf(`{"connector":%q}`, c.ID)), `"disconnected"`)
	})
}

// TestOwnDeviceManager: a connector of the user's own keeps the devices of
// another one.
func TestOwnDeviceManager(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	keeper := r.running(control.ConnectorInput{Name: "keeper", Module: r.roster("device_manager")})
	tele := r.roster("telemetry")
	for what, manager := range map[string]spec.DeviceManager{"nobody": "nobody", "itself": "fleet", "no manager": "other"} {
		if what == "no manager" {
			r.running(control.ConnectorInput{Name: "other", Module: tele})
		}
		_, err := r.tenant.CreateConnector(ctx, control.ConnectorInput{Name: "fleet", Module: tele, Config: []byte(`{}`), DeviceManager: manager})
		if !fault.Is(err, fault.ConfigInvalid) || fault.Of(err).Fields[0].Pointer != "/device_manager" {
			t.Errorf("%s: %v", what, err)
		}
	}
	c := r.running(control.ConnectorInput{Name: "fleet", Module: tele, DeviceManager: "keeper"})
	if c.DeviceManager != spec.DeviceManager(keeper.ID) {
		t.Errorf("kept as %q", c.DeviceManager)
	}
	if err := r.tenant.DeleteConnector(ctx, "keeper", 0); !fault.Is(err, fault.WrongState) {
		t.Errorf("it keeps the devices of fleet: %v", err)
	}
	v, err := r.tenant.AddDevice(ctx, "fleet", meter("a"), control.Patience{})
	if err != nil || !v.Local {
		t.Fatalf("%+v, %v", v, err)
	}
	of := fmt.Sprintf(`{"connector":%q}`, c.ID)
	if all := r.list(keeper.ID, "devices", of); !strings.Contains(all, `"Meter a"`) {
		t.Errorf("the manager has %s", all)
	}
	theirs := fmt.Sprintf(`{"connector":%q,"device":{"id":"z","type":"valve","name":"Z"}}`, c.ID)
	if _, err := r.plant().Call(ctx, keeper.ID, "op_add", []byte(theirs)); err != nil {
		t.Fatal(err)
	}
	if d, err := r.device("fleet", "z"); err != nil || d.Name != "Z" || d.Type != "valve" {
		t.Errorf("one that the manager alone had: %+v, %v", d, err)
	}
	if _, err := r.device("fleet", "never"); !fault.Is(err, fault.DeviceUnknown) {
		t.Error(err)
	}
	if _, err := r.tenant.Deactivate(ctx, "keeper"); err != nil {
		t.Fatal(err)
	}
	if v, err := r.tenant.DeleteDevice(ctx, "fleet", "a", 0, control.Patience{}); err != nil || v.Local {
		t.Errorf("the manager is away: %+v, %v", v, err)
	}
	if _, err := r.tenant.Activate(ctx, "keeper"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the manager has forgotten it", func() bool {
		_, err := r.device("fleet", "a")
		return fault.Is(err, fault.DeviceUnknown) && !strings.Contains(r.list(keeper.ID, "devices", of), "Meter a")
	})
}

// TestMemoryIsForgotten: what the manager memory keeps it keeps until the server
// stops, and the persistent one for longer: that of blocks, too, which were
// durable and not applied when it did.
func TestMemoryIsForgotten(t *testing.T) {
	r := newRig(t)
	digest, ids := r.roster("telemetry"), []string{}
	for _, m := range []spec.DeviceManager{spec.ManagerMemory, spec.ManagerPersistent} {
		c := r.running(control.ConnectorInput{Name: string(m), Module: digest, DeviceManager: m})
		r.list(c.ID, "own_put", `{"device":{"id":"a","type":"meter","name":"A"}}`)
		if d, err := r.device(string(m), "a"); err != nil || d.Name != "A" {
			t.Errorf("%s: %+v, %v", m, d, err)
		}
		ids = append(ids, c.ID)
	}
	r.stop()
	r.crashed(ids, abi.DeviceChange{ID: "late"})
	r.start()
	for _, id := range []string{"a", "late"} {
		if _, err := r.device("memory", id); !fault.Is(err, fault.DeviceUnknown) {
			t.Errorf("memory: %s: %v", id, err)
		}
	}
	if _, err := r.device("persistent", "late"); err != nil {
		t.Errorf("persistent: late: %v", err)
	}
	if d, err := r.device("persistent", "a"); err != nil || d.Name != "A" || d.State != spec.DeviceConnected {
		t.Errorf("persistent: %+v, %v", d, err)
	}
}

// crashed leaves a block of each connector in the log that the store has not
// seen.
func (r *rig) crashed(ids []string, change abi.DeviceChange) {
	r.t.Helper()
	log, err := outbox.Open(filepath.Join(r.dir, "outbox", "plant"), outbox.Config{})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, id := range ids {
		state, _ := log.State(id)
		b := outbox.Block{
			Connector: id, Epoch: state.Epoch, First: state.Next, Received: time.Now().UnixNano(),
			Devices: []abi.DeviceChange{change},
		}
		if _, err := log.Append(r.t.Context(), &b); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		r.t.Fatal(err)
	}
}
