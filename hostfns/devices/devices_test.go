package devices_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/devices"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// kept are the devices of a connector that never commits, in the order of their
// ids.
type kept struct {
	list   []abi.Device
	staged []abi.DeviceChange
	err    error
}

func (k *kept) Device(_ context.Context, id string) (abi.Device, bool, error) {
	for _, d := range k.list {
		if d.ID == id {
			return d, true, k.err
		}
	}
	return abi.Device{}, false, k.err
}

func (k *kept) Devices(_ context.Context, after string, limit int) (list []abi.Device, more bool, err error) {
	for _, d := range k.list {
		if d.ID > after {
			list = append(list, d)
		}
	}
	return list[:min(limit, len(list))], len(list) > limit, k.err
}

func (k *kept) Change(_ context.Context, c abi.DeviceChange) error {
	if k.err == nil {
		k.staged = append(k.staged, c)
	}
	return k.err
}

func TestContract(t *testing.T) {
	k := &kept{list: []abi.Device{{ID: "a", Type: "meter", Name: "A"}, {ID: "b"}}}
	get := func(id string) hostfnstest.Call {
		return hostfnstest.Call{Function: "get", Request: abi.DeviceQuery{ID: id}, Reply: &abi.DevicePage{}}
	}
	list := func(q abi.DeviceQuery) hostfnstest.Call {
		return hostfnstest.Call{Function: "list", Request: q, Reply: &abi.DevicePage{}}
	}
	change := func(function string, c abi.DeviceChange) hostfnstest.Call {
		return hostfnstest.Call{Function: function, Request: c}
	}
	hostfnstest.Run(t, hostfnstest.Case{
		Group:   devices.New(),
		Devices: k,
		Calls: []hostfnstest.Call{
			get("a"), get("x"), list(abi.DeviceQuery{Limit: 1}), list(abi.DeviceQuery{After: "a"}),
			change("put", abi.DeviceChange{ID: "c", Type: "meter", Name: "C"}),
			change("put", abi.DeviceChange{ID: "c", Type: "meter"}),
			change("put", abi.DeviceChange{ID: strings.Repeat("c", 257), Type: "meter", Name: "C"}),
			change("put", abi.DeviceChange{ID: "c", Type: "meter", Name: "C", Attributes: []byte("[]")}),
			change("put", abi.DeviceChange{Change: abi.ChangeRemove, ID: "a", Type: "meter", Name: "A"}),
			change("disconnect", abi.DeviceChange{ID: "a"}),
			change("remove", abi.DeviceChange{ID: "b", Name: "of no account"}),
			change("remove", abi.DeviceChange{ID: "x"}),
		},
		Log: `
==> devices.get(iD="a")
<== devices=[{a meter A  [] []  []  }]
==> devices.get(iD="x")
<== zero
==> devices.list(limit=1)
<== devices=[{a meter A  [] []  []  }],more=true
==> devices.list(after="a")
<== devices=[{b    [] []  []  }]
==> devices.put(iD="c",type="meter",name="C")
<== ok
==> devices.put(iD="c",type="meter")
<== error=invalid
==> devices.put(iD="cccccccccccccccc... 257 bytes",type="meter",name="C")
<== error=too_large
==> devices.put(iD="c",type="meter",name="C",attributes="[]")
<== error=invalid
==> devices.put(change=1,iD="a",type="meter",name="A")
<== error=invalid
==> devices.disconnect(iD="a")
<== ok
==> devices.remove(iD="b",name="of no account")
<== ok
==> devices.remove(iD="x")
<== error=device_unknown
`,
	})
	want := "[{0 c meter C} {2 a  } {1 b  }]"
	var got []string
	for _, c := range k.staged {
		got = append(got, fmt.Sprintf("{%d %s %s %s}", c.Change, c.ID, c.Type, c.Name))
	}
	if text := "[" + strings.Join(got, " ") + "]"; text != want {
		t.Errorf("staged %s, want %s", text, want)
	}
}

func TestErrorsOfTheBookReachTheGuest(t *testing.T) {
	s, err := devices.New().Open(t.Context(), capability.Scope{Devices: &kept{err: fault.New(fault.DiskFull, "no space")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, function := range []string{"get", "list", "put", "disconnect", "remove"} {
		in := abi.DeviceChange{ID: "a", Type: "t", Name: "n"}.Append(nil)
		if function == "get" || function == "list" {
			in = abi.DeviceQuery{ID: "a"}.Append(nil)
		}
		if _, err := s.Call(t.Context(), function, in, nil); !fault.Is(err, fault.DiskFull) {
			t.Errorf("%s: %v", function, err)
		}
	}
}

// TestListIsBounded: a page is about as large as it may be, and one device at
// least.
func TestListIsBounded(t *testing.T) {
	k := &kept{}
	for i := range 40 {
		k.list = append(k.list, abi.Device{ID: fmt.Sprintf("%02d", i), Config: make([]byte, 16<<10)})
	}
	s, err := devices.New().Open(t.Context(), capability.Scope{Devices: k}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Call(t.Context(), "list", abi.DeviceQuery{}.Append(nil), nil)
	if err != nil || len(out) > 300<<10 {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
	var page abi.DevicePage
	if err := page.Decode(out); err != nil || len(page.Devices) != 15 || !page.More {
		t.Errorf("%d devices, more %v, %v", len(page.Devices), page.More, err)
	}
}

func TestNoneInAConverter(t *testing.T) {
	if _, err := devices.New().Open(t.Context(), capability.Scope{}, nil); !fault.Is(err, fault.Unsupported) {
		t.Error(err)
	}
}
