package supervisor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// shelf uploads the storage of the tests as a module in this mode.
func (r *rig) shelf(mode abi.Mode) string {
	r.t.Helper()
	src, err := os.ReadFile("../../testdata/guests/dist/kvstore.wasm")
	if err != nil {
		r.t.Fatalf("%v: run `make wasm`", err)
	}
	raw, err := os.ReadFile("../../testdata/guests/kvstore/manifest.json")
	if err != nil {
		r.t.Fatal(err)
	}
	manifest := bytes.Replace(raw, []byte(`"mode": "call"`), fmt.Appendf(nil, `"mode": %q`, mode), 1)
	uploading.Lock()
	defer uploading.Unlock()
	m, _, err := r.tenant.AddModule(r.t.Context(), bytes.NewReader(src), manifest, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return m.Digest
}

func (r *rig) plant() *supervisor.Tenant {
	r.t.Helper()
	t, err := r.super.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	return t
}

// op calls an operation and reads its answer.
func (r *rig) op(id, name, args string) (answer map[string]any, err error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	out, err := r.plant().Call(ctx, id, "op_"+name, []byte(args))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		r.t.Fatalf("%s answered %q: %v", name, out, err)
	}
	return answer, nil
}

func (r *rig) mustOp(id, name, args string) map[string]any {
	r.t.Helper()
	answer, err := r.op(id, name, args)
	if err != nil {
		r.t.Fatalf("%s %s: %v", name, args, err)
	}
	return answer
}

// wantOp is a call that has to fail so; it answers what the caller reads.
func (r *rig) wantOp(id, name, args string, kind fault.Kind) string {
	r.t.Helper()
	_, err := r.op(id, name, args)
	if !fault.Is(err, kind) {
		r.t.Fatalf("%s %s: %v, want %v", name, args, err, kind)
	}
	return err.Error()
}

// TestCallsAreServedInEveryModeButRun: between two steps, with the state of the
// connector's steps and of the calls before.
func TestCallsAreServedInEveryModeButRun(t *testing.T) {
	for _, mode := range []abi.Mode{abi.ModeCall, abi.ModePoll, abi.ModeEvent, abi.ModeRun} {
		t.Run(string(mode), func(t *testing.T) {
			r := newRig(t)
			v := r.connect(control.ConnectorInput{Name: "shelf", Module: r.shelf(mode)})
			if mode == abi.ModeRun {
				r.wantOp(v.ID, "put", `{"path":"a"}`, fault.Unsupported)
				return
			}
			if got := r.mustOp(v.ID, "put", `{"path":"a","data":"aGk="}`); got["size"] != 2.0 || got["call"] != 1.0 {
				t.Errorf("put answered %v", got)
			}
			if got := r.mustOp(v.ID, "get", `{"path":"a"}`); got["data"] != "aGk=" {
				t.Errorf("get answered %v", got)
			}
			r.wantOp(v.ID, "get", `{"path":"b"}`, fault.Guest)
			r.wantOp(v.ID, "fly", `{}`, fault.Unsupported)
			if mode == abi.ModeCall {
				if s := r.until(v.ID, "counted", func(s lifecycle.Status) bool { return s.Counters.Calls == 2 }); s.Counters.Records != 0 {
					t.Errorf("in call mode nothing but calls is the guest's: %+v", s.Counters)
				}
				return
			}
			before := r.until(v.ID, "at work", func(s lifecycle.Status) bool { return s.Counters.Records > 3 }).Counters.Records
			for i := range 50 {
				r.mustOp(v.ID, "put", fmt.Sprintf(`{"path":"p%d"}`, i))
			}
			r.until(v.ID, "at work beside the calls", func(s lifecycle.Status) bool { return s.Counters.Records > before && s.Counters.Calls == 52 })
		})
	}
}

