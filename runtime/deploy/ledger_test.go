package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/badger"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// world is what was made: by name, what was asked for.
type world struct {
	has   map[string]string
	did   []string
	stuck map[string]bool // cannot be taken away
	fail  map[string]error
}

func newWorld() *world {
	return &world{has: map[string]string{}, stuck: map[string]bool{}, fail: map[string]error{}}
}

func (w *world) There(_ context.Context, r deploy.Resource) (bool, error) {
	_, there := w.has[r.Name]
	return there, nil
}

func (w *world) Same(deploy.Resource, []byte) bool { return true }

func (w *world) Make(_ context.Context, r deploy.Resource) (deploy.Result, error) {
	if err := w.fail[r.Name]; err != nil {
		return deploy.Result{}, err
	}
	w.did = append(w.did, "make "+r.Name)
	w.has[r.Name] = string(r.Ask)
	return deploy.Result{ID: "id " + r.Name}, nil
}

func (w *world) Change(ctx context.Context, r deploy.Resource, from []byte) (deploy.Result, error) {
	if w.has[r.Name] != string(from) {
		return deploy.Result{}, fmt.Errorf("%s is %s, not %s", r.Name, w.has[r.Name], from)
	}
	return w.Make(ctx, r)
}

func (w *world) Unmake(_ context.Context, r deploy.Resource) error {
	if w.stuck[r.Name] {
		return fault.New(fault.ResourceUnavailable, "%s is stuck", r.Name)
	}
	w.did = append(w.did, "unmake "+r.Name)
	delete(w.has, r.Name)
	return nil
}

// bench is a space with a world.
type bench struct {
	*world

	t     *testing.T
	space store.Space
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s := memory.New()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	space, err := s.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	return &bench{world: newWorld(), t: t, space: space}
}

func press(document string) deploy.Deployment {
	return deploy.Deployment{UUID: "u1", Device: "press", Connector: "con_1", Document: []byte(document)}
}

func (b *bench) begin(state deploy.State) *deploy.Ledger {
	b.t.Helper()
	l, err := deploy.Begin(b.t.Context(), b.space, b, press(`{}`), state)
	if err != nil {
		b.t.Fatal(err)
	}
	b.did = nil
	return l
}

// run deploys what is named, each as "name" or "name=ask".
func (b *bench) run(names ...string) (*deploy.Ledger, error) {
	b.t.Helper()
	l := b.begin(deploy.Deploying)
	for _, name := range names {
		name, ask, _ := strings.Cut(name, "=")
		if _, _, err := l.Ensure(b.t.Context(), deploy.KindHTTP, name, []byte(ask)); err != nil {
			b.done(l, l.RollBack, deploy.Failed, err)
			return l, err
		}
	}
	b.done(l, l.Sweep, deploy.Deployed, nil)
	return l, nil
}

