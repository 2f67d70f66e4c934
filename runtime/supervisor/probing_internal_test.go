package supervisor

import (
	"context"
	"encoding/json"
	"net"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/probe"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// reading counts what is read of a space.
type reading struct {
	store.Space

	gets, lists int
}

func (c *reading) View(ctx context.Context, fn func(store.Reader) error) error {
	return c.Space.View(ctx, func(r store.Reader) error { return fn(countedReader{r, c}) })
}

type countedReader struct {
	store.Reader

	of *reading
}

func (r countedReader) Get(b store.Bucket, id string) (store.Entry, error) {
	r.of.gets++
	return r.Reader.Get(b, id)
}

func (r countedReader) List(b store.Bucket, prefix, after string, limit int) ([]store.Entry, error) {
	r.of.lists++
	return r.Reader.List(b, prefix, after, limit)
}

// probedTenant is a tenant with a probe for its set "field", and with what it
// reads.
func probedTenant(t *testing.T) (*Tenant, *reading) {
	t.Helper()
	db := memory.New()
	t.Cleanup(func() { _ = db.Close() })
	space, err := db.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	counted := &reading{Space: space}
	probes := probe.New(probe.Config{Listen: func(ctx context.Context, _ int) (net.Listener, error) {
		return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	}})
	t.Cleanup(probes.Close)
	s := &Supervisor{cfg: Config{Probes: probes}, stirred: make(chan struct{}, 1), kill: t.Context()}
	ten := &Tenant{name: "plant", super: s, space: counted, runners: map[string]*runner{}}
	if err := ten.AssignProbe(t.Context(), "field", 4000); err != nil {
		t.Fatal(err)
	}
	return ten, counted
}

// stirredOnce reports whether the probes were to be looked at.
func (t *Tenant) stirredOnce() bool {
	select {
	case <-t.super.stirred:
	default:
	}
	return t.stirred.Swap(false)
}

// TestWordsOfHealthAreCheap: a guest may say how it is as often as it likes. What
// it said before has nobody look, and what is looked at then is not the specs of
// all connectors.
func TestWordsOfHealthAreCheap(t *testing.T) {
	ten, counted := probedTenant(t)
	put := func(id, set string) {
		err := ten.space.Update(t.Context(), func(w store.Writer) error {
			raw, err := json.Marshal(spec.Connector{ID: id, Name: id, Set: set, Enabled: true})
			if err == nil {
				_, err = w.Put(store.Connectors, id, raw)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	members := func(set string) int {
		all, err := ten.probed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all[set].Members)
	}
	for _, id := range []string{"a", "b", "c"} {
		put(id, "field")
	}
	if n := members("field"); n != 3 || !ten.stirredOnce() {
		t.Fatalf("%d are in the set", n)
	}

	say := ten.declares("a")
	say(abi.HealthHealthy)
	if !ten.stirredOnce() || members("field") != 3 {
		t.Error("a word that is another stirs nobody")
	}
	*counted = reading{Space: counted.Space}
	for range 100 {
		say(abi.HealthHealthy)
	}
	if ten.stirredOnce() {
		t.Error("the same word has the probes looked at")
	}
	say(abi.HealthUnhealthy)
	if members("field"); counted.gets+counted.lists != 0 {
		t.Errorf("a word has %d specs and %d pages of them read", counted.gets, counted.lists)
	}

	put("b", "yard")
	ten.members.changed("b")
	if members("field") != 2 || members("yard") != 1 || counted.gets != 1 || counted.lists != 0 {
		t.Errorf("one that moved: %d and %d pages were read", counted.gets, counted.lists)
	}

	if err := ten.AssignProbe(t.Context(), "field", 0); err != nil {
		t.Fatal(err)
	}
	ten.stirredOnce()
	if say(abi.HealthHealthy); ten.stirredOnce() {
		t.Error("a tenant without probes has those of the others looked at")
	}
}

// TestLanesTogetherAreTold: the probes hear of the state of all lanes, when the
// last one has opened.
func TestLanesTogetherAreTold(t *testing.T) {
	ten, _ := probedTenant(t)
	one := &lane{last: lifecycle.Status{State: lifecycle.Running}}
	other := &lane{last: lifecycle.Status{State: lifecycle.Starting}}
	r := &runner{Tenant: ten, id: "a", lanes: map[string]*lane{"x": one, "y": other}, moved: make(chan struct{})}
	ten.runners["a"] = r
	ten.stirredOnce()
	steps := []struct {
		x, y lifecycle.State
		want lifecycle.State
		told bool
	}{
		{lifecycle.Running, lifecycle.Starting, lifecycle.Starting, true},
		{lifecycle.Running, lifecycle.Starting, lifecycle.Starting, false},
		{lifecycle.Running, lifecycle.Running, lifecycle.Running, true},
		{lifecycle.Updating, lifecycle.Running, lifecycle.Updating, true},
		{lifecycle.Running, lifecycle.Failed, lifecycle.Degraded, true},
		{lifecycle.Failed, lifecycle.Running, lifecycle.Degraded, false},
		{lifecycle.Failed, lifecycle.Failed, lifecycle.Failed, true},
	}
	for i, step := range steps {
		one.last.State, other.last.State = step.x, step.y
		r.tell()
		if told, is := ten.stirredOnce(), ten.state("a"); told != step.told || is != step.want {
			t.Errorf("step %d: %s and %s are %s, told: %t", i, step.x, step.y, is, told)
		}
	}
}
