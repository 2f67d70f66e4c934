// Command roster knows devices: as a platform, as a manager of the devices of
// other connectors, and of its own. It exists for the host's tests.
package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/devices"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
)

var _ = snaprail.Register(&roster{})

func main() {}

// roster is the connector. What it knows as a platform or as a manager it keeps
// under the key of the connector whose devices they are.
type roster struct {
	Refuse []string `json:"refuse"` // operations
	told   []string // what upstream said of its own devices
}

// Open takes the config.
func (r *roster) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	r.Refuse = nil
	return snaprail.Config(in, r)
}

// OnEvents keeps upstream's word.
func (r *roster) OnEvents(events []abi.Event, _ *snaprail.Step) error {
	for i := range events {
		if e := &events[i]; e.Type == abi.EventDevice {
			r.told = append(r.told, e.Name+" "+string(e.Data))
		}
	}
	return nil
}

// Test has nothing to reach.
func (*roster) Test(*abi.OpenInput) abi.TestResult { return abi.TestResult{Success: true} }

func failed(kind abi.FaultKind, format string, args ...any) error {
	return &abi.Error{Kind: kind, Code: "roster", Text: fmt.Sprintf(format, args...)}
}

// args are those of all operations.
type args struct {
	Connector string   `json:"connector"`
	ID        string   `json:"id"`
	Device    document `json:"device"`
	Fail      bool     `json:"fail"`
}

type document map[string]any

func (d document) id() string {
	id, _ := d["id"].(string)
	return id
}

// Operate serves the operations.
func (r *roster) Operate(name string, raw []byte) ([]byte, error) {
	var in args
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, failed(abi.FaultInvalid, "%v", err)
	}
	if slices.Contains(r.Refuse, name) {
		return nil, failed(abi.FaultUnknown, "it has rules against %s", name)
	}
	switch name {
	case "register_device", "add":
		return nil, r.set(in.Connector, in.Device.id(), false, func(document) document { return connected(in.Device) })
	case "update_device", "update":
		return nil, r.set(in.Connector, in.Device.id(), true, func(document) document { return connected(in.Device) })
	case "disconnect_device":
		return nil, r.set(in.Connector, in.ID, true, func(d document) document {
			d["state"] = "disconnected"
			return d
		})
	case "delete_device", "remove":
		return nil, r.set(in.Connector, in.ID, true, func(document) document { return nil })
	case "get":
		all, err := known(in.Connector)
		if err != nil {
			return nil, err
		}
		return json.Marshal(all[in.ID])
	case "devices":
		all, err := known(in.Connector)
		if err != nil {
			return nil, err
		}
		return json.Marshal(all)
	}
	return r.own(name, &in)
}

func connected(d document) document {
	d["state"] = "connected"
	return d
}

func known(connector string) (all map[string]document, err error) {
	all = map[string]document{}
	raw, found, err := kv.Get("of "+connector, nil)
	if err != nil || !found {
		return all, err
	}
	return all, json.Unmarshal(raw, &all)
}

// set changes one device of a connector. Nil takes it away.
func (r *roster) set(connector, id string, there bool, change func(document) document) error {
	all, err := known(connector)
	if err != nil {
		return err
	}
	d, found := all[id]
	switch {
	case found && !there:
		return failed(abi.FaultConflict, "%s is there", id)
	case !found && there:
		return failed(abi.FaultNotFound, "%s is not there", id)
	}
	if all[id] = change(d); all[id] == nil {
		delete(all, id)
	}
	raw, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return kv.Put("of "+connector, raw)
}

// own serves what concerns the connector's own devices. With fail, the step is
// dropped after all is done.
func (r *roster) own(name string, in *args) (answer []byte, err error) {
	switch name {
	case "own_put":
		err = put(in.Device)
	case "own_disconnect":
		err = devices.Disconnect(in.ID)
	case "own_remove":
		err = devices.Remove(in.ID)
	case "own_told":
		return json.Marshal(r.told)
	case "own_devices":
	default:
		return nil, snaprail.NoOperation(name)
	}
	if err != nil {
		return nil, err
	}
	var all []document
	err = devices.All(func(d *abi.Device) bool {
		all = append(all, plain(d))
		return true
	})
	if err == nil && in.Fail {
		err = failed(abi.FaultUnknown, "as it was told, having seen %d", len(all))
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

func put(d document) error {
	change := abi.DeviceChange{ID: d.id()}
	change.Type, _ = d["type"].(string)
	change.Name, _ = d["name"].(string)
	if tags, ok := d["tags"].(map[string]any); ok {
		change.Tags = &abi.DeviceTags{}
		for name, value := range tags {
			text, _ := value.(string)
			change.Tags.Tags = append(change.Tags.Tags, abi.Header{Name: name, Value: []byte(text)})
		}
	}
	return devices.Put(change)
}

func plain(d *abi.Device) document {
	doc := document{"id": d.ID, "type": d.Type, "name": d.Name, "hash": d.Hash, "state": d.State}
	if d.Sum() != d.Hash {
		doc["hash"] = "not " + d.Sum()
	}
	return doc
}
