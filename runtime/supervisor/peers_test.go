package supervisor_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// relayed is an order to relay: to the first, who is to hand it to the second,
// and so on; none at the end.
func relayed(to ...string) json.RawMessage {
	if len(to) == 0 {
		return json.RawMessage(`{}`)
	}
	raw, err := json.Marshal(map[string]any{"to": to[0], "body": relayed(to[1:]...)})
	if err != nil {
		panic(err)
	}
	return raw
}

// relays makes connectors of relay, each of which may call those that match.
func (r *rig) relays(grant spec.Grant, names ...string) map[string]*party {
	r.t.Helper()
	all := map[string]*party{}
	for _, name := range names {
		v := r.connect(control.ConnectorInput{Name: name, Module: r.module("relay"), Config: json.RawMessage("{}"), Grants: []spec.Grant{grant}})
		r.state(v.ID, lifecycle.Running)
		all[name] = r.party(v.ID)
	}
	return all
}

func toAll() spec.Grant {
	return spec.Grant{Group: "connectors", Resources: []string{"*"}, Rights: []spec.Right{spec.Read, spec.Write}}
}

// answerOf is the one answer to a query, or its error.
func answerOf(t *testing.T, replies []abi.Reply) string {
	t.Helper()
	if len(replies) != 1 {
		t.Fatalf("%d replies", len(replies))
	}
	if e := replies[0].Err; e != nil {
		return e.Code + ": " + e.Text
	}
	return string(replies[0].Body)
}

// TestConnectorsCallEachOther through their mailboxes: with the way and the time
// that is left, four deep, and never in a circle.
func TestConnectorsCallEachOther(t *testing.T) {
	r := newRig(t)
	all := r.relays(toAll(), "a", "b", "c", "d", "e", "f")
	a := all["a"]

	m := abi.Message{Type: abi.MessageQuery, Body: relayed("b", "c"), Sender: "user:ada", Deadline: time.Now().Add(3 * time.Second).UnixNano()}
	got := answerOf(t, a.all(a.send(m)))
	var deep struct {
		Replies []struct {
			Body struct {
				Replies []struct {
					Body struct {
						Sender string   `json:"sender"`
						Via    []string `json:"via"`
						Left   int      `json:"left_ms"`
					} `json:"body"`
				} `json:"replies"`
			} `json:"body"`
		} `json:"replies"`
	}
	if err := json.Unmarshal([]byte(got), &deep); err != nil || len(deep.Replies) != 1 || len(deep.Replies[0].Body.Replies) != 1 {
		t.Fatalf("%s: %v", got, err)
	}
	end := deep.Replies[0].Body.Replies[0].Body
	if end.Sender != "connector:"+all["b"].id || len(end.Via) != 2 || end.Via[0] != a.id || end.Via[1] != all["b"].id {
		t.Errorf("%+v", end)
	}
	if end.Left <= 0 || end.Left > 3000 {
		t.Errorf("%d ms are left", end.Left)
	}

	if got := answerOf(t, a.query(relayed("b", "c", "d", "e"))); !strings.Contains(got, `"left_ms"`) {
		t.Errorf("four deep: %s", got)
	}
	if got := answerOf(t, a.query(relayed("b", "c", "d", "e", "f"))); !strings.Contains(got, "call_cycle") || !strings.Contains(got, "nested 5 deep") {
		t.Errorf("five deep: %s", got)
	}
	for _, circle := range [][]string{{"a"}, {"b", "a"}, {"b", "c", "b"}} {
		began := time.Now()
		if got := answerOf(t, a.query(relayed(circle...))); !strings.Contains(got, "call_cycle") {
			t.Errorf("%v: %s", circle, got)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%v: after %s", circle, took)
		}
	}
	if got := answerOf(t, a.query(relayed("nobody"))); !strings.Contains(got, "no connector is named") {
		t.Errorf("nobody: %s", got)
	}
	if _, err := r.tenant.Deactivate(t.Context(), all["f"].id); err != nil {
		t.Fatal(err)
	}
	if got := answerOf(t, a.query(relayed("f"))); !strings.Contains(got, "does not run") {
		t.Errorf("one that is stopped: %s", got)
	}
}

// TestConnectorsThatCallEachOtherAtOnce are in a circle, although neither call
// came through the other: one of them is refused, rather than both waiting.
func TestConnectorsThatCallEachOtherAtOnce(t *testing.T) {
	r := newRig(t)
	all := r.relays(toAll(), "a", "b")
	for range 20 {
		one := all["a"].send(abi.Message{Type: abi.MessageQuery, Body: relayed("b")})
		two := all["b"].send(abi.Message{Type: abi.MessageQuery, Body: relayed("a")})
		all["a"].all(one)
		all["b"].all(two)
		if a, b := all["a"].counters(), all["b"].counters(); a.TimedOut+b.TimedOut+a.GivenUp+b.GivenUp > 0 {
			t.Fatalf("they waited for each other: %+v, %+v", a, b)
		}
	}
}

// TestCallsNeedAGrant of the name, with the right that the message needs.
func TestCallsNeedAGrant(t *testing.T) {
	r := newRig(t)
	reads := spec.Grant{Group: "connectors", Resources: []string{"mixer*"}, Rights: []spec.Right{spec.Read}}
	all := r.relays(reads, "a", "mixer1", "other")
	a := all["a"]
	if got := answerOf(t, a.query(relayed("mixer1"))); !strings.Contains(got, `"left_ms"`) {
		t.Errorf("granted: %s", got)
	}
	if got := answerOf(t, a.query(relayed("other"))); !strings.Contains(got, "no grant covers") {
		t.Errorf("another name: %s", got)
	}
	if got := a.rpc(abi.Message{Body: relayed("mixer1")}); got.Err == nil || !strings.Contains(got.Err.Text, "right to write") {
		t.Errorf("an RPC: %+v", got)
	}
	v := r.connect(control.ConnectorInput{Name: "bare", Module: r.module("relay"), Config: json.RawMessage("{}")})
	r.state(v.ID, lifecycle.Running)
	if got := answerOf(t, r.party(v.ID).query(relayed("mixer1"))); !strings.Contains(got, "not granted") {
		t.Errorf("without a grant: %s", got)
	}
	status := r.until(a.id, "refused", func(s lifecycle.Status) bool { return s.Counters.Denied >= 2 })
	if status.State != lifecycle.Running {
		t.Errorf("%+v", status)
	}
}

// TestCallerWaitsNoLongerThanItsOwnMessage: the deadline goes with the call.
func TestCallerWaitsNoLongerThanItsOwnMessage(t *testing.T) {
	r := newRig(t)
	all := r.relays(toAll(), "a")
	r.speaks("slow", "parley", nil)
	never, err := json.Marshal(map[string]any{"to": "slow", "body": json.RawMessage(bodyOf("never"))})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	replies := all["a"].all(all["a"].send(abi.Message{Type: abi.MessageQuery, Body: never, Deadline: time.Now().Add(400 * time.Millisecond).UnixNano()}))
	if len(replies) != 1 || time.Since(began) > 3*time.Second {
		t.Errorf("%+v after %s", replies, time.Since(began))
	}
	timely, err := json.Marshal(map[string]any{"to": "slow", "timeout_ms": 100, "body": json.RawMessage(bodyOf("never"))})
	if err != nil {
		t.Fatal(err)
	}
	if got := answerOf(t, all["a"].query(timely)); !strings.Contains(got, "timeout") || !strings.Contains(got, `"code":504`) {
		t.Errorf("%s", got)
	}
}
