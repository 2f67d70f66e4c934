package snaprail_test

import (
	"reflect"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

func TestTagsOfADevice(t *testing.T) {
	d := snaprail.NewDevice("roof", "meter", "Roof")
	before := d.Hash()
	if err := d.ChangeTag("site", "x"); !snaprail.IsError(err, "tag_missing") {
		t.Errorf("changing a tag that is not there: %v", err)
	}
	if err := d.RemoveTag("site"); !snaprail.IsError(err, "tag_missing") {
		t.Errorf("removing a tag that is not there: %v", err)
	}
	if err := d.AddTag("site", "Bonn"); err != nil {
		t.Error(err)
	}
	if err := d.AddTag("site", "Köln"); !snaprail.IsError(err, "tag_exists") {
		t.Errorf("adding a tag twice: %v", err)
	}
	added := d.Hash()
	if err := d.ChangeTag("site", "Köln"); err != nil {
		t.Error(err)
	}
	if value, found := d.Tag("site"); !found || value != "Köln" {
		t.Errorf("the tag is %q, %v", value, found)
	}
	changed := d.Hash()
	if err := d.RemoveTag("site"); err != nil {
		t.Error(err)
	}
	if _, found := d.Tag("site"); found || d.Hash() != before || added == before || changed == added {
		t.Errorf("hashes are %s, %s, %s, %s", before, added, changed, d.Hash())
	}
}

func TestDevicesThatAStepChanges(t *testing.T) {
	out := built(t, func(step *snaprail.Step) {
		d := snaprail.NewDevice("roof", "meter", "Roof")
		if err := d.AddTag("site", "Bonn"); err != nil {
			t.Error(err)
		}
		d.Attributes, d.Endpoint, d.Config = []byte(`{"serial":"A-1"}`), "/dev/ttyUSB0", []byte(`{"unit":3}`)
		step.Put(d)
		if err := d.ChangeTag("site", "gone"); err != nil { // the step has its own
			t.Error(err)
		}
		step.Put(snaprail.NewDevice("cellar", "meter", "Cellar"))
		step.PutDevice("yard", "meter", "Yard")
		step.DisconnectDevice("attic")
		step.RemoveDevice("shed")
	})
	want := []abi.DeviceChange{
		{
			ID: "roof", Type: "meter", Name: "Roof", Tags: &abi.DeviceTags{Tags: []abi.Header{{Name: "site", Value: []byte("Bonn")}}},
			Attributes: []byte(`{"serial":"A-1"}`), Endpoint: new("/dev/ttyUSB0"), Config: []byte(`{"unit":3}`),
		},
		{ID: "cellar", Type: "meter", Name: "Cellar", Tags: &abi.DeviceTags{}},
		{ID: "yard", Type: "meter", Name: "Yard"},
		{Change: abi.ChangeDisconnect, ID: "attic"},
		{Change: abi.ChangeRemove, ID: "shed"},
	}
	if !reflect.DeepEqual(out.Devices, want) {
		t.Errorf("\n got %+v\nwant %+v", out.Devices, want)
	}
}

// TestDevicesOfALaneAreDevices: what open is handed has the methods of a device.
func TestDevicesOfALaneAreDevices(t *testing.T) {
	in := abi.Device{ID: "roof", Type: "meter", Name: "Roof", Tags: []abi.Header{{Name: "site", Value: []byte("Bonn")}}}
	d := snaprail.Device{Device: in}
	if value, found := d.Tag("site"); !found || value != "Bonn" || d.Hash() != in.Sum() {
		t.Errorf("%q, %v, %s", value, found, d.Hash())
	}
}
