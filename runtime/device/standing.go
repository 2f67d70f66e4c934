package device

import (
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Word is what upstream said of a device.
type Word struct {
	Registered bool // upstream knows it as it is: connected, or gone
	Known      bool // upstream knows it at all
}

// Told keeps upstream's word on a device as it was. One that has changed since is
// not registered as it is now. The entry of one that is gone, and that nobody has
// still to let go of, is forgotten.
func (b *Book) Told(w store.Writer, was *spec.Device, word Word) error {
	d, found, err := b.Lookup(w, was.Connector, was.ID)
	if err != nil || !found {
		return err
	}
	d.Known = word.Known
	d.Registered = word.Registered && d.State == was.State && d.Hash == was.Hash
	return b.settle(w, &d)
}

// Kept keeps whether the manager holds the device.
func (b *Book) Kept(w store.Writer, was *spec.Device, held bool) error {
	d, found, err := b.Lookup(w, was.Connector, was.ID)
	if err != nil || !found {
		return err
	}
	d.Held = held
	return b.settle(w, &d)
}

func (b *Book) settle(w store.Writer, d *spec.Device) error {
	upstreamDone := !d.Known || d.State == spec.DeviceDisconnected && d.Registered
	if d.Gone() && upstreamDone && !d.Held {
		return b.Forget(w, d.Connector, d.ID)
	}
	return b.write(w, d)
}
