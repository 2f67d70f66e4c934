package device_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// platform knows devices, and says what was asked of it. As a Manager it is one
// too.
type platform struct {
	devices map[string]spec.Device
	asked   []string
	fails   map[string]error // by operation
}

func newPlatform() *platform {
	return &platform{devices: map[string]spec.Device{}, fails: map[string]error{}}
}

func (p *platform) ask(operation, id string) error {
	p.asked = append(p.asked, strings.TrimSpace(operation+" "+id))
	return p.fails[operation]
}

func (p *platform) set(operation string, d *spec.Device, there bool, state spec.DeviceState) error {
	if err := p.ask(operation, d.ID); err != nil {
		return err
	}
	if _, known := p.devices[d.ID]; known != there {
		kind := map[bool]fault.Kind{true: fault.NotFound, false: fault.Exists}[there]
		return fault.New(kind, "%s %s", operation, d.ID)
	}
	is := *d
	if is.State = state; state == spec.DeviceDeleted {
		delete(p.devices, d.ID)
		return nil
	}
	p.devices[d.ID] = is
	return nil
}

func (p *platform) Register(_ context.Context, d *spec.Device) error {
	return p.set("register", d, false, spec.DeviceConnected)
}

func (p *platform) Add(_ context.Context, d *spec.Device) error {
	return p.set("add", d, false, spec.DeviceConnected)
}

func (p *platform) Update(_ context.Context, d *spec.Device) error {
	return p.set("update", d, true, spec.DeviceConnected)
}

func (p *platform) Disconnect(_ context.Context, d *spec.Device) error {
	return p.set("disconnect", d, true, spec.DeviceDisconnected)
}

func (p *platform) Delete(_ context.Context, d *spec.Device) error {
	return p.set("delete", d, true, spec.DeviceDeleted)
}

func (p *platform) Remove(_ context.Context, id string) error {
	return p.set("remove", &spec.Device{ID: id}, true, spec.DeviceDeleted)
}

func (p *platform) Get(_ context.Context, id string) (spec.Device, error) {
	if err := p.ask("get", id); err != nil {
		return spec.Device{}, err
	}
	d, known := p.devices[id]
	if !known {
		return d, fault.New(fault.NotFound, "no device %s", id)
	}
	return d, nil
}

func (p *platform) Devices(context.Context) ([]spec.Device, error) {
	if err := p.ask("devices", ""); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(p.devices), func(a, b spec.Device) int { return strings.Compare(a.ID, b.ID) }), nil
}

// said is what was asked since the last time.
func (p *platform) said() string {
	all := strings.Join(p.asked, ", ")
	p.asked = nil
	return all
}

func (r *rig) connector() {
	r.Helper()
	if err := r.update(func(w store.Writer) error {
		_, err := w.Put(store.Connectors, "c", []byte(`{"id":"c"}`))
		return err
	}); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) tell(k *device.Keeper, out device.Outside) device.Answer {
	r.Helper()
	a, err := k.Tell(r.Context(), "c", "w1", out)
	if err != nil {
		r.Fatal(err)
	}
	return a
}

// TestUpstreamIsTold: local first, then upstream; and what upstream said stays known.
func TestUpstreamIsTold(t *testing.T) {
	r := newRig(t)
	up := newPlatform()
	k := device.NewKeeper(r.Book, r.space)
	out := device.Outside{Upstream: up}
	if _, err := r.put(weather()); err != nil {
		t.Fatal(err)
	}
	if a := r.tell(k, device.Outside{}); !a.Local || a.Upstream || !fault.Is(a.Err, fault.TypeUnknown) {
		t.Errorf("without a platform: %+v", a)
	}
	up.fails["register"] = fault.New(fault.Guest, "the platform says no")
	if a := r.tell(k, out); !a.Local || a.Upstream || a.Reason != "the platform says no" {
		t.Errorf("refused: %+v", a)
	}
	if d, _ := r.get("w1"); d.Registered || d.Known {
		t.Errorf("refused, and kept as %+v", d)
	}
	delete(up.fails, "register")
	up.said()
	for range 2 {
		if a := r.tell(k, out); !a.Local || !a.Upstream || a.Reason != "" {
			t.Errorf("registered: %+v", a)
		}
	}
	if said := up.said(); said != "register w1" {
		t.Errorf("asked %q: who is registered is registered once", said)
	}
	if d, _ := r.get("w1"); !d.Registered || !d.Known {
		t.Errorf("kept as %+v", d)
	}
	renamed := weather()
	renamed.Name = "Cellar"
	if d, err := r.put(renamed); err != nil || d.Registered {
		t.Errorf("changed: %+v, %v", d, err)
	}
	if a := r.tell(k, out); !a.Upstream || up.said() != "update w1" || up.devices["w1"].Name != "Cellar" {
		t.Errorf("updated: %+v", a)
	}
	r.apply(abi.DeviceChange{Change: abi.ChangeRemove, ID: "w1"})
	up.fails["delete"] = fault.New(fault.Guest, "never")
	if a := r.tell(k, out); !a.Local || a.Upstream {
		t.Errorf("not deleted: %+v", a)
	}
	if d, found := r.get("w1"); !found || d.State != spec.DeviceDeleted {
		t.Errorf("its entry waits for upstream: %+v, %v", d, found)
	}
	delete(up.fails, "delete")
	if a := r.tell(k, out); !a.Upstream || len(up.devices) > 0 {
		t.Errorf("deleted: %+v", a)
	}
	if d, found := r.get("w1"); found {
		t.Errorf("it is over, and there is %+v", d)
	}
}

