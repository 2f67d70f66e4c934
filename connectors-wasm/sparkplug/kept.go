package main

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// What devices were born as is kept, so that the next guest bears those too that
// have nothing to say for long: hosts take every device for dead that has no birth
// after the node's. Values are not kept: they are null until there is one.

// keptDevice is a device in the connector's state.
type keptDevice struct {
	Device    string    `json:"device"`
	Connector string    `json:"connector"`
	Dead      bool      `json:"dead,omitempty"`
	Metrics   []keptTag `json:"metrics"`
}

type keptTag struct {
	Name string   `json:"n"`
	Unit string   `json:"u,omitempty"`
	Kind datatype `json:"t"`
}

// maxKeptBytes bounds a device in the state. A larger one is born with its next
// record.
const maxKeptBytes = 60 << 10

// maxSaved bounds the devices that one step keeps; the others follow with later
// ones.
const maxSaved = 100

func keyDevice(place int) string { return "device/" + strconv.Itoa(place) }

// load makes the devices that are kept alive, for the next birth. What cannot be
// read is born with its next record.
func (e *edge) load() {
	for ; e.places < maxDevices; e.places++ {
		value, found, err := kv.Get(keyDevice(e.places), nil)
		if err != nil {
			log.Warning("devices that were kept cannot be read, and are born with their next records: " + err.Error())
		}
		if err != nil || !found {
			return
		}
		var kept keptDevice
		if wrong := json.Unmarshal(value, &kept); wrong != nil {
			log.Warning("a device that was kept cannot be read, and is born with its next record: " + wrong.Error())
			continue
		}
		d, reason := e.thingOf(kept.Connector, kept.Device)
		if d == nil || d == e.self {
			log.Warning("the device " + clip(kept.Device) + ", which was kept, is born with its next record: " + reason)
			continue
		}
		d.place, d.placed = e.places, true
		for _, k := range kept.Metrics {
			if e.metrics >= maxMetrics || d.byName[k.Name] != nil || kindOf(k.Kind).form == formNone {
				continue
			}
			t := &tag{name: k.Name, unit: k.Unit, kind: k.Kind, null: true, kept: true, quality: qualityGood}
			d.cost += t.cost()
			d.tags, d.byName[k.Name] = append(d.tags, t), t
			e.metrics++
			e.alias(t)
		}
		d.born = !kept.Dead && len(d.tags) > 0
	}
}

// save keeps the devices whose births have changed. One that cannot be kept now is
// tried again, and holds up nothing.
func (e *edge) save() {
	for n := 0; len(e.dirty) > 0 && n < maxSaved; n++ {
		d := e.dirty[0]
		if !d.placed {
			d.place, d.placed = e.places, true
			e.places++
		}
		kept := keptDevice{Device: d.device, Connector: d.connector, Dead: !d.born}
		for _, t := range d.tags {
			kept.Metrics = append(kept.Metrics, keptTag{t.name, t.unit, t.kind})
		}
		value, err := json.Marshal(kept)
		if err == nil && len(value) > maxKeptBytes {
			kept.Metrics = nil
			value, err = json.Marshal(kept)
		}
		if err == nil {
			err = kv.Put(keyDevice(d.place), value)
		}
		if err != nil {
			if !e.unkept {
				log.Warning("what devices were born as is not kept: " + err.Error())
			}
			e.unkept = true
			return
		}
		e.dirty = e.dirty[1:]
	}
}

// note keeps a device with the next save.
func (e *edge) note(d *thing) {
	if !slices.Contains(e.dirty, d) {
		e.dirty = append(e.dirty, d)
	}
}
