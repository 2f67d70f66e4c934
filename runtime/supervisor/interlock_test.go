package supervisor_test

import (
	"bufio"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// heard are the lines that a connector writes to a serial line.
func (l *line) heard(t *testing.T) <-chan string {
	t.Helper()
	said := make(chan string, 100)
	near := l.near
	go func() { // ends when the line is closed, behind the test
		defer close(said)
		for lines := bufio.NewScanner(near); lines.Scan(); {
			said <- lines.Text()
		}
	}()
	return said
}

func (r *rig) hears(said <-chan string, want string) {
	r.t.Helper()
	select {
	case got := <-said:
		if got != want {
			r.t.Fatalf("the device hears %q, not %q", got, want)
		}
	case <-time.After(patience):
		r.t.Fatalf("the device does not hear %q", want)
	}
}

// tell sends a message and answers its last reply.
func (r *rig) tell(by *control.Tenant, id string, in control.MessageInput) (control.Reply, error) {
	r.t.Helper()
	e, err := by.Send(r.t.Context(), id, in)
	if err != nil {
		return control.Reply{}, err
	}
	defer e.Close()
	last, err := e.Next(r.t.Context())
	if err == nil && last.Fault != nil {
		err = last.Fault
	}
	return last, err
}

func command(method, body string) control.MessageInput {
	return control.MessageInput{Type: abi.MessageCommand, Device: "device-1", Method: method, Body: []byte(body)}
}

func (r *rig) lock(in control.ConnectorInput, text string) control.ConnectorInput {
	r.t.Helper()
	var lock spec.Interlock
	if err := json.Unmarshal([]byte(text), &lock); err != nil {
		r.t.Fatal(err)
	}
	in.Grants[0].Interlock = &lock
	return in
}

const setLock = `{"tags":[{"tag":"level","method":"set","max":9},{"tag":"end","method":"end"}]}`

// What an interlock refuses is not written, whatever the guest would do; what it
// lets through is. The trail has both.
func TestInterlockIsBeforeTheGuest(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	said := l.heard(t)
	v := r.connect(r.lock(r.serialline(nil, l.port), setLock))
	if _, err := r.tell(r.tenant, v.ID, command("set", "10\n")); !fault.Is(err, fault.Interlocked) || !strings.Contains(err.Error(), "more than 9") {
		t.Errorf("beyond the bounds: %v", err)
	}
	if _, err := r.tell(r.tenant, v.ID, command("other", "1\n")); !fault.Is(err, fault.Interlocked) {
		t.Errorf("what is not named: %v", err)
	}
	if _, err := r.tell(r.tenant, v.ID, command("set", "7\n")); err != nil {
		t.Fatal(err)
	}
	r.hears(said, "7")

	// A dry run shows the bytes, and writes none.
	dry := command("set", "8\n")
	dry.DryRun = true
	reply, err := r.tell(r.tenant, v.ID, dry)
	var shown struct {
		DryRun bool `json:"dry_run"`
		Writes []struct {
			Tag   string
			Value json.Number
		}
		Calls []struct{ Group, Function, Text string }
		Error any
	}
	if err == nil {
		err = json.Unmarshal(reply.Body, &shown)
	}
	if err != nil || !shown.DryRun || len(shown.Writes) != 1 || shown.Writes[0].Value != "8" ||
		len(shown.Calls) != 1 || shown.Calls[0].Text != "8\n" || shown.Calls[0].Function != "write" || shown.Error != nil {
		t.Errorf("the dry run answers %s: %v", reply.Body, err)
	}

	// A rule that is changed counts at once, for the guest that runs already.
	in := r.lock(r.serialline(nil, l.port), `{"tags":[{"tag":"level","method":"set","max":5}]}`)
	if st := r.update(v.ID, in); st.Generation != 1 {
		t.Errorf("the change of a rule made another guest: %+v", st)
	}
	if _, err := r.tell(r.tenant, v.ID, command("set", "7\n")); !fault.Is(err, fault.Interlocked) {
		t.Errorf("by the rule of before: %v", err)
	}
	if _, err := r.tell(r.tenant, v.ID, command("set", "4\n")); err != nil {
		t.Fatal(err)
	}
	r.hears(said, "4") // and neither 8 nor any other
	r.trailOf(v.ID, map[identity.Outcome]int{identity.Done: 2, identity.Refused: 0})
}

// trailOf counts the writes in the trail that were done.
func (r *rig) trailOf(id string, want map[identity.Outcome]int) {
	r.t.Helper()
	events, _, err := r.tenant.Audit(r.t.Context(), control.AuditQuery{Connector: id, Action: "device.write"}, control.Page{Limit: 500})
	if err != nil {
		r.t.Fatal(err)
	}
	done := 0
	for _, e := range events {
		if e.Outcome == identity.Done && !strings.Contains(e.Detail, "dry run") {
			done++
		}
	}
	if done != want[identity.Done] {
		r.t.Errorf("%d writes are in the trail: %+v", done, events)
	}
}

// What no message asked for is not written through a grant with an interlock,
// unless that lets it be.
func TestUnaskedWritesAreRefused(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	said := l.heard(t)
	in := control.ConnectorInput{
		Name: "echo", Module: r.module("echo"), Grants: port(l.port),
		Config: config(t, map[string]any{"port": l.port, "on": map[string]string{"ask": "reply"}}),
	}
	v := r.connect(r.lock(in, setLock))
	l.send(t, "ask\n")
	r.until(v.ID, "refused", func(s lifecycle.Status) bool { return s.Counters.Denied == 1 })
	r.update(v.ID, r.lock(in, `{"unasked":true}`))
	l.send(t, "ask\n")
	r.hears(said, "ask")
	in.Grants[0].Interlock, in.Grants[0].Unlock = nil, true
	r.update(v.ID, in)
	l.send(t, "ask\n")
	r.hears(said, "ask")
}

// by is the tenant's control plane in the hands of a user.
func (r *rig) by(user string, role identity.Role) *control.Tenant {
	r.t.Helper()
	service, err := r.service.Tenant("plant")
	if err != nil {
		r.t.Fatal(err)
	}
	return service.By(identity.Identity{Tenant: "plant", Kind: identity.KindUser, ID: user, Name: user, User: user, UserName: user, Role: role})
}

// A write that wants a second person waits for one, and is judged again then.
func TestSecondPersonApproves(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	said := l.heard(t)
	const lock = `{"tags":[{"tag":"level","method":"set","max":9,"per_minute":1}],"second_person":true}`
	v := r.connect(r.lock(r.serialline(nil, l.port), lock))
	ada, bob := r.by("ada", identity.Operator), r.by("bob", identity.Operator)
	var ids []string
	for _, level := range []string{"7\n", "8\n"} {
		_, err := r.tell(ada, v.ID, command("set", level))
		if !fault.Is(err, fault.ApprovalRequired) {
			t.Fatalf("without a second person: %v", err)
		}
		list, err := bob.Writes(t.Context())
		if err != nil || len(list.Waiting) != len(ids)+1 {
			t.Fatalf("%+v waits: %v", list, err)
		}
		ids = append(ids, list.Waiting[0].ID)
	}
	if _, err := ada.ApproveWrite(t.Context(), ids[0], 0); !fault.Is(err, fault.ApprovalRequired) {
		t.Errorf("approved by who asked: %v", err)
	}
	e, err := bob.ApproveWrite(t.Context(), ids[0], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r.hears(said, "7")
	if reply, err := e.Next(t.Context()); err != nil || reply.Status != abi.ReplyComplete {
		t.Errorf("the answer to what was approved: %+v, %v", reply, err)
	}
	// The rate of this moment counts, whoever approves.
	if _, err := bob.ApproveWrite(t.Context(), ids[1], 0); !fault.Is(err, fault.Interlocked) {
		t.Errorf("the second within a minute: %v", err)
	}
	waits := func(id string) bool {
		list, err := bob.Writes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(list.Waiting, func(p control.Pended) bool {
			return p.ID == id && p.State == "pending" && p.Approver.Name == ""
		})
	}
	if !waits(ids[1]) || waits(ids[0]) {
		t.Error("what was refused at its approval does not wait again, or what was written does")
	}
	if _, err := bob.ApproveWrite(t.Context(), ids[0], 0); !fault.Is(err, fault.WrongState) {
		t.Errorf("approved twice: %v", err)
	}
	// Without the interlock nothing would judge the one that still waits.
	in := r.serialline(nil, l.port)
	in.Grants[0].Unlock = true
	r.update(v.ID, in)
	if _, err := bob.ApproveWrite(t.Context(), ids[1], 0); !fault.Is(err, fault.WrongState) {
		t.Errorf("approved behind the end of its interlock: %v", err)
	}
	r.update(v.ID, r.lock(r.serialline(nil, l.port), lock))

	// What nobody took waits for another try, and is written then, once.
	admin := r.by("eve", identity.Admin)
	if _, err := admin.Override(t.Context(), control.OverrideInput{Connector: v.ID, Reason: "test", Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.ApproveWrite(t.Context(), ids[1], 0); !fault.Is(err, fault.WrongState) || !waits(ids[1]) {
		t.Fatalf("approved while the connector does not run: %v", err)
	}
	if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Running)
	again, err := bob.ApproveWrite(t.Context(), ids[1], 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	r.hears(said, "8")
	if _, err := bob.ApproveWrite(t.Context(), ids[1], 0); !fault.Is(err, fault.WrongState) {
		t.Errorf("approved twice: %v", err)
	}
}

// An override lets through what the rules refuse, until it ends.
func TestOverrideOfAnInterlock(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	said := l.heard(t)
	v := r.connect(r.lock(r.serialline(nil, l.port), setLock))
	ask := control.OverrideInput{Connector: "line", Reason: "the pump is being serviced", Expires: time.Now().Add(time.Minute)}
	if _, err := r.by("ada", identity.Operator).Override(t.Context(), ask); !fault.Is(err, fault.RoleRequired) {
		t.Errorf("by an operator: %v", err)
	}
	o, err := r.tenant.Override(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.tell(r.tenant, v.ID, command("set", "99\n")); err != nil {
		t.Fatal(err)
	}
	r.hears(said, "99")
	if err := r.tenant.EndOverride(t.Context(), o.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.tell(r.tenant, v.ID, command("set", "99\n")); !fault.Is(err, fault.Interlocked) {
		t.Errorf("behind its end: %v", err)
	}
}

// A twin follows what its device reports, says what is wanted and not so, and is
// there after a restart. A required reading is the twin's.
func TestTwinFollowsItsDevice(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{
		Name: "parley", Module: r.module("parley"), Config: config(t, map[string]any{"devices": []string{"d1"}}),
		Grants: port("/dev/none"),
	}
	v := r.connect(r.lock(in, `{"tags":[{"tag":"mode"},{"tag":"rate"}],"requires":[]}`))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	wish := map[string]json.RawMessage{"mode": json.RawMessage(`"auto"`), "rate": json.RawMessage("7.0")}
	twin, err := r.tenant.Desire(ctx, v.ID, "d1", wish, 0, 0)
	if err != nil || twin.Sent == nil || !twin.Sent.Success || twin.Desired.Revision != 1 {
		t.Fatalf("what is wanted: %+v, sent %+v: %v", twin, twin.Sent, err)
	}
	reported := func() {
		t.Helper()
		for {
			twin, err = r.tenant.Twin(ctx, v.ID, "d1")
			if err != nil {
				t.Fatal(err)
			}
			if len(twin.Delta) == 0 && len(twin.Attributes) == 2 {
				return
			}
			r.tick()
		}
	}
	reported()
	if twin, err = r.tenant.Desire(ctx, v.ID, "d1", wish, 1, 0); err != nil || twin.Sent != nil || twin.Desired.Revision != 2 {
		t.Errorf("what is so already was sent: %+v, %v", twin.Sent, err)
	}
	if _, err = r.tenant.Desire(ctx, v.ID, "d1", wish, 1, 0); !fault.Is(err, fault.StaleRevision) {
		t.Errorf("by an old revision: %v", err)
	}
	if _, err = r.tenant.Twin(ctx, v.ID, "nobody"); !fault.Is(err, fault.DeviceUnknown) {
		t.Errorf("of nobody: %v", err)
	}
	r.stop()
	r.start()
	reported()

	in = r.lock(in, `{"tags":[{"tag":"rate"}],"requires":[{"tag":"mode","equals":"off","max_age":"1h"}]}`)
	r.update(v.ID, in)
	wish["rate"] = json.RawMessage("8")
	twin, err = r.tenant.Desire(ctx, v.ID, "d1", wish, 0, 0)
	if err != nil || twin.Sent == nil || twin.Sent.Success || !fault.Is(twin.Sent.Fault, fault.Interlocked) ||
		!strings.Contains(twin.Sent.Fault.Text, `to be off, and it is "auto"`) || string(twin.Delta["rate"]) != "8" {
		t.Errorf("against a requirement: %+v, sent %+v: %v", twin, twin.Sent, err)
	}
	// A device that is deleted is known no more; what is wanted of it goes, too.
	if _, err := r.tenant.DeleteDevice(ctx, v.ID, "d1", 0, control.Patience{}); err != nil {
		t.Fatal(err)
	}
	for twin, err = r.tenant.Twin(ctx, v.ID, "d1"); !fault.Is(err, fault.DeviceUnknown); twin, err = r.tenant.Twin(ctx, v.ID, "d1") {
		if err != nil {
			t.Fatalf("the twin of a device that was deleted: %+v, %v", twin, err)
		}
		r.tick()
	}
	in.Mapping = []spec.Mapping{{Pointer: "v"}}
	if _, err := r.tenant.UpdateConnector(ctx, v.ID, in, 0); !fault.Is(err, fault.ConfigInvalid) || len(fault.Of(err).Fields) != 2 {
		t.Errorf("a mapping that is none: %v", err)
	}
	in.Mapping = []spec.Mapping{{Tag: "v", Pointer: "/v"}}
	if st := r.update(v.ID, in); st.Generation != 1 {
		t.Errorf("a mapping made another guest: %+v", st)
	}
	if v, err := r.tenant.Connector(ctx, v.ID); err != nil || len(v.Mapping) != 1 {
		t.Errorf("the mapping is %+v: %v", v.Mapping, err)
	}
	if err := r.tenant.DeleteConnector(ctx, v.ID, 0); err != nil {
		t.Fatal(err)
	}
	if s := r.plant().Twins().Stats(); s.Devices != 0 {
		t.Errorf("the twins of a connector that is deleted: %+v", s)
	}
}

// The interlock of a group without handles is held to as well: here of the calls
// between connectors.
func TestInterlockOfCallsBetweenConnectors(t *testing.T) {
	r := newRig(t)
	b := r.connect(control.ConnectorInput{Name: "b", Module: r.module("relay"), Config: json.RawMessage("{}")})
	r.state(b.ID, lifecycle.Running)
	in := control.ConnectorInput{Name: "a", Module: r.module("relay"), Config: json.RawMessage("{}"), Grants: []spec.Grant{toAll()}}
	a := r.connect(r.lock(in, `{"tags":[{"tag":"go","method":"go"}]}`))
	r.state(a.ID, lifecycle.Running)
	ask := func(method string, dry bool) (control.Reply, error) {
		return r.tell(r.tenant, a.ID, control.MessageInput{Type: abi.MessageRPC, Method: method, Body: []byte(`{"to":"b","body":{}}`), DryRun: dry})
	}
	if reply, err := ask("go", false); err != nil || !strings.Contains(string(reply.Body), a.ID) {
		t.Errorf("what is let through: %s, %v", reply.Body, err)
	}
	if _, err := ask("other", false); !fault.Is(err, fault.Interlocked) {
		t.Errorf("what is not: %v", err)
	}
	if reply, err := ask("go", true); err != nil || !strings.Contains(string(reply.Body), `"group":"connectors","function":"call"`) {
		t.Errorf("the dry run: %s, %v", reply.Body, err)
	}
	if c := r.plant().Exchange(b.ID).Counters(); c.Asked != 1 {
		t.Errorf("the other connector was asked %d times", c.Asked)
	}
}

// A dry run has a guest of its own, and the lane goes on beside it: a caller
// could hold it up with one after the other. It ends with its question, and with
// the connector.
func TestDryRunHoldsUpNobody(t *testing.T) {
	r := newRig(t)
	p := r.speaks("parley", "parley", nil)
	dry := func(after int, timeout time.Duration) <-chan error {
		ended := make(chan error, 1)
		e, err := r.tenant.Send(t.Context(), p.id, control.MessageInput{
			Type: abi.MessageRPC, Method: "x", Body: bodyOf("sleep", "after_ms", after), DryRun: true, Wait: timeout,
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer e.Close()
			last, err := e.Next(t.Context())
			if err == nil && last.Fault != nil {
				err = last.Fault
			}
			ended <- err
		}()
		return ended
	}
	slow := dry(3000, 30*time.Second)
	began := time.Now()
	for range 3 {
		p.rpc(abi.Message{Method: "where"})
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("beside a dry run three calls took %s", took)
	}
	if err := <-slow; err != nil {
		t.Errorf("the dry run ended with %v", err)
	}

	// With their questions, so that there is room for another one.
	for range 4 {
		dry(60000, 500*time.Millisecond)
	}
	began = time.Now()
	if err := <-dry(1, 30*time.Second); err != nil || time.Since(began) > 15*time.Second {
		t.Errorf("behind dry runs without an end one took %s and ended with %v", time.Since(began), err)
	}

	last := dry(60000, time.Minute)
	p.rpc(abi.Message{Method: "where"}) // now it is under way
	began = time.Now()
	if _, err := r.tenant.Deactivate(t.Context(), p.id); err != nil {
		t.Fatal(err)
	}
	if err := <-last; !fault.Is(err, fault.WrongState) || time.Since(began) > 15*time.Second {
		t.Errorf("the stop ended it after %s with %v", time.Since(began), err)
	}
}