// TestACallIsCommitted: what an answered call has written is there after a
// crash, and what a failed one has written is not.
func TestACallIsCommitted(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{Name: "shelf", Module: r.shelf(abi.ModeCall)})
	r.mustOp(v.ID, "put", `{"path":"kept","data":"aGk="}`)
	r.wantOp(v.ID, "put", `{"path":"error","data":"aGk="}`, fault.Guest)
	if text := r.wantOp(v.ID, "put", `{"path":"panic","data":"aGk="}`, fault.GuestTrap); !strings.Contains(text, "told to panic") {
		t.Errorf("the caller does not learn why: %s", text)
	}
	s := r.until(v.ID, "running again", func(s lifecycle.Status) bool { return s.State == lifecycle.Running && s.Restarts == 1 })
	if s.Counters.Traps != 1 {
		t.Errorf("%+v", s.Counters)
	}
	list, err := json.Marshal(r.mustOp(v.ID, "list", `{}`)["items"])
	if want := `[{"path":"kept","size":2}]`; err != nil || string(list) != want {
		t.Errorf("kept is %s (%v), want %s", list, err, want)
	}
	if got := r.mustOp(v.ID, "put", `{"path":"x"}`); got["call"] != 2.0 {
		t.Errorf("%v: not a fresh guest", got)
	}
	r.stop()
	r.start()
	r.state(v.ID, lifecycle.Running)
	if got := r.mustOp(v.ID, "stat", `{"path":"kept"}`); got["size"] != 2.0 {
		t.Errorf("after a restart of the node: %v", got)
	}
}

// TestACallHasBounds of its time, its size and its queue, and an impatient
// caller does not cost the guest its life.
func TestACallHasBounds(t *testing.T) {
	r := newRig(t)
	v := r.connect(control.ConnectorInput{Name: "shelf", Module: r.shelf(abi.ModeCall), Limits: spec.Limits{CallTimeout: spec.Duration(5 * time.Second)}})
	r.wantOp(v.ID, "put", `{"path":"huge"}`, fault.TooLarge)
	r.wantOp(v.ID, "put", `"`+strings.Repeat("x", abi.MaxBatch)+`"`, fault.TooLarge)

	hurried, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := r.plant().Call(hurried, v.ID, "op_put", []byte(`{"path":"sleep 300ms"}`)); !fault.Is(err, fault.Timeout) {
		t.Errorf("a caller whose time is up: %v", err)
	}
	if got := r.mustOp(v.ID, "stat", `{"path":"sleep 300ms"}`); got["size"] != 0.0 {
		t.Errorf("the call that had begun was not finished: %v", got)
	}

	var wg sync.WaitGroup
	outcomes := make(chan error, 60)
	for range cap(outcomes) {
		wg.Go(func() {
			_, err := r.op(v.ID, "put", `{"path":"sleep 50ms"}`)
			outcomes <- err
		})
	}
	wg.Wait()
	close(outcomes)
	served, full := 0, 0
	for err := range outcomes {
		switch {
		case err == nil:
			served++
		case fault.Is(err, fault.Exhausted):
			full++
		default:
			t.Errorf("one of many: %v", err)
		}
	}
	if served < 32 || full == 0 {
		t.Errorf("%d served, %d refused for want of room", served, full)
	}
	if s := r.state(v.ID, lifecycle.Running); s.Restarts != 0 {
		t.Errorf("%d restarts", s.Restarts)
	}
	r.wantOp(v.ID, "put", `{"path":"spin"}`, fault.GuestDeadline)
}

// TestASwapLosesNoCall: those that wait are answered by the guest that takes
// over.
func TestASwapLosesNoCall(t *testing.T) {
	r := newRig(t)
	slow := spec.Limits{CallTimeout: spec.Duration(40 * time.Second)} // whatever else the machine does
	v := r.connect(control.ConnectorInput{Name: "shelf", Module: r.shelf(abi.ModeCall), Limits: slow})
	var wg sync.WaitGroup
	outcomes := make(chan error, 20)
	for range cap(outcomes) {
		wg.Go(func() {
			_, err := r.op(v.ID, "put", `{"path":"sleep 20ms"}`)
			outcomes <- err
		})
	}
	s := r.update(v.ID, control.ConnectorInput{Name: "shelf", Module: v.Module, Limits: spec.Limits{CallTimeout: spec.Duration(30 * time.Second)}})
	if s.Swaps != 1 {
		t.Errorf("%+v: no swap", s)
	}
	wg.Wait()
	close(outcomes)
	for err := range outcomes {
		if err != nil {
			t.Errorf("a call around the swap: %v", err)
		}
	}
}

