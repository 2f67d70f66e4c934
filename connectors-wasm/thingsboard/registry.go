package main

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// The bounds of what is kept of devices.
const (
	maxDevices = 8192
	maxName    = 255
	shelf      = 16 // devices that are kept under one key
)

// device is a device as both sides know it.
type device struct {
	Name      string `json:"name"` // on the platform
	Connector string `json:"connector"`
	ID        string `json:"id"` // at the connector
	Type      string `json:"type"`
	Gone      bool   `json:"gone,omitempty"` // it has been disconnected

	place     int
	connected bool
	seen      int64 // unix ns
}

// registry is the devices that were connected, kept across restarts, because the
// platform reaches none that has not been connected on the connection that there
// is, and some have nothing to say for long.
type registry struct {
	list   []*device
	byName map[string]*device
	dirty  map[int]bool // shelves that are not kept as they are
	unkept bool         // that failed, and was told
}

func key(shelf int) string { return "devices/" + strconv.Itoa(shelf) }

// load reads what is kept. Devices that cannot be read are told of when they have
// records.
func load() *registry {
	r := &registry{byName: map[string]*device{}, dirty: map[int]bool{}}
	for at := 0; at*shelf < maxDevices; at++ {
		value, found, err := kv.Get(key(at), nil)
		if err == nil && !found {
			break
		}
		var kept []*device
		if err == nil {
			err = json.Unmarshal(value, &kept)
		}
		if err != nil {
			log.Warning("devices that were kept cannot be read, and are told of when they have records: " + err.Error())
			break
		}
		for _, d := range kept {
			if d != nil {
				r.put(d)
			}
		}
	}
	return r
}

func (r *registry) put(d *device) {
	d.place = len(r.list)
	r.list = append(r.list, d)
	r.byName[d.Name] = d
}

// save keeps what has changed, with the step. What cannot be kept now is tried
// again, and holds up nothing.
func (r *registry) save() {
	for at := range r.dirty {
		value, err := json.Marshal(r.list[at*shelf : min((at+1)*shelf, len(r.list))])
		if err == nil {
			err = kv.Put(key(at), value)
		}
		if err != nil {
			if !r.unkept {
				log.Warning("the devices are not kept for the next start: " + err.Error())
			}
			r.unkept = true
			return
		}
		delete(r.dirty, at)
	}
}

func (r *registry) changed(d *device) { r.dirty[d.place/shelf] = true }

// find is the device of a record, which is added when it is new. The reason is why
// there is none.
func (r *registry) find(c *config, connector, id string) (d *device, reason string) {
	name := id
	if c.DeviceBy == byConnector {
		name = connector + ":" + id
	}
	d = r.byName[name]
	switch {
	case d != nil && d.Connector == connector && !d.Gone:
		return d, ""
	case d != nil:
		d.Connector, d.ID, d.Gone = connector, id, false
		r.changed(d)
		return d, ""
	case id == "":
		return nil, "the record is of no device, and the platform takes none without"
	case len(name) > maxName || !utf8.ValidString(name):
		return nil, "the name of the device is longer than 255 bytes"
	case len(r.list) >= maxDevices:
		return nil, "there are too many devices"
	}
	d = &device{Name: name, Connector: connector, ID: id, Type: c.typeOf(connector, id)}
	r.put(d)
	r.changed(d)
	return d, ""
}
