package guesttest_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/connectors"
	"github.com/snaprail/snaprail/guest-sdk/go/devices"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// does is a guest that does this with each query.
type does func(m *abi.Message, step *snaprail.Step) error

func (d does) OnQuery(m *abi.Message, step *snaprail.Step) error { return d(m, step) }

func asked(method string) abi.Message {
	return abi.Message{Type: abi.MessageQuery, Correlation: "q", Method: method}
}

func TestOtherConnectors(t *testing.T) {
	h := guesttest.New(t, does(func(m *abi.Message, step *snaprail.Step) error {
		replies, err := connectors.Call(m.Method, &abi.Message{Type: abi.MessageRPC, Device: "roof", Body: []byte(`{"n":1}`)}, 0)
		if err != nil {
			return err
		}
		for i := range replies {
			if err := step.Partial(m, replies[i].Body); err != nil {
				return err
			}
		}
		return step.Empty(m)
	}))
	if _, err := h.Message(asked("meter")); !snaprail.IsError(err, "denied") {
		t.Errorf("without a grant: %v", err)
	}
	h.Connectors(func(connector string, m *abi.Message) ([]abi.Reply, error) {
		if connector != "meter" {
			return nil, &abi.Error{Kind: abi.FaultDenied, Code: "denied", Text: "not " + connector}
		}
		return []abi.Reply{{Status: abi.ReplyPartial, Body: m.Body}, {Body: fmt.Appendf(nil, `{"device":%q}`, m.Device)}}, nil
	})
	r := guesttest.RepliesTo(asked(""), h.MustMessage(asked("meter")))
	if len(r) != 3 || string(r[0].Body) != `{"n":1}` || string(r[1].Body) != `{"device":"roof"}` {
		t.Errorf("answered %+v", r)
	}
	if _, err := h.Message(asked("pump")); !snaprail.IsError(err, "denied") {
		t.Errorf("another connector: %v", err)
	}
}

func TestDevicesOfTheConnector(t *testing.T) {
	var all []string
	h := guesttest.New(t, does(func(*abi.Message, *snaprail.Step) error {
		if err := devices.Put(abi.DeviceChange{ID: "cellar", Type: "meter", Name: "Cellar"}); err != nil {
			return err
		}
		d, found, err := devices.Get("roof")
		if err != nil || !found || d.Name != "Roof" || d.Endpoint != "e" {
			t.Errorf("got %+v, %v, %v", d, found, err)
		}
		if _, found, err := devices.Get("moon"); err != nil || found {
			t.Errorf("found a device that there is not: %v, %v", found, err)
		}
		if err := devices.Put(abi.DeviceChange{ID: "roof", Type: "meter", Name: "Old roof"}); err != nil { // the rest stays
			return err
		}
		if err := devices.Disconnect("moon"); !snaprail.IsError(err, "not_found") {
			t.Errorf("disconnected a device that there is not: %v", err)
		}
		if err := devices.Remove("attic"); err != nil {
			return err
		}
		return devices.All(func(d *abi.Device) bool {
			all = append(all, d.ID)
			return true
		})
	}))
	kept := h.Devices(abi.Device{ID: "roof", Type: "meter", Name: "Roof", Endpoint: "e"}, abi.Device{ID: "attic"})
	for i := range abi.MaxItems { // more than a page
		id := fmt.Sprintf("x%03d", i)
		kept[id] = abi.Device{ID: id}
	}
	h.MustMessage(asked(""))
	if len(all) != abi.MaxItems+2 || !slices.IsSorted(all) || all[0] != "cellar" {
		t.Errorf("listed %d devices, from %q", len(all), all[0])
	}
	roof := kept["roof"]
	if roof.Name != "Old roof" || roof.Endpoint != "e" || roof.Hash != roof.Sum() {
		t.Errorf("kept %+v", roof)
	}
	if _, found := kept["attic"]; found {
		t.Error("the attic is still there")
	}
}

func TestApplyChangesDevices(t *testing.T) {
	kept := map[string]abi.Device{"roof": {ID: "roof", Name: "Roof", Attributes: []byte(`{"a":1}`)}}
	guesttest.Apply(kept,
		abi.DeviceChange{
			ID: "roof", Type: "meter", Name: "Roof", Tags: &abi.DeviceTags{Tags: []abi.Header{{Name: "site"}}},
			Endpoint: new("e"), Config: []byte(`{}`),
		},
		abi.DeviceChange{ID: "yard"},
		abi.DeviceChange{Change: abi.ChangeDisconnect, ID: "yard"},
	)
	roof := kept["roof"]
	if len(kept) != 1 || roof.Type != "meter" || len(roof.Tags) != 1 || roof.Endpoint != "e" || string(roof.Attributes) != `{"a":1}` || string(roof.Config) != `{}` {
		t.Errorf("kept %+v", kept)
	}
}
