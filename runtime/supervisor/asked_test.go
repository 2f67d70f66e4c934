package supervisor_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Who has a connector ask for a write is not the second person.
func TestSecondPersonBehindAConnector(t *testing.T) {
	r := newRig(t)
	in := control.ConnectorInput{Name: "b", Module: r.module("relay"), Config: json.RawMessage("{}"), Grants: []spec.Grant{toAll()}}
	b := r.connect(r.lock(in, `{"tags":[{"tag":"go","method":"go"}],"second_person":true}`))
	r.state(b.ID, lifecycle.Running)
	a := r.connect(control.ConnectorInput{Name: "a", Module: r.module("relay"), Config: json.RawMessage("{}"), Grants: []spec.Grant{toAll()}})
	r.state(a.ID, lifecycle.Running)
	ada, bob := r.by("ada", identity.Operator), r.by("bob", identity.Operator)
	reply, err := r.tell(ada, a.ID, control.MessageInput{Type: abi.MessageRPC, Method: "go", Body: []byte(`{"to":"b","body":{}}`)})
	if !strings.Contains(string(reply.Body)+errText(err), "approval_required") && !fault.Is(err, fault.ApprovalRequired) {
		t.Fatalf("without a second person: %s, %v", reply.Body, err)
	}
	list, err := bob.Writes(t.Context())
	if err != nil || len(list.Waiting) != 1 || !strings.HasPrefix(list.Waiting[0].String(), "connector a, for ada") {
		t.Fatalf("%+v waits: %v", list.Waiting, err)
	}
	id := list.Waiting[0].ID
	if _, err := ada.ApproveWrite(t.Context(), id, 0); !fault.Is(err, fault.ApprovalRequired) {
		t.Errorf("approved by who had the connector ask: %v", err)
	}
	e, err := bob.ApproveWrite(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return fault.Of(err).Kind.String() + " " + err.Error()
}