// TestUpstreamIsSilent: whoever did not answer in time may know all the same.
func TestUpstreamIsSilent(t *testing.T) {
	r := newRig(t)
	up := newPlatform()
	k := device.NewKeeper(r.Book, r.space)
	out := device.Outside{Upstream: up, Types: []string{"weather"}}
	if _, err := r.put(weather()); err != nil {
		t.Fatal(err)
	}
	up.fails["register"] = fault.New(fault.Timeout, "no answer")
	if a := r.tell(k, out); a.Upstream {
		t.Errorf("%+v", a)
	}
	delete(up.fails, "register")
	r.apply(abi.DeviceChange{Change: abi.ChangeRemove, ID: "w1"})
	if a := r.tell(k, out); !a.Upstream || up.said() != "register w1, delete w1" {
		t.Errorf("what may be there is deleted there: %+v", a)
	}
	if _, err := r.put(spec.Device{ID: "w1", Type: "boat"}); err != nil {
		t.Fatal(err)
	}
	if a := r.tell(k, out); !a.Local || a.Upstream || !fault.Is(a.Err, fault.Invalid) || up.said() != "" {
		t.Errorf("of a type that nobody serves: %+v", a)
	}
}

func TestManagerIsTold(t *testing.T) {
	r := newRig(t)
	m := newPlatform()
	k := device.NewKeeper(r.Book, r.space)
	out := device.Outside{Manager: m, Upstream: newPlatform()}
	if _, err := r.put(weather()); err != nil {
		t.Fatal(err)
	}
	m.fails["add"] = fault.New(fault.Guest, "full")
	if a := r.tell(k, out); a.Local || !a.Upstream || a.Reason != "full" {
		t.Errorf("refused by the manager: %+v", a)
	}
	delete(m.fails, "add")
	if a := r.tell(k, out); !a.Local || m.said() != "add w1, add w1" {
		t.Errorf("%+v", a)
	}
	if a := r.tell(k, out); !a.Local || m.said() != "update w1" {
		t.Errorf("%+v", a)
	}
	r.apply(abi.DeviceChange{Change: abi.ChangeDisconnect, ID: "w1"})
	if a := r.tell(k, out); !a.Local || !a.Upstream || m.said() != "remove w1" {
		t.Errorf("%+v", a)
	}
	if d, found := r.get("w1"); found {
		t.Errorf("it is over, and there is %+v", d)
	}
}

