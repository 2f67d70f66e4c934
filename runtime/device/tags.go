package device

import (
	"maps"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// AddTag gives a device a tag that it does not have: fault.TagExists.
func (b *Book) AddTag(w store.Writer, connector, id, name, value string, revision uint64, at time.Time) (spec.Device, error) {
	return b.tag(w, connector, id, revision, at, func(d *spec.Device) error {
		if _, had := d.Tags[name]; had {
			return fault.New(fault.TagExists, "device %.64q has the tag %.64q already", id, name)
		}
		d.Tags[name] = value
		return nil
	})
}

// ChangeTag changes a tag that a device has: fault.TagMissing.
func (b *Book) ChangeTag(w store.Writer, connector, id, name, value string, revision uint64, at time.Time) (spec.Device, error) {
	return b.tag(w, connector, id, revision, at, func(d *spec.Device) error {
		if _, had := d.Tags[name]; !had {
			return noTag(id, name)
		}
		d.Tags[name] = value
		return nil
	})
}

// RemoveTag takes a tag from a device that has it: fault.TagMissing.
func (b *Book) RemoveTag(w store.Writer, connector, id, name string, revision uint64, at time.Time) (spec.Device, error) {
	return b.tag(w, connector, id, revision, at, func(d *spec.Device) error {
		if _, had := d.Tags[name]; !had {
			return noTag(id, name).WithHint("There is nothing to take away; `snaprail devices show` prints the tags that the device has.")
		}
		delete(d.Tags, name)
		return nil
	})
}

func (b *Book) tag(w store.Writer, connector, id string, revision uint64, at time.Time, do func(*spec.Device) error) (spec.Device, error) {
	return b.Change(w, connector, id, revision, at, func(d *spec.Device) error {
		d.Tags = maps.Clone(d.Tags)
		if d.Tags == nil {
			d.Tags = map[string]string{}
		}
		if err := do(d); err != nil {
			return err
		}
		if len(d.Tags) == 0 {
			d.Tags = nil
		}
		return nil
	})
}

func noTag(id, name string) *fault.Fault {
	return fault.New(fault.TagMissing, "device %.64q has no tag %.64q", id, name)
}
