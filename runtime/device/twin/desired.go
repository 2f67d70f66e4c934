package twin

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of what is wanted of one device.
const (
	MaxDesired      = 256      // attributes
	MaxDesiredBytes = 64 << 10 // of all of them
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
// read; 0: whichever there is (fault.StaleRevision).
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
	_, err = w.Put(store.Twins, desiredID(connector, device), raw)
	return d, err
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