// TestDevicesSyncByHash is a reconnect after much has happened on both sides.
func TestDevicesSyncByHash(t *testing.T) {
	r := newRig(t)
	r.connector()
	up := newPlatform()
	k := device.NewKeeper(device.NewBook(0, 0), r.space)
	r.Book = device.NewBook(0, 0)
	out := device.Outside{Upstream: up}
	for _, id := range []string{"same", "differs", "gone", "stubborn", "left"} {
		if _, err := r.put(spec.Device{ID: id}); err != nil {
			t.Fatal(err)
		}
		if a, err := k.Tell(t.Context(), "c", id, out); err != nil || !a.Upstream {
			t.Fatal(a, err)
		}
	}
	for _, c := range []abi.DeviceChange{
		{ID: "new"},
		{ID: "differs", Name: "x"},
		{ID: "gone", Change: abi.ChangeRemove},
		{ID: "stubborn", Change: abi.ChangeRemove},
		{ID: "left", Change: abi.ChangeDisconnect},
	} {
		r.apply(c)
	}
	up.devices["stranger"] = spec.Device{ID: "stranger", State: spec.DeviceConnected}
	up.devices["retained"] = spec.Device{ID: "retained", State: spec.DeviceDisconnected}
	up.said()
	stubborn := &stubborn{up}
	report, err := k.Sync(t.Context(), "c", "start", device.Outside{Upstream: stubborn})
	if err != nil || report.Error != "" {
		t.Fatal(report, err)
	}
	if want := "devices, update differs, delete gone, disconnect left, register new, delete stubborn, disconnect stubborn"; up.said() != want {
		t.Errorf("asked otherwise than %s", want)
	}
	if report.Added.Count != 1 || report.Updated.Count != 1 || report.Deleted.Count != 1 || report.Disconnected.Count != 2 || report.Unchanged != 1 {
		t.Errorf("%+v", report)
	}
	if len(report.Failed) != 1 || report.Failed[0].Device != "stubborn" || len(report.NeedsAction) != 2 ||
		report.NeedsAction[0].Device != "stubborn" || report.NeedsAction[1].Device != "stranger" {
		t.Errorf("failed %v, needs %v", report.Failed, report.NeedsAction)
	}
	if d, found := r.get("stubborn"); !found || d.State != spec.DeviceDeleted {
		t.Errorf("it is deleted at the next sync: %+v", d)
	}
	if up.devices["stubborn"].State != spec.DeviceDisconnected {
		t.Error("until then it is disconnected upstream")
	}
	err = r.space.View(t.Context(), func(rd store.Reader) error {
		last, err := device.LastReport(rd, "c")
		if err == nil && last.Added.Count != 1 {
			t.Errorf("kept as %+v", last)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	up.said()
	if report, err = k.Sync(t.Context(), "c", "requested", out); err != nil || up.said() != "devices, delete stubborn" || report.Unchanged != 3 {
		t.Errorf("the second time: %+v, %v", report, err)
	}
}

// stubborn deletes everything but one.
type stubborn struct{ *platform }

func (s *stubborn) Delete(ctx context.Context, d *spec.Device) error {
	if d.ID == "stubborn" {
		_ = s.ask("delete", d.ID)
		return fault.New(fault.Guest, "it has rules")
	}
	return s.platform.Delete(ctx, d)
}

// TestDevicesSyncEndsWhenNobodyAnswers: the rest waits for the next time.
func TestDevicesSyncEndsWhenNobodyAnswers(t *testing.T) {
	r := newRig(t)
	r.connector()
	up := newPlatform()
	for _, id := range []string{"a", "b"} {
		if _, err := r.put(spec.Device{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	up.fails["register"] = fault.New(fault.WrongState, "the platform does not run")
	report, err := device.NewKeeper(r.Book, r.space).Sync(t.Context(), "c", "start", device.Outside{Upstream: up})
	if err != nil || report.Error != "the platform does not run" || up.said() != "devices, register a" {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestDevicesSyncWithTheManager(t *testing.T) {
	r := newRig(t)
	r.connector()
	m := newPlatform()
	k := device.NewKeeper(r.Book, r.space)
	out := device.Outside{Manager: m, Upstream: newPlatform()}
	for _, id := range []string{"a", "b"} {
		if _, err := r.put(spec.Device{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	if a, err := k.Tell(t.Context(), "c", "a", device.Outside{Manager: m}); err != nil || !a.Local {
		t.Fatal(a, err)
	}
	r.apply(abi.DeviceChange{ID: "a", Change: abi.ChangeRemove})
	m.devices["theirs"] = spec.Device{Connector: "c", ID: "theirs", Name: "T"}
	m.said()
	report, err := k.Sync(t.Context(), "c", "start", out)
	if err != nil || report.Error != "" || report.Adopted.Count != 1 || report.Added.Count != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	if said := m.said(); said != "devices, remove a, add b" {
		t.Errorf("asked %q", said)
	}
	if d, found := r.get("theirs"); !found || d.Name != "T" || !d.Held || !d.Registered {
		t.Errorf("adopted %+v", d)
	}
	if _, found := r.get("a"); found {
		t.Error("what was removed here came back")
	}
	m.devices["late"] = spec.Device{Connector: "c", ID: "late"}
	if d, err := k.Adopt(t.Context(), "c", "late", m); err != nil || d.ID != "late" || !d.Held {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := k.Adopt(t.Context(), "c", "never", m); !fault.Is(err, fault.DeviceUnknown) {
		t.Error(err)
	}
}

func TestReadDevices(t *testing.T) {
	for in, want := range map[string]string{
		`null`: "", ``: "", `[]`: "", `{}`: "",
		`[{"id":"b"},{"id":"a","type":"t"}]`:           "a b",
		`{"b":{"type":"t"},"a":{"id":"a","name":"x"}}`: "a b",
		`[{"id":"a"},{"id":"a"}]`:                      "twice",
		`[{"name":"a"}]`:                               "without an id",
		`{"a":{"id":"b"}}`:                             "under the id",
		`7`:                                            "no list",
		`[7]`:                                          "no list",
	} {
		list, err := device.ReadDevices([]byte(in), "c")
		if err != nil {
			if want == "" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", in, err)
			}
			continue
		}
		var ids []string
		for _, d := range list {
			ids = append(ids, d.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
	if _, err := device.ReadDevice([]byte(" null "), "c"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}
