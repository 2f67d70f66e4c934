package twin

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of what is wanted of one device, and of all devices of a connector,
// of which nobody need have heard yet.
const (
	MaxDesired      = 256      // attributes
	MaxDesiredBytes = 64 << 10 // of all of them

	MaxWanted      = 10_000   // devices
	MaxWantedBytes = 16 << 20 // as they are stored
)

// Desired is what is wanted of a device: values of attributes, by name.
type Desired struct {
	Values   map[string]json.RawMessage `json:"values"`
	At       time.Time                  `json:"at,omitzero"`
	By       string                     `json:"by,omitempty"`
	Revision uint64                     `json:"revision"`
}

// ReadDesired is what is wanted of a device; the zero value: nothing.
func ReadDesired(r store.Reader, connector, device string) (d Desired, err error) {
	err = read(r, store.Twins, desiredID(connector, device), &d)
	return d, err
}

// WriteDesired replaces what is wanted of a device. revision is the one that was
// read; 0: whichever there is (fault.StaleRevision). fault.Exhausted: as much is
// wanted of the connector's devices as may be.
func WriteDesired(w store.Writer, connector, device string, d Desired, revision uint64) (Desired, error) {
	if err := d.check(); err != nil {
		return d, err
	}
	was, err := ReadDesired(w, connector, device)
	if err != nil {
		return d, err
	}
	if revision != 0 && revision != was.Revision {
		return d, fault.New(fault.StaleRevision, "what is wanted of the device is at revision %d, not %d", was.Revision, revision)
	}
	d.Revision = was.Revision + 1
	raw, err := json.Marshal(d)
	if err != nil {
		return d, fault.Wrap(fault.Internal, err, "what is wanted of a device")
	}
	if err := want(w, connector, device, raw); err != nil {
		return d, err
	}
	_, err = w.Put(store.Twins, desiredID(connector, device), raw)
	return d, err
}

// wanted is how much is wanted of a connector's devices.
type wanted struct {
	Devices int `json:"devices"`
	Bytes   int `json:"bytes"`
}

func wantedID(connector string) string { return connector + "\x00" + kindWanted }

// want counts what is wanted of a device now; nil: nothing any more.
func want(w store.Writer, connector, device string, now []byte) error {
	had, err := w.Get(store.Twins, desiredID(connector, device))
	if fault.Is(err, fault.NotFound) {
		had, err = store.Entry{}, nil
	}
	if err != nil {
		return err
	}
	all, err := wantedOf(w, connector)
	if err != nil {
		return err
	}
	grown := wanted{Bytes: len(now) - len(had.Value)}
	if len(had.Value) == 0 {
		grown.Devices++
	}
	if len(now) == 0 {
		grown.Devices--
	}
	all.Devices, all.Bytes = max(0, all.Devices+grown.Devices), max(0, all.Bytes+grown.Bytes)
	if grown.Devices > 0 && all.Devices > MaxWanted || grown.Bytes > 0 && all.Bytes > MaxWantedBytes {
		return fault.New(fault.Exhausted, "something is wanted of %d devices of the connector already, or %d bytes", MaxWanted, MaxWantedBytes).
			WithHint("What is wanted of a device goes when the device is deleted.")
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "what is wanted of devices")
	}
	_, err = w.Put(store.Twins, wantedID(connector), raw)
	return err
}

// wantedOf reads the count. A store that has none yet is counted through, once.
func wantedOf(r store.Reader, connector string) (all wanted, err error) {
	e, err := r.Get(store.Twins, wantedID(connector))
	if err == nil && json.Unmarshal(e.Value, &all) == nil {
		return all, nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return all, err
	}
	all = wanted{}
	for e, err := range store.All(r, store.Twins, desiredID(connector, "")) {
		if err != nil {
			return all, err
		}
		all.Devices, all.Bytes = all.Devices+1, all.Bytes+len(e.Value)
	}
	return all, nil
}

// forgetDesired takes away what is wanted of a device that is gone. One that is
// there again keeps what is wanted of it now.
func forgetDesired(w store.Writer, connector, device string) error {
	var d spec.Device
	if err := read(w, store.Devices, connector+"\x00"+device, &d); err != nil {
		return err
	}
	if d.ID != "" && !d.Gone() {
		return nil
	}
	_, err := w.Get(store.Twins, desiredID(connector, device))
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := want(w, connector, device, nil); err != nil {
		return err
	}
	return w.Delete(store.Twins, desiredID(connector, device))
}

func (d *Desired) check() error {
	size := 0
	for tag, raw := range d.Values {
		size += len(tag) + len(raw)
		if tag == "" || len(tag) > maxName {
			return fault.New(fault.Invalid, "the name of an attribute has 1 to %d bytes", maxName).
				WithFields(fault.Field{Pointer: "/desired", Detail: "has a name that is empty or too long"})
		}
	}
	if len(d.Values) > MaxDesired || size > MaxDesiredBytes {
		return fault.New(fault.TooLarge, "at most %d attributes of a device can be wanted, %d bytes together", MaxDesired, MaxDesiredBytes)
	}
	return nil
}

// Delta is what of the wanted values is not reported so.
func (d *Desired) Delta(reported map[string]Reading) map[string]json.RawMessage {
	delta := map[string]json.RawMessage{}
	for tag, want := range d.Values {
		if is, ok := reported[tag]; !ok || !equal(want, is.Raw()) {
			delta[tag] = want
		}
	}
	return delta
}

// Body is the message of an update of these attributes, their names in order.
func Body(values map[string]json.RawMessage) []byte {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, tag := range slices.Sorted(maps.Keys(values)) {
		if i > 0 {
			b.WriteByte(',')
		}
		text, _ := json.Marshal(tag) // a text cannot fail
		b.Write(text)
		b.WriteByte(':')
		b.Write(values[tag])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// equal reports whether two JSON texts mean the same.
func equal(a, b json.RawMessage) bool {
	x, errX := abi.Canonical(a)
	y, errY := abi.Canonical(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
