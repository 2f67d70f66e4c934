package tcp

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// A session that waits for a grant goes on when it is given, however long it would
// have waited; a connection ends when it is taken, and the guest is told why.
func TestGrantsComeAndGo(t *testing.T) {
	r := listening(t)
	less := []spec.Grant{{Group: Name, Resources: []string{r.address()}}}
	slow := func(a *abi.TCPOpen) { a.Background, a.RetryMS, a.MaxRetryMS = true, 60_000, 60_000 }
	end, err := group().Open(t.Context(), capability.Scope{Grants: less}, r.args(slow).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSession(t, end) })
	s := end.(*Session)
	eventually(t, "it says what is missing", func() bool {
		return strings.Contains(s.Condition().Reason, "no grant names its network")
	})
	s.Regrant(t.Context(), r.grants())
	expect(t, s, "up")
	send(t, r.accept(), "hello\n")
	expect(t, s, `"hello\n"`)

	s.Regrant(t.Context(), less)
	got := taken(t, s, 1)
	if told(got) != "down" || !fault.Is(got[0].Err, fault.EgressForbidden) {
		t.Errorf("%s: %v", told(got), got[0].Err)
	}
	s.Ack(1)
	if err := write(t.Context(), s, "x\n"); err == nil || !strings.Contains(err.Error(), "no grant names its network") {
		t.Errorf("write: %v", err)
	}
}
