package lifecycle_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

var update = flag.Bool("update", false, "write the golden files")

const golden = "testdata/lifecycle.dot"

// declared reads the constants of a type out of the source, so that nobody can
// add a state and leave it out of the tests.
func declared[T ~string](t testing.TB, typeName string) (all []T) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "lifecycle.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); !ok || id.Name != typeName {
			return true
		}
		for _, value := range v.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, T(text))
		}
		return true
	})
	if len(all) < 10 {
		t.Fatalf("found %d constants of type %s", len(all), typeName)
	}
	return all
}

func states(t testing.TB) []lifecycle.State {
	t.Helper()
	return declared[lifecycle.State](t, "State")
}

func events(t testing.TB) []lifecycle.Event {
	t.Helper()
	return declared[lifecycle.Event](t, "Event")
}

// TestGraphIsGolden shows the whole life at once: `dot -Tsvg` draws it.
func TestGraphIsGolden(t *testing.T) {
	var b strings.Builder
	b.WriteString("digraph lifecycle {\n")
	for _, from := range states(t) {
		for _, on := range events(t) {
			if to, err := lifecycle.Next(from, on); err == nil {
				fmt.Fprintf(&b, "\t%q -> %q [label=%q]\n", from, to, on)
			}
		}
	}
	b.WriteString("}\n")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("the graph is not as in %s (go test -update writes it):\n%s", golden, got)
	}
}

// reach is every state that these events lead to, the first one included.
func reach(from lifecycle.State, on []lifecycle.Event) []lifecycle.State {
	seen := []lifecycle.State{from}
	for i := 0; i < len(seen); i++ {
		for _, e := range on {
			if to, err := lifecycle.Next(seen[i], e); err == nil && !slices.Contains(seen, to) {
				seen = append(seen, to)
			}
		}
	}
	return seen
}

func TestEveryStateIsReachable(t *testing.T) {
	all := reach(lifecycle.Draft, events(t))
	for _, s := range states(t) {
		if !slices.Contains(all, s) {
			t.Errorf("no way leads from draft to %s", s)
		}
	}
}

func TestEveryEventIsUsed(t *testing.T) {
	for _, e := range events(t) {
		if !slices.ContainsFunc(states(t), func(s lifecycle.State) bool {
			_, err := lifecycle.Next(s, e)
			return err == nil
		}) {
			t.Errorf("%s is possible in no state", e)
		}
	}
}

// TestThereIsAlwaysAWayOut: whatever happened, a stop ends it, a start begins
// anew, and nothing but desired state is needed for either.
func TestThereIsAlwaysAWayOut(t *testing.T) {
	for _, s := range states(t) {
		if !slices.Contains(reach(s, []lifecycle.Event{lifecycle.Stop, lifecycle.Finished}), lifecycle.Stopped) {
			t.Errorf("%s cannot be stopped", s)
		}
		if !slices.Contains(reach(s, events(t)), lifecycle.Running) {
			t.Errorf("%s can never run again", s)
		}
	}
}

// TestWorkCanFailWheneverThereIsWork: where a guest works, each way to fail
// and each turn of its surroundings has a place. A move that is refused there
// would leave a status that is not true.
func TestWorkCanFailWheneverThereIsWork(t *testing.T) {
	fails := map[lifecycle.Event]lifecycle.State{
		lifecycle.Crash: lifecycle.BackingOff, lifecycle.GiveUp: lifecycle.CrashLoop,
		lifecycle.Reject: lifecycle.Failed, lifecycle.Stop: lifecycle.Stopping,
	}
	turns := []lifecycle.Event{lifecycle.Down, lifecycle.Up, lifecycle.Hold, lifecycle.Release}
	working := []lifecycle.State{
		lifecycle.Starting, lifecycle.Running, lifecycle.Degraded, lifecycle.Paused, lifecycle.Updating,
	}
	for _, s := range working {
		for on, want := range fails {
			if to, err := lifecycle.Next(s, on); err != nil || to != want {
				t.Errorf("%s on %s: %s, %v, want %s", s, on, to, err, want)
			}
		}
	}
	for _, s := range append(working, lifecycle.Stopping) {
		for _, on := range turns {
			to, err := lifecycle.Next(s, on)
			if err != nil {
				t.Errorf("%s on %s: %v", s, on, err)
			}
			if s == lifecycle.Stopping && to != lifecycle.Stopping {
				t.Errorf("%s leads out of stopping, to %s", on, to)
			}
		}
	}
}

func TestUnknownMoveIsRefused(t *testing.T) {
	for _, tt := range []struct {
		from lifecycle.State
		on   lifecycle.Event
	}{
		{lifecycle.Draft, lifecycle.Opened},
		{lifecycle.Stopped, lifecycle.Swapped},
		{lifecycle.Running, lifecycle.Finished},
		{lifecycle.Failed, lifecycle.Opened},
		{"", ""},
	} {
		to, err := lifecycle.Next(tt.from, tt.on)
		if !fault.Is(err, fault.WrongState) {
			t.Errorf("%s on %s: %v, want wrong_state", tt.from, tt.on, err)
		}
		if to != tt.from {
			t.Errorf("%s on %s: a refused move led to %s", tt.from, tt.on, to)
		}
	}
}

// FuzzNext walks along any events. The walk stays within the states, and a
// refused move leaves it where it is.
func FuzzNext(f *testing.F) {
	f.Add("start opened down up update swapped stop finished")
	f.Add("start crash retry give-up stop finished start reject start")
	f.Add("start opened hold hold release bogus stop")
	known := states(f)
	f.Fuzz(func(t *testing.T, walk string) {
		at := lifecycle.Draft
		for on := range strings.FieldsSeq(walk) {
			to, err := lifecycle.Next(at, lifecycle.Event(on))
			if !slices.Contains(known, to) {
				t.Fatalf("%s on %q leads to %q", at, on, to)
			}
			if err != nil && to != at {
				t.Fatalf("%s on %q was refused and led to %s", at, on, to)
			}
			at = to
		}
		if to, err := lifecycle.Next(lifecycle.State(walk), lifecycle.Start); err == nil && !slices.Contains(known, to) {
			t.Fatalf("%q leads to %q", walk, to)
		}
	})
}
