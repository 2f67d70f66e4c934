package supervisor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/device"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/interlock"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// Every write of a message is in the trail, whatever others it has.
func TestTrailHidesNoWrite(t *testing.T) {
	tenant := &Tenant{vault: &secret.Vault{}}
	var writes []interlock.Write
	for i := range 64 {
		writes = append(writes, interlock.Write{Tag: fmt.Sprintf("aaa%02d%s", i, strings.Repeat("a", 240)), Value: `"` + strings.Repeat("x", 300) + `"`})
	}
	writes = append(writes, interlock.Write{Tag: "valve", Value: "901"})
	c, m := &spec.Connector{ID: "c", Name: "line"}, &abi.Message{Type: abi.MessageAttributes}
	long := fault.New(fault.Interlocked, "%s", strings.Repeat("refused ", 100))
	for name, refused := range map[string]error{"let through": nil, "refused": long} {
		found := map[string]bool{}
		word := Word{Person: interlock.Person{Name: strings.Repeat("ada", 40)}, Approver: interlock.Person{Name: strings.Repeat("bob", 40)}}
		for _, e := range tenant.writeEvents(c, m, writes, word, interlock.Permit{Override: "ov_63_" + strings.Repeat("A", 26)}, refused) {
			if len(e.Detail) > identity.MaxDetail {
				t.Errorf("%s: %d bytes are cut off: %s", name, len(e.Detail)-identity.MaxDetail, e.Detail)
			}
			for i := range 64 {
				found[fmt.Sprintf("aaa%02d", i)] = found[fmt.Sprintf("aaa%02d", i)] || strings.Contains(e.Detail, fmt.Sprintf("aaa%02d", i))
			}
			found["valve"] = found["valve"] || strings.Contains(e.Detail, "valve=901")
			if !strings.Contains(e.Detail, "asked for by ada") {
				t.Errorf("%s: who asked is not told: %s", name, e.Detail)
			}
		}
		for what, is := range found {
			if !is {
				t.Errorf("%s: %s is not in the trail", name, what)
			}
		}
	}
	if one := tenant.writeEvents(c, m, writes[64:], Word{}, interlock.Permit{}, nil); len(one) != 1 || one[0].Detail != "valve=901" {
		t.Errorf("a single write: %+v", one)
	}
	if none := tenant.writeEvents(c, m, nil, Word{}, interlock.Permit{}, long); len(none) != 1 {
		t.Errorf("no write that is understood: %+v", none)
	}
}

// A message that names no device is judged as one to the only device.
func TestDeviceThatIsMeant(t *testing.T) {
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	space, err := s.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	tenant := &Tenant{space: space, devices: device.NewBook(0, 0)}
	add := func(id string) {
		err := space.Update(t.Context(), func(w store.Writer) error {
			_, err := tenant.devices.Put(w, spec.Device{Connector: "c", ID: id, Type: "x"}, time.Now())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(named, want string, unregistered bool) {
		t.Helper()
		m := &abi.Message{Device: named}
		is, un, err := tenant.meant(t.Context(), "c", m)
		if err != nil || is.Device != want || un != unregistered || m.Device != named {
			t.Errorf("%q is judged as %q, unregistered %t: %v", named, is.Device, un, err)
		}
	}
	check("", "", false)
	check("made-up", "made-up", true)
	add("d1")
	check("", "d1", false)
	check("d1", "d1", false)
	add("d2")
	check("", "", false)
	check("made-up", "made-up", true)
}