// TestNobodyAnswersForAConnectorThatDoesNotRun: before it runs, after it has
// stopped, and in a crash loop, the caller learns so at once.
func TestNobodyAnswersForAConnectorThatDoesNotRun(t *testing.T) {
	r := newRig(t)
	v, err := r.tenant.CreateConnector(t.Context(), control.ConnectorInput{Name: "shelf", Module: r.shelf(abi.ModeCall)})
	if err != nil {
		t.Fatal(err)
	}
	r.wantOp(v.ID, "put", `{"path":"a"}`, fault.WrongState)
	if v, err = r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.mustOp(v.ID, "put", `{"path":"a"}`)
	r.until(v.ID, "in a crash loop", func(s lifecycle.Status) bool {
		if s.State == lifecycle.Running { // or was, a moment ago: then nobody takes the call
			_, _ = r.op(v.ID, "put", `{"path":"panic"}`)
		}
		return s.State == lifecycle.CrashLoop
	})
	r.wantOp(v.ID, "put", `{"path":"a"}`, fault.WrongState)
	if _, err = r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.wantOp(v.ID, "put", `{"path":"a"}`, fault.WrongState)
}

// TestAskingLeavesNothing: a throw-away guest answers for a connector that does
// not run or that was never stored, and keeps nothing.
func TestAskingLeavesNothing(t *testing.T) {
	r := newRig(t)
	digest := r.shelf(abi.ModeCall)
	c := &spec.Connector{ID: "con_draft", Module: digest, Config: json.RawMessage(`{"not":"whole"}`)}
	ask := func(entry, in string, grants []spec.Grant) (string, error) {
		out, err := r.plant().Ask(t.Context(), c, entry, []byte(in), grants)
		return string(out), err
	}
	if got, err := ask(abi.EntryNormalizeImport, `{"wrapped":{"a":1}}`, nil); err != nil || got != `{"a":1}` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := ask(abi.EntryOAuthAuthorizeURL, `{}`, nil); !fault.Is(err, fault.Unsupported) {
		t.Errorf("what the module does not offer: %v", err)
	}
	if _, err := ask("op_put", `{"path":"panic"}`, nil); !fault.Is(err, fault.GuestTrap) {
		t.Errorf("a trap: %v", err)
	}
	if _, err := ask("op_put", `{"path":"a","data":"aGk="}`, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := ask("op_list", `{}`, nil); err != nil || got != `{"items":[]}` {
		t.Errorf("something was kept: %s, %v", got, err)
	}
	if _, err := ask("op_put", `{"path":"huge"}`, nil); !fault.Is(err, fault.TooLarge) {
		t.Errorf("an answer beyond the bound: %v", err)
	}
}

// TestAnExtismPluginIsAProvider: through its own ABI it has the same entry
// points as any other guest.
func TestAnExtismPluginIsAProvider(t *testing.T) {
	src, err := os.ReadFile("../../testdata/guests/dist/cextism.wasm")
	if err != nil {
		t.Skip("cextism.wasm is not built")
	}
	r := newRig(t)
	if _, err := r.tenant.AddCategory(t.Context(), spec.Category{
		Name: "echoing", Operations: []spec.Operation{{Name: "echo", Parameters: []string{"text"}}, {Name: "fail"}},
	}); err != nil {
		t.Fatal(err)
	}
	manifest := `{"category": "echoing", "provider_type": "plugin", "display_name": "Plugin", "version": "1.0.0",
		"abi": {"major": 1, "minor": 1}, "kind": "connector", "mode": "call", "entry_points": ["normalize_import"]}`
	m, _, err := r.tenant.AddModule(t.Context(), bytes.NewReader(src), []byte(manifest), "")
	if err != nil {
		t.Fatal(err)
	}
	v := r.connect(control.ConnectorInput{Name: "plugin", Module: m.Digest})
	if got := r.mustOp(v.ID, "echo", `{"text":"hi"}`); got["text"] != "hi" {
		t.Errorf("%v", got)
	}
	if text := r.wantOp(v.ID, "fail", `{}`, fault.Guest); !strings.Contains(text, "told to fail") {
		t.Errorf("%s", text)
	}
	if got, err := r.plant().Ask(t.Context(), &v.Connector, abi.EntryNormalizeImport, []byte(`{"a":1}`), nil); err != nil || string(got) != `{"a":1}` {
		t.Errorf("%s, %v", got, err)
	}
}
