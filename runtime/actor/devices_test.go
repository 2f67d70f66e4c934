package actor

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// committed are the devices of a connector in the order of their ids.
type committed []abi.Device

func (c committed) Device(_ context.Context, id string) (abi.Device, bool, error) {
	for _, d := range c {
		if d.ID == id {
			return d, true, nil
		}
	}
	return abi.Device{}, false, nil
}

func (c committed) Devices(_ context.Context, after string, limit int) (list []abi.Device, more bool, err error) {
	for _, d := range c {
		if d.ID > after {
			list = append(list, d)
		}
	}
	return slices.Clone(list[:min(limit, len(list))]), len(list) > limit, nil
}

// named lists all devices, a page at a time, as a guest does.
func named(t *testing.T, s *staged, limit int) string {
	t.Helper()
	var ids []string
	for after := ""; ; {
		list, more, err := s.Devices(t.Context(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range list {
			ids = append(ids, d.ID+":"+d.Name)
			after = d.ID
		}
		if !more || len(list) == 0 {
			return strings.Join(ids, " ")
		}
		if len(list) > limit {
			t.Fatalf("%d devices, %d were asked for", len(list), limit)
		}
	}
}

// TestStagedDevices: whatever the size of the pages, a step sees what it has
// changed on top of what is committed.
func TestStagedDevices(t *testing.T) {
	base := committed{{ID: "b", Name: "B"}, {ID: "d", Name: "D"}, {ID: "e", Name: "E"}, {ID: "g", Name: "G"}}
	for limit := 1; limit < 6; limit++ {
		s := &staged{reader: base}
		for _, c := range []abi.DeviceChange{
			{ID: "a", Name: "new"},
			{ID: "d", Change: abi.ChangeRemove},
			{ID: "e", Name: "other"},
			{ID: "h", Name: "last"},
			{ID: "b", Change: abi.ChangeDisconnect},
			{ID: "f", Name: "gone"},
			{ID: "f", Change: abi.ChangeRemove},
			{ID: "b", Name: "back"},
		} {
			if err := s.Change(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		if got := named(t, s, limit); got != "a:new b:back e:other g:G h:last" {
			t.Errorf("in pages of %d: %s", limit, got)
		}
		if d, found, err := s.Device(t.Context(), "e"); err != nil || !found || d.Name != "other" || d.Hash != d.Sum() {
			t.Errorf("%+v, %v, %v", d, found, err)
		}
		if _, found, err := s.Device(t.Context(), "d"); err != nil || found {
			t.Errorf("what was removed is there, %v", err)
		}
		block := s.take([]abi.DeviceChange{{ID: "outcome"}})
		if len(block) != 9 || block[8].ID != "outcome" || len(s.take(nil)) != 0 {
			t.Errorf("the block has %d changes", len(block))
		}
		if got := named(t, s, limit); got != "b:B d:D e:E g:G" {
			t.Errorf("after a step that failed: %s", got)
		}
	}
}

func TestStagedDevicesAreBounded(t *testing.T) {
	s := &staged{reader: committed{}, types: []string{"meter"}}
	if err := s.Change(t.Context(), abi.DeviceChange{ID: "a", Type: "boat"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a type that the module does not serve: %v", err)
	}
	name := []byte("name")
	c := abi.DeviceChange{ID: "a", Type: "meter", Attributes: name}
	for range maxDevices {
		if err := s.Change(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	copy(name, "xxxx")
	if string(s.changes[0].Attributes) != "name" {
		t.Error("a change is not its own")
	}
	if err := s.Change(t.Context(), c); !fault.Is(err, fault.TooLarge) {
		t.Errorf("one too many: %v", err)
	}
	s.take(nil)
	c.Config = make([]byte, 16<<10)
	n := 0
	for ; s.Change(t.Context(), c) == nil; n++ {
		if n > 20 {
			t.Fatal("no end")
		}
	}
	if n != 15 {
		t.Errorf("%d of 16 KiB each", n)
	}
}

// TestStagedTags: a put that says nothing of tags and attributes leaves them.
func TestStagedTags(t *testing.T) {
	s := &staged{reader: committed{{ID: "a", Tags: []abi.Header{{Name: "site"}}, Attributes: []byte("{}"), Endpoint: "port"}}}
	if err := s.Change(t.Context(), abi.DeviceChange{ID: "a", Type: "t", Name: "n"}); err != nil {
		t.Fatal(err)
	}
	if d, _, _ := s.Device(t.Context(), "a"); len(d.Tags) != 1 || string(d.Attributes) != "{}" || d.Endpoint != "port" || d.Type != "t" {
		t.Errorf("%+v", d)
	}
	none := ""
	if err := s.Change(t.Context(), abi.DeviceChange{ID: "a", Tags: &abi.DeviceTags{}, Attributes: []byte{}, Endpoint: &none}); err != nil {
		t.Fatal(err)
	}
	if d, _, _ := s.Device(t.Context(), "a"); len(d.Tags) != 0 || len(d.Attributes) != 0 || d.Endpoint != "" {
		t.Errorf("%+v", d)
	}
}