func (b *bench) done(l *deploy.Ledger, clear func(context.Context) error, state deploy.State, cause error) {
	b.t.Helper()
	err := clear(b.t.Context())
	if err == nil {
		err = l.End(b.t.Context(), state, cause, func(store.Writer) error { return nil })
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// kept is the deployment as it is stored.
func kept(t *testing.T, space store.Space) (d deploy.Deployment, err error) {
	t.Helper()
	err = space.View(t.Context(), func(r store.Reader) error {
		d, err = deploy.Get(r, "u1")
		return err
	})
	return d, err
}

func (b *bench) check(did string, has ...string) {
	b.t.Helper()
	if got := strings.Join(b.did, ", "); got != did {
		b.t.Errorf("did %q, want %q", got, did)
	}
	if got := slices.Sorted(maps.Keys(b.has)); !slices.Equal(got, has) {
		b.t.Errorf("there is %q, want %q", got, has)
	}
}

func TestDeployAgainChangesNothing(t *testing.T) {
	b := newBench(t)
	if l, err := b.run("a", "b"); err != nil || !l.Deployment().Updated.After(time.Time{}) {
		t.Fatal(err)
	}
	b.check("make a, make b", "a", "b")
	before, _ := kept(t, b.space)
	if _, err := b.run("a", "b"); err != nil {
		t.Fatal(err)
	}
	b.check("", "a", "b")
	if after, err := kept(t, b.space); err != nil || after.Revision != before.Revision || after.State != deploy.Deployed {
		t.Errorf("%+v, %v", after, err)
	}
	delete(b.has, "a") // somebody takes it away
	if _, err := b.run("a", "b"); err != nil {
		t.Fatal(err)
	}
	b.check("make a", "a", "b")
}

func TestUpdateSweepsWhatIsNotWanted(t *testing.T) {
	b := newBench(t)
	if _, err := b.run("a", "b=1", "c"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.run("b=2", "d"); err != nil {
		t.Fatal(err)
	}
	b.check("make b, make d, unmake c, unmake a", "b", "d")
	if b.has["b"] != "2" {
		t.Error("b was not changed")
	}
}

func TestFailedDeployIsTakenBackInReverse(t *testing.T) {
	b := newBench(t)
	b.fail["c"] = deploy.Nothing(errors.New("no c"))
	if _, err := b.run("a", "b", "c"); err == nil || err.Error() != "no c" {
		t.Fatal(err)
	}
	b.check("make a, make b, unmake b, unmake a")
	d, err := kept(t, b.space)
	if err != nil || d.State != deploy.Failed || len(d.Resources) != 0 || d.Problem == nil {
		t.Errorf("%+v, %v", d, err)
	}
	b.fail["c"] = errors.New("perhaps c") // nobody knows whether it was made
	if _, err := b.run("a", "c"); err == nil {
		t.Fatal("it worked")
	}
	b.check("make a, unmake c, unmake a")
}

// TestFailedUpdateRestores: what was there before a failed update is there
// afterwards, as it was.
func TestFailedUpdateRestores(t *testing.T) {
	b := newBench(t)
	if _, err := b.run("a=1", "b"); err != nil {
		t.Fatal(err)
	}
	b.fail["c"] = errors.New("no c")
	if _, err := b.run("a=2", "a=3", "d", "c"); err == nil {
		t.Fatal("it worked")
	}
	b.check("make a, make a, make d, unmake c, unmake d, make a", "a", "b")
	if b.has["a"] != "1" {
		t.Errorf("a is %q", b.has["a"])
	}
	delete(b.fail, "c")
	if _, err := b.run("a=1", "b"); err != nil {
		t.Fatal(err)
	}
	b.check("", "a", "b")
}

func TestOrphans(t *testing.T) {
	b := newBench(t)
	if _, err := b.run("a", "b"); err != nil {
		t.Fatal(err)
	}
	b.stuck["b"] = true
	l := b.begin(deploy.TearingDown)
	b.done(l, l.TearDown, deploy.TornDown, nil)
	b.check("unmake a", "b")
	d, err := kept(t, b.space)
	if err != nil || d.State != deploy.TornDown || len(d.Orphans()) != 1 || d.Orphans()[0].Reason != "b is stuck" {
		t.Fatalf("%+v, %v", d, err)
	}
	// Deployed again, what could not be taken away is taken over: to take the orphan
	// away later would take away what is wanted.
	if _, err := b.run("b"); err != nil {
		t.Fatal(err)
	}
	if d, err = kept(t, b.space); err != nil || len(d.Resources) != 1 || len(d.Orphans()) != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	if _, err := b.run(); err != nil {
		t.Fatal(err)
	}
	l = b.begin(deploy.Deploying)
	b.stuck["b"] = false
	b.done(l, l.Again, deploy.Deployed, nil)
	b.check("unmake b")
	l = b.begin(deploy.TearingDown)
	b.done(l, l.TearDown, deploy.TornDown, nil)
	if _, err := kept(t, b.space); !fault.Is(err, fault.NotFound) {
		t.Errorf("nothing is left, and it is kept: %v", err)
	}
}

func TestDismiss(t *testing.T) {
	b := newBench(t)
	b.stuck["a"] = true
	if _, err := b.run("a"); err != nil {
		t.Fatal(err)
	}
	l := b.begin(deploy.TearingDown)
	b.done(l, l.TearDown, deploy.TornDown, nil)
	dismiss := func(number uint64) error {
		return b.space.Update(t.Context(), func(w store.Writer) error {
			_, err := deploy.Dismiss(w, "u1", number, time.Now())
			return err
		})
	}
	if err := dismiss(7); !fault.Is(err, fault.NotFound) {
		t.Errorf("an orphan that there is not: %v", err)
	}
	if err := dismiss(1); err != nil {
		t.Fatal(err)
	}
	if _, err := kept(t, b.space); !fault.Is(err, fault.NotFound) {
		t.Errorf("its last orphan is gone, and it is kept: %v", err)
	}
}

func TestIndexes(t *testing.T) {
	b := newBench(t)
	if _, err := b.run("a"); err != nil {
		t.Fatal(err)
	}
	other := press(`{}`)
	other.UUID = "u2"
	if _, err := deploy.Begin(t.Context(), b.space, b, other, deploy.Deploying); !fault.Is(err, fault.Exists) {
		t.Errorf("a second deployment of one device: %v", err)
	}
	err := b.space.View(t.Context(), func(r store.Reader) error {
		if d, err := deploy.Find(r, "press"); err != nil || d.UUID != "u1" {
			t.Errorf("by its device: %+v, %v", d, err)
		}
		if uuid, err := deploy.Of(r, "con_1"); err != nil || uuid != "u1" {
			t.Errorf("of its connector: %q, %v", uuid, err)
		}
		list, next, err := deploy.List(r, "", 10)
		if len(list) != 1 || next != "" {
			t.Errorf("%v, %q", list, next)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestBounds(t *testing.T) {
	b := newBench(t)
	l := b.begin(deploy.Deploying)
	ensure := func(name string, n int) error {
		_, _, err := l.Ensure(t.Context(), deploy.KindHTTP, name, make([]byte, n))
		return err
	}
	if err := ensure("a", deploy.MaxAsk+1); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a large request: %v", err)
	}
	var err error
	for i := 0; err == nil && i < 10; i++ {
		err = ensure(fmt.Sprint("big ", i), deploy.MaxAsk)
	}
	if !fault.Is(err, fault.TooLarge) {
		t.Errorf("a large ledger: %v", err)
	}
	if len(b.has) != len(l.Deployment().Resources) {
		t.Errorf("%d are there, and %d in the ledger", len(b.has), len(l.Deployment().Resources))
	}
	b = newBench(t)
	l = b.begin(deploy.Deploying)
	for i := 0; i <= deploy.MaxResources; i++ {
		err = ensure(fmt.Sprint("small ", i), 1)
	}
	if !fault.Is(err, fault.Exhausted) {
		t.Errorf("many resources: %v", err)
	}
	if len(b.has) != len(l.Deployment().Resources) {
		t.Errorf("%d are there, and %d in the ledger", len(b.has), len(l.Deployment().Resources))
	}
}

// dying is a space whose process is killed at a write: before it, or when it is
// durable.
type dying struct {
	store.Space

	left  int
	after bool
}

var errKilled = errors.New("killed")

func (d *dying) Update(ctx context.Context, fn func(store.Writer) error) error {
	if d.left--; d.left < 0 || d.left == 0 && !d.after {
		d.left = 0
		return errKilled
	}
	err := d.Space.Update(ctx, fn)
	if d.left == 0 {
		return errKilled
	}
	return err
}

// TestKillLeavesNothingUnlisted: at whichever write of a deploy, an update or a
// tear-down the process is killed, what was made is in the ledger of the store
// that is opened anew, and a tear-down takes all of it away.
func TestKillLeavesNothingUnlisted(t *testing.T) {
	plans := map[string]func(l *deploy.Ledger, ctx context.Context) error{
		"deploy": func(l *deploy.Ledger, ctx context.Context) error {
			return errors.Join(ensure(ctx, l, "b=1"), ensure(ctx, l, "c=1"), ensure(ctx, l, "d=1"), l.Sweep(ctx))
		},
		"update": func(l *deploy.Ledger, ctx context.Context) error {
			return errors.Join(ensure(ctx, l, "a=2"), ensure(ctx, l, "z=2"), l.Sweep(ctx))
		},
		"roll back": func(l *deploy.Ledger, ctx context.Context) error {
			return errors.Join(ensure(ctx, l, "a=2"), ensure(ctx, l, "z=2"), l.RollBack(ctx))
		},
		"tear down": func(l *deploy.Ledger, ctx context.Context) error { return l.TearDown(ctx) },
	}
	for name, plan := range plans {
		t.Run(name, func(t *testing.T) {
			killed := 0
			for left := 1; left < 30; left++ {
				for _, after := range []bool{false, true} {
					if kill(t, memory.New(), nil, plan, left, after) {
						killed++
					}
				}
			}
			if killed < 4 {
				t.Errorf("killed %d times", killed)
			}
		})
	}
}

// TestKillOnDisk is the same with a store that is closed and opened anew.
func TestKillOnDisk(t *testing.T) {
	for _, left := range []int{2, 3} {
		dir := filepath.Join(t.TempDir(), "store")
		if !kill(t, openStore(t, dir), func() store.Store { return openStore(t, dir) }, func(l *deploy.Ledger, ctx context.Context) error {
			return errors.Join(ensure(ctx, l, "c=1"), l.Sweep(ctx))
		}, left, false) {
			t.Error("not killed")
		}
	}
}

func ensure(ctx context.Context, l *deploy.Ledger, name string) error {
	name, ask, _ := strings.Cut(name, "=")
	_, _, err := l.Ensure(ctx, deploy.KindHTTP, name, []byte(ask))
	return err
}

// kill runs a plan on what has a and b, kills it, and looks at the store, which
// reopen opens anew; nil: it goes on.
func kill(t *testing.T, s store.Store, reopen func() store.Store, plan func(*deploy.Ledger, context.Context) error, left int, after bool) (killed bool) {
	t.Helper()
	b := &bench{world: newWorld(), t: t, space: tenantOf(t, s)}
	if _, err := b.run("a=1", "b=1"); err != nil {
		t.Fatal(err)
	}
	mortal := &dying{Space: b.space, left: left, after: after}
	l, err := deploy.Begin(t.Context(), mortal, b, press(`{"n":2}`), deploy.Deploying)
	if err == nil {
		err = plan(l, t.Context())
	}
	killed = errors.Is(err, errKilled)
	if reopen != nil {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = reopen()
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	b.space = tenantOf(t, s)
	d, err := kept(t, b.space)
	if err != nil {
		t.Fatal(err)
	}
	for name := range b.has {
		if _, listed := d.Resource(deploy.KindHTTP, name); !listed {
			t.Errorf("killed at write %d (%t): %s is there and not in the ledger", left, after, name)
		}
	}
	l = b.begin(deploy.TearingDown)
	b.done(l, l.TearDown, deploy.TornDown, nil)
	if len(b.has) > 0 {
		t.Errorf("killed at write %d (%t): left %v", left, after, b.has)
	}
	return killed
}

func openStore(t *testing.T, dir string) store.Store {
	t.Helper()
	s, err := badger.Open(badger.Config{Dir: dir, Key: badger.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tenantOf(t *testing.T, s store.Store) store.Space {
	t.Helper()
	space, err := s.Tenant("plant")
	if err != nil {
		t.Fatal(err)
	}
	return space
}
