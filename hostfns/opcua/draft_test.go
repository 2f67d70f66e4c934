package opcua

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// drafted asks for nodes in a draft.
func drafted(t *testing.T, d capability.Draft, q abi.OPCUASubscribe) error {
	t.Helper()
	out, err := d.Call(t.Context(), functionSubscribe, q.Append(nil), nil)
	if err != nil {
		return err
	}
	var p abi.OPCUAStatuses
	must(t, p.Decode(out))
	if len(p.Statuses) != len(q.Items) {
		t.Errorf("%d statuses of %d items", len(p.Statuses), len(q.Items))
	}
	return nil
}

// TestDraftIsNothingUntilItIsTaken: what a candidate subscribes to leaves the
// session of the version that works as it is; taken, it is all that is wanted, and
// what the server refuses is told.
func TestDraftIsNothingUntilItIsTaken(t *testing.T) {
	p := newPlant(t)
	s := opened(t, testGroup(quick()), insecurely(p))
	subscribed(t, s, "a", "ns=1;s=temp")
	subscribed(t, s, "b", "ns=1;s=speed")
	next(t, s, "the first value", has("a.1="))
	one, two := s.Draft(), s.Draft()
	for _, d := range []capability.Draft{one, two} {
		must(t, drafted(t, d, abi.OPCUASubscribe{Handle: 1, Name: "a", IntervalMS: 50, Items: []abi.OPCUAItem{
			{ID: 8, Node: "nsu=urn:other;s=none"}, {ID: 9, Node: "ns=1;s=speed"},
		}}))
		must(t, drafted(t, d, abi.OPCUASubscribe{Handle: 1, Name: "c", Items: []abi.OPCUAItem{{ID: 1, Node: "ns=1;s=temp"}}}))
		must(t, drafted(t, d, abi.OPCUASubscribe{Handle: 1, Name: "c", Remove: true}))
	}
	if err := drafted(t, one, abi.OPCUASubscribe{Handle: 1}); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a name: %v", err)
	}
	if _, err := one.Call(t.Context(), functionRead, nil, nil); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a read of a draft: %v", err)
	}
	p.set(2)
	next(t, s, "a change", has("a.1=0b0000000000000040/0"))

	two.Take()
	var seen string
	next(t, s, "the new item, and that the other is refused", func(text string) bool {
		seen += text + " "
		return has("a.9=0607000000/0")(seen) && has("a.8=/80330000")(seen)
	})
	eventually(t, "the others are gone", func() bool {
		s.link.mu.Lock()
		defer s.link.mu.Unlock()
		return len(s.link.names) == 1 && len(s.link.names["a"].items) == 2
	})
	if c := s.Condition(); !c.Up || c.Opens != 1 {
		t.Errorf("%+v", c)
	}
}

// TestDraftOfALostServer: what is taken while the server is away is there when it
// is back.
func TestDraftOfALostServer(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	s := opened(t, testGroup(quick()), insecurely(p))
	subscribed(t, s, "a", "ns=1;s=temp")
	next(t, s, "the first value", has("a.1="))
	p.stop()
	next(t, s, "down", is("down"))
	d := s.Draft()
	must(t, drafted(t, d, abi.OPCUASubscribe{Handle: 1, Name: "b", IntervalMS: 50, Items: []abi.OPCUAItem{{ID: 3, Node: "ns=1;s=speed"}}}))
	d.Take()
	p.start()
	for _, text := range next(t, s, "the value", has("b.3=")) {
		if has("a.1=")(text) {
			t.Errorf("told %s", text)
		}
	}
}

// rotating is a secret that changes.
type rotating struct{ value atomic.Value }

func (r *rotating) Secret(context.Context, string) ([]byte, error) {
	return r.value.Load().([]byte), nil
}

// rotatedSecret: a password that is changed at the server and here counts from the
// next connection on.
func rotatedSecret(t *testing.T, p *peer) {
	t.Helper()
	secret := &rotating{}
	secret.value.Store([]byte("geheim"))
	args := abi.OPCUAOpen{Endpoint: p.endpoint(), Policy: "Basic256Sha256", OpenTimeoutMS: 3000, Username: "op", Password: "secret://pass"}
	end, err := p.group.Open(t.Context(), capability.Scope{Owner: "c", Grants: grantsFor(args.Endpoint), Secrets: secret}, args.Append(nil))
	must(t, err)
	s := end.(*Session)
	t.Cleanup(func() { closeSession(t, s) })
	secret.value.Store([]byte("falsch"))
	s.link.ch.Close()
	eventually(t, "it is not let in", func() bool { return has("does not let the user in")(s.Condition().Reason) })
	secret.value.Store([]byte("geheim"))
	next(t, s, "up", is("up"))
}
