package control_test

import (
	"context"
	"slices"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// words is a group that only has a vocabulary.
type words struct {
	name      string
	functions []capability.Function
}

func (w words) Name() string                           { return w.name }
func (w words) Functions() []capability.Function       { return w.functions }
func (words) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }
func (words) Open(context.Context, capability.Scope, []byte) (capability.Session, error) {
	return nil, nil //nolint:nilnil // never opened
}

type contained struct{ words }

func (contained) Contained() {}

func registry() capability.Registry {
	return capability.NewRegistry(
		words{"serial", []capability.Function{
			{Name: "open", Sentence: "open the serial ports that it is granted"},
			{Name: "write", Sentence: "write to the serial ports that it is granted"},
		}},
		contained{words{"log", []capability.Function{{Name: "line", Sentence: "write lines into its own log"}}}},
		words{"kafka", []capability.Function{{Name: "produce", Sentence: "write to the topics that it is granted"}}},
	)
}

func module(capabilities []abi.Capability, imports ...spec.Import) spec.Module {
	return spec.Module{Manifest: abi.Manifest{Capabilities: capabilities}, Imports: imports}
}

func TestDescribeSpeaksOfWhatIsImported(t *testing.T) {
	can, cannot := control.Describe(module(
		[]abi.Capability{{Group: "serial", Reason: " Reads the meter. "}, {Group: "log", Reason: "Says what is wrong."}},
		spec.Import{Module: "snaprail:serial", Function: "write"},
		spec.Import{Module: "snaprail:log", Function: "line"},
		spec.Import{Module: "snaprail:core", Function: "take"},
	), registry())
	wantCan := []string{
		`Can write lines into its own log (snaprail:log line), without a grant. Its reason: "Says what is wrong."`,
		`Can write to the serial ports that it is granted (snaprail:serial write). Its reason: "Reads the meter."`,
	}
	wantCannot := []string{
		"Cannot open files or network sockets, start programs, or read the environment of the server.",
		"Cannot use these groups, because it does not import them: kafka.",
	}
	if !slices.Equal(can, wantCan) {
		t.Errorf("can:\n%q\nwant\n%q", can, wantCan)
	}
	if !slices.Equal(cannot, wantCannot) {
		t.Errorf("cannot:\n%q\nwant\n%q", cannot, wantCannot)
	}
}

func TestDescribeTellsOptionalFromRequired(t *testing.T) {
	can, _ := control.Describe(module([]abi.Capability{{Group: "kafka", Optional: true}},
		spec.Import{Module: "snaprail:kafka", Function: "produce"}), registry())
	want := []string{"Can write to the topics that it is granted (snaprail:kafka produce), if that is granted; it works without"}
	if !slices.Equal(can, want) {
		t.Errorf("can: %q, want %q", can, want)
	}
}

func TestDescribeNamesCallsThatFail(t *testing.T) {
	_, cannot := control.Describe(module(nil,
		spec.Import{Module: "wasi_snapshot_preview1", Function: "sock_send"},
		spec.Import{Module: "wasi_snapshot_preview1", Function: "path_open"},
		spec.Import{Module: "wasi_snapshot_preview1", Function: "clock_time_get"},
	), registry())
	want := "Its WASI calls for files and sockets are answered with an error, and reach nothing: path_open, sock_send."
	if !slices.Contains(cannot, want) {
		t.Errorf("cannot: %q lacks %q", cannot, want)
	}
}

type bounded struct{ words }

func (bounded) Cannot() []string { return []string{"Cannot ask this server."} }

func TestDescribeSaysWhatNoGrantOpens(t *testing.T) {
	groups := capability.NewRegistry(bounded{words{"http", []capability.Function{{Name: "request", Sentence: "ask the web"}}}})
	for imports, want := range map[string]bool{"snaprail:http": true, "snaprail:log": false} {
		_, cannot := control.Describe(module(nil, spec.Import{Module: imports, Function: "request"}), groups)
		if slices.Contains(cannot, "Cannot ask this server.") != want {
			t.Errorf("with %s: %q", imports, cannot)
		}
	}
}

func TestDescribeNamesImportsThatDoNotExist(t *testing.T) {
	for _, i := range []spec.Import{
		{Module: "env", Function: "exec"},
		{Module: "snaprail:teleport", Function: "beam"},
		{Module: "snaprail:serial", Function: "explode"},
	} {
		_, cannot := control.Describe(module(nil, i), registry())
		want := "Cannot run here: it imports " + i.Module + " " + i.Function + ", which this version does not have."
		if !slices.Contains(cannot, want) {
			t.Errorf("%v: cannot: %q lacks %q", i, cannot, want)
		}
	}
}
