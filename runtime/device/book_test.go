package device_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

var at = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// rig is a book with a space of its own.
type rig struct {
	*testing.T
	*device.Book
	space store.Space
}

func newRig(t *testing.T) *rig {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	space, err := s.Tenant("acme")
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t, device.NewBook(4, 0), space}
}

func (r *rig) update(do func(store.Writer) error) error {
	r.Helper()
	return r.space.Update(r.Context(), do)
}

func (r *rig) put(d spec.Device) (put spec.Device, err error) {
	r.Helper()
	d.Connector = "c"
	err = r.update(func(w store.Writer) (err error) {
		put, err = r.Put(w, d, at)
		return err
	})
	return put, err
}

func (r *rig) get(id string) (d spec.Device, found bool) {
	r.Helper()
	err := r.space.View(r.Context(), func(rd store.Reader) (err error) {
		d, found, err = r.Lookup(rd, "c", id)
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	return d, found
}

func (r *rig) apply(c abi.DeviceChange) bool {
	r.Helper()
	var changed bool
	if err := r.update(func(w store.Writer) (err error) {
		changed, err = r.Apply(w, "c", &c, at)
		return err
	}); err != nil {
		r.Fatal(err)
	}
	return changed
}

func weather() spec.Device {
	return spec.Device{ID: "w1", Type: "weather", Name: "Roof", Tags: map[string]string{"site": "a"}, Attributes: []byte(`{"b":1,"a":[2]}`)}
}

func TestDeviceIsPut(t *testing.T) {
	r := newRig(t)
	first, err := r.put(weather())
	if err != nil || len(first.UUID) != 36 || first.Revision != 1 || first.State != spec.DeviceConnected || !first.Added.Equal(at) {
		t.Fatalf("%+v, %v", first, err)
	}
	if want := "6f3ba24db49f0eae4bba0c2d4cf7a7a9a28a6a5f"; len(first.Hash) != len(want) || first.Hash != device.Hash(&first) {
		t.Errorf("the hash %q", first.Hash)
	}
	again := weather()
	again.Attributes = []byte(`{ "a": [2], "b": 1 }`)
	if same, err := r.put(again); err != nil || same.Revision != 1 {
		t.Errorf("the same device in another form made revision %d, %v", same.Revision, err)
	}
	again.Name = "Cellar"
	second, err := r.put(again)
	if err != nil || second.Revision != 2 || second.UUID != first.UUID || second.Hash == first.Hash || !second.Added.Equal(first.Added) {
		t.Errorf("renamed: %+v, %v", second, err)
	}
	again.Endpoint = "/dev/ttyUSB1"
	if third, err := r.put(again); err != nil || third.Hash != second.Hash || third.Revision != 3 {
		t.Errorf("an endpoint describes nothing upstream: %+v, %v", third, err)
	}
}

func TestDeviceIsRefused(t *testing.T) {
	r := newRig(t)
	for name, d := range map[string]spec.Device{
		"no id":          {},
		"long id":        {ID: strings.Repeat("x", 257)},
		"zero in id":     {ID: "a\x00b"},
		"long name":      {ID: "a", Name: strings.Repeat("x", 513)},
		"attributes":     {ID: "a", Attributes: []byte(`[1]`)},
		"config":         {ID: "a", Config: []byte(`{`)},
		"large config":   {ID: "a", Config: []byte(`{"a":"` + strings.Repeat("x", 16<<10) + `"}`)},
		"nameless tag":   {ID: "a", Tags: map[string]string{"": "x"}},
		"nameless row":   {ID: "a", AttributeUpdates: []spec.AttributeUpdate{{Template: "x"}}},
		"invalid UTF-8":  {ID: "a", Type: "\xff"},
		"long tag value": {ID: "a", Tags: map[string]string{"x": strings.Repeat("x", 257)}},
	} {
		if _, err := r.put(d); !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range 4 {
		if _, err := r.put(spec.Device{ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.put(spec.Device{ID: "4"}); !fault.Is(err, fault.Exhausted) {
		t.Errorf("one too many: %v", err)
	}
	if !r.apply(abi.DeviceChange{Change: abi.ChangeRemove, ID: "0"}) {
		t.Error("not removed")
	}
	if _, err := r.put(spec.Device{ID: "4"}); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

func TestDeviceChangeIsApplied(t *testing.T) {
	r := newRig(t)
	endpoint := "port"
	if !r.apply(abi.DeviceChange{
		ID: "w1", Type: "weather", Name: "Roof", Endpoint: &endpoint,
		Tags: &abi.DeviceTags{Tags: []abi.Header{{Name: "site", Value: []byte("a")}}}, Attributes: []byte(`{"x":1}`),
	}) {
		t.Fatal("nothing changed")
	}
	if !r.apply(abi.DeviceChange{ID: "w1", Type: "weather", Name: "Cellar"}) {
		t.Fatal("nothing changed")
	}
	d, _ := r.get("w1")
	if d.Name != "Cellar" || d.Tags["site"] != "a" || string(d.Attributes) != `{"x":1}` || d.Endpoint != "port" {
		t.Errorf("what a change does not say stays: %+v", d)
	}
	if r.apply(abi.DeviceChange{ID: "w1", Type: "weather", Name: "Cellar"}) {
		t.Error("the same once more is no change")
	}
	if !r.apply(abi.DeviceChange{ID: "w1", Type: "weather", Name: "Cellar", Tags: &abi.DeviceTags{}}) {
		t.Error("no tags are a change")
	}
	if d, _ := r.get("w1"); len(d.Tags) > 0 {
		t.Errorf("tags %v", d.Tags)
	}
	if r.apply(abi.DeviceChange{Change: abi.ChangeRemove, ID: "other"}) || r.apply(abi.DeviceChange{Change: 99, ID: "w1"}) {
		t.Error("what is not there, or not known, changes nothing")
	}
}

// TestDeviceLeaves: what upstream knows stays in the book until upstream has let go of
// it; what it never knew does not.
func TestDeviceLeaves(t *testing.T) {
	for _, known := range []bool{false, true} {
		for change, state := range map[abi.Change]spec.DeviceState{
			abi.ChangeRemove: spec.DeviceDeleted, abi.ChangeDisconnect: spec.DeviceDisconnected,
		} {
			r := newRig(t)
			if _, err := r.put(weather()); err != nil {
				t.Fatal(err)
			}
			if known {
				d, _ := r.get("w1")
				if err := r.update(func(w store.Writer) error { return r.Told(w, &d, device.Word{Registered: true, Known: true}) }); err != nil {
					t.Fatal(err)
				}
			}
			if !r.apply(abi.DeviceChange{Change: change, ID: "w1"}) {
				t.Fatal("nothing changed")
			}
			d, found := r.get("w1")
			if found != known || known && (d.State != state || d.Registered) {
				t.Errorf("known %v: %+v, %v", known, d, found)
			}
			err := r.space.View(t.Context(), func(rd store.Reader) error {
				_, err := r.Get(rd, "c", "w1")
				return err
			})
			if !fault.Is(err, fault.DeviceUnknown) {
				t.Errorf("it is not here: %v", err)
			}
			back, err := r.put(weather())
			if err != nil || back.State != spec.DeviceConnected || (back.UUID == d.UUID) != known || back.Registered {
				t.Errorf("back again: %+v, %v", back, err)
			}
		}
	}
}

func TestDeviceTags(t *testing.T) {
	r := newRig(t)
	d, err := r.put(weather())
	if err != nil {
		t.Fatal(err)
	}
	tag := func(do func(w store.Writer) (spec.Device, error)) error {
		return r.update(func(w store.Writer) (err error) {
			d, err = do(w)
			return err
		})
	}
	add := func(name string) error {
		return tag(func(w store.Writer) (spec.Device, error) { return r.AddTag(w, "c", "w1", name, "v", 0, at) })
	}
	change := func(name string, revision uint64) error {
		return tag(func(w store.Writer) (spec.Device, error) { return r.ChangeTag(w, "c", "w1", name, "n", revision, at) })
	}
	remove := func(name string) error {
		return tag(func(w store.Writer) (spec.Device, error) { return r.RemoveTag(w, "c", "w1", name, 0, at) })
	}
	hash := d.Hash
	if err := add("room"); err != nil || d.Tags["room"] != "v" || d.Hash == hash {
		t.Errorf("%+v, %v", d, err)
	}
	if err := change("room", 0); err != nil || d.Tags["room"] != "n" {
		t.Errorf("%+v, %v", d, err)
	}
	for what, tt := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"added twice":        {add("room"), fault.TagExists},
		"changed, not there": {change("roof", 0), fault.TagMissing},
		"removed, not there": {remove("roof"), fault.TagMissing},
		"stale":              {change("room", 1), fault.StaleRevision},
		"nameless":           {add(""), fault.Invalid},
	} {
		if !fault.Is(tt.err, tt.kind) {
			t.Errorf("%s: %v", what, tt.err)
		}
	}
	if err := remove("room"); err != nil || len(d.Tags) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	d, _ = r.get("w1")
	if d.Hash != hash {
		t.Error("with the same tags the hash is the same")
	}
}

func TestDevicesAreListed(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"b", "a", "d/1"} {
		if _, err := r.put(spec.Device{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	err := r.space.View(t.Context(), func(rd store.Reader) error {
		var ids []string
		for after := ""; ; {
			list, next, err := r.List(rd, "c", after, 2)
			if err != nil {
				return err
			}
			for _, d := range list {
				ids = append(ids, d.ID)
			}
			if after = next; after == "" {
				break
			}
		}
		if got := strings.Join(ids, " "); got != "a b d/1" {
			t.Errorf("listed %q", got)
		}
		n := 0
		for _, err := range r.Here(rd, "c") {
			if err != nil {
				return err
			}
			n++
		}
		if n != 3 {
			t.Errorf("%d are here", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDevicesHaveABoundInBytes: of all devices of a connector together, whoever
// counted them.
func TestDevicesHaveABoundInBytes(t *testing.T) {
	r := newRig(t)
	r.Book = device.NewBook(0, 10<<10)
	put := func(id string, config int) error {
		_, err := r.put(spec.Device{ID: id, Config: []byte(`{"a":"` + strings.Repeat("x", config) + `"}`)})
		return err
	}
	for i, step := range []struct {
		id     string
		config int
		room   bool
	}{
		{"a", 4 << 10, true},
		{"b", 4 << 10, true},
		{"c", 4 << 10, false},
		{"a", 6 << 10, false},
		{"a", 1, true},
		{"c", 4 << 10, true},
		{"d", 4 << 10, false},
		{"b", 3 << 10, true},
	} {
		if err := put(step.id, step.config); step.room && err != nil || !step.room && !fault.Is(err, fault.Exhausted) {
			t.Errorf("step %d, %s with %d bytes: %v", i, step.id, step.config, err)
		}
	}
	if err := r.update(func(w store.Writer) error { // as a version wrote it that counted no bytes
		_, err := w.Put(store.DeviceSyncs, "c\x00count", []byte{0, 0, 0, 0, 0, 0, 0, 3})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := put("d", 4<<10); !fault.Is(err, fault.Exhausted) {
		t.Errorf("counted anew: %v", err)
	}
	if err := r.update(func(w store.Writer) error { return r.Forget(w, "c", "c") }); err != nil {
		t.Fatal(err)
	}
	if err := put("d", 4<<10); err != nil {
		t.Errorf("in the place of one that was forgotten: %v", err)
	}
}
