package supervisor

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// watched is a space that counts what is read of it, and lets something happen
// behind a reader's snapshot.
type watched struct {
	store.Space

	views  int
	behind func()
}

func (w *watched) View(ctx context.Context, fn func(store.Reader) error) error {
	w.views++
	err := w.Space.View(ctx, fn)
	if f := w.behind; f != nil {
		w.behind = nil
		f()
	}
	return err
}

// The interlocks of a connector are read once for each spec, however many
// writes ask for them, and a change counts from when it is said.
func TestLocksAreReadOnceForEachSpec(t *testing.T) {
	t.Parallel()
	space, err := memory.New().Tenant("acme")
	if err != nil {
		t.Fatal(err)
	}
	write := func(tags ...string) {
		t.Helper()
		lock := spec.Interlock{}
		for _, tag := range tags {
			lock.Tags = append(lock.Tags, spec.TagRule{Tag: tag})
		}
		raw, err := json.Marshal(spec.Connector{ID: "c1", Grants: []spec.Grant{
			{Group: "serial", Rights: []spec.Right{spec.Write}, Interlock: &lock},
			{Group: "http", Rights: []spec.Right{spec.Write}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := space.Update(t.Context(), func(w store.Writer) error {
			_, err := w.Put(store.Connectors, "c1", raw)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	w := &watched{Space: space}
	tenant := &Tenant{space: w}
	ask := tenant.locksOf("c1")
	want := func(tags, views int) {
		t.Helper()
		grants, err := ask(t.Context())
		if err != nil || len(grants) != 1 || len(grants[0].Interlock.Tags) != tags {
			t.Fatalf("the interlocks are %+v: %v", grants, err)
		}
		if w.views != views {
			t.Errorf("they were read %d times, not %d", w.views, views)
		}
	}

	write("level")
	for range 1000 {
		want(1, 1)
	}
	write("level", "flow")
	tenant.Respecified("c1")
	want(2, 2)
	want(2, 2)

	// What was read before a change is not remembered behind it.
	tenant.Respecified("c1")
	w.behind = func() {
		write("level", "flow", "heat")
		tenant.Respecified("c1")
	}
	want(2, 3)
	want(3, 4)
}

func BenchmarkLocks(b *testing.B) {
	space, err := memory.New().Tenant("acme")
	if err != nil {
		b.Fatal(err)
	}
	raw, _ := json.Marshal(spec.Connector{ID: "c1"})
	err = space.Update(b.Context(), func(w store.Writer) error {
		_, err := w.Put(store.Connectors, "c1", raw)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	ask := (&Tenant{space: space}).locksOf("c1")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ask(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
