package supervisor

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// keep puts a device into the book, or takes it out, and tells nobody.
func (t *Tenant) keep(test *testing.T, id, name string) { //nolint:thelper // t is the tenant, as everywhere here
	test.Helper()
	if err := t.space.Update(test.Context(), func(w store.Writer) error {
		if name == "" {
			return t.devices.Forget(w, "c", id)
		}
		d := spec.Device{Connector: "c", ID: id, Name: name}
		if name == "converts" {
			d.Converter = &spec.Converter{Module: "m"}
		}
		_, err := t.devices.Put(w, d, time.Now())
		return err
	}); err != nil {
		test.Fatal(err)
	}
}

func (r *runner) names() (names []string) {
	for i := range r.roster.list {
		names = append(names, r.roster.list[i].ID+"="+r.roster.list[i].Name)
	}
	return names
}

// TestOnlyChangedDevicesAreRead once all have been.
func TestOnlyChangedDevicesAreRead(t *testing.T) {
	ten, _ := bare(t)
	r := ten.newRunner("c")
	ten.runners["c"] = r
	for _, id := range []string{"a", "b", "c", "d"} {
		ten.keep(t, id, "first")
	}
	roll := func(want ...string) {
		t.Helper()
		if err := r.roll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.names(); !slices.Equal(got, want) {
			t.Errorf("the devices are %q, want %q", got, want)
		}
		wanted, err := ten.plan(t.Context(), &spec.Connector{ID: "c"})
		if err == nil && len(r.moving) == 0 && wanted.own.key() != r.roster.own.key() {
			t.Errorf("the converters are %s, want %s", r.roster.own.key(), wanted.own.key())
		}
	}
	roll("a=first", "b=first", "c=first", "d=first")
	ten.keep(t, "a", "second") // nobody says so
	ten.keep(t, "b", "second")
	ten.DevicesChanged("c", "b")
	if len(r.moving) != 1 {
		t.Error("the runner was not told")
	}
	roll("a=first", "b=second", "c=first", "d=first")
	<-r.moving
	ten.keep(t, "c", "")
	ten.keep(t, "ab", "converts")
	ten.DevicesChanged("c", "c", "ab", "never")
	<-r.moving
	roll("a=first", "ab=converts", "b=second", "d=first")
	if r.roster.own.devices["ab"] == nil {
		t.Error("a new device's converter is not known")
	}
	ten.keep(t, "ab", "plain")
	ten.DevicesChanged("c", "ab")
	<-r.moving
	if roll("a=first", "ab=plain", "b=second", "d=first"); len(r.roster.own.devices) != 0 {
		t.Error("a device has a converter that it lost")
	}
	many := make([]string, maxStaleDevices+1)
	for i := range many {
		many[i] = fmt.Sprint("x", i)
	}
	ten.DevicesChanged("c", many...)
	<-r.moving
	roll("a=second", "ab=plain", "b=second", "d=first")
}

// TestRunnersRestFromDevices, and from nothing else.
func TestRunnersRestFromDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ten, _ := bare(t)
		r := ten.newRunner("c")
		r.rested(time.Second / 4)
		for _, c := range []struct {
			poke func()
			took time.Duration
		}{
			{r.pokeDevices, 2 * time.Second},
			{r.poke, 0},
			{func() {}, time.Minute},
		} {
			began := time.Now()
			if c.poke(); !r.sleep(time.Minute) {
				t.Error("a runner that was not to end does")
			}
			if took := time.Since(began); took != c.took {
				t.Errorf("the runner slept for %v, want %v", took, c.took)
			}
		}
		if r.rested(time.Hour); r.pause != mostRest {
			t.Errorf("a runner rests for %v", r.pause)
		}
	})
}
