package connectors_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/connectors"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func grants(rights ...spec.Right) []spec.Grant {
	return []spec.Grant{{Group: "connectors", Resources: []string{"mixer*"}, Rights: rights}}
}

func TestContract(t *testing.T) {
	call := func(c abi.ConnectorCall) hostfnstest.Call {
		return hostfnstest.Call{Function: "call", Request: &c, Reply: &abi.ConnectorReplies{}}
	}
	query := &abi.Message{Type: abi.MessageQuery}
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  connectors.New(),
		Grants: grants(spec.Read),
		Calls: []hostfnstest.Call{
			call(abi.ConnectorCall{}),
			call(abi.ConnectorCall{Connector: "mixer1"}),
			call(abi.ConnectorCall{Connector: "mixer1", Message: &abi.Message{Type: 9}}),
			call(abi.ConnectorCall{Connector: "oven", Message: query}),
			call(abi.ConnectorCall{Connector: "mixer1", Message: &abi.Message{Type: abi.MessageRPC}}),
			call(abi.ConnectorCall{Connector: "mixer1", Message: query}), // there are none in the suite
		},
		Log: `
==> connectors.call()
<== error=invalid
==> connectors.call(connector="mixer1")
<== error=invalid
==> connectors.call(connector="mixer1",message={type=9})
<== error=invalid
==> connectors.call(connector="oven",message={type=1})
<== error=denied
==> connectors.call(connector="mixer1",message={type=2})
<== error=denied
==> connectors.call(connector="mixer1",message={type=1})
<== error=not_found
`,
	})
}

// others are the connectors of a tenant that answer with what they were asked.
type others struct {
	asked   abi.Message
	timeout time.Duration
	oneWay  bool
	err     error
}

func (o *others) Call(_ context.Context, connector string, m *abi.Message, timeout time.Duration, oneWay bool) ([]abi.Reply, error) {
	o.asked, o.timeout, o.oneWay = *m, timeout, oneWay
	if o.err != nil {
		return nil, o.err
	}
	return []abi.Reply{{Status: abi.ReplyPartial, Body: m.Body}, {Body: []byte(connector)}}, nil
}

// caller lets nothing be written.
type caller struct{ refused []string }

func (*caller) Allow(_ context.Context, function string, right spec.Right) error {
	if right == spec.Write {
		return fault.New(fault.NotActive, "%s: not yet", function)
	}
	return nil
}

func (c *caller) Refused(function, resource string, err error) {
	c.refused = append(c.refused, function+" "+resource+" "+fault.Of(err).Kind.String())
}

func TestCall(t *testing.T) {
	peers, guest := &others{}, &caller{}
	s, err := connectors.New().Open(t.Context(), capability.Scope{
		Grants: grants(spec.Read, spec.Write), Peers: peers, Caller: guest, Log: slog.New(slog.DiscardHandler),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	call := func(c abi.ConnectorCall) (abi.ConnectorReplies, error) {
		in := c.Append(nil)
		out, err := s.Call(t.Context(), "call", in, nil)
		clear(in) // the guest's memory goes on
		var replies abi.ConnectorReplies
		if err == nil {
			err = replies.Decode(out)
		}
		return replies, err
	}
	replies, err := call(abi.ConnectorCall{
		Connector: "mixer1", Message: &abi.Message{Type: abi.MessageQuery, Body: []byte(`{"a":1}`)}, TimeoutMS: 1500,
	})
	if err != nil || len(replies.Replies) != 2 || string(replies.Replies[0].Body) != `{"a":1}` || string(replies.Replies[1].Body) != "mixer1" {
		t.Errorf("%+v, %v", replies, err)
	}
	if peers.timeout != 1500*time.Millisecond || peers.oneWay || string(peers.asked.Body) != `{"a":1}` {
		t.Errorf("%+v", peers)
	}
	if _, err := call(abi.ConnectorCall{Connector: "mixer1", Message: &abi.Message{}, TimeoutMS: 1 << 63}); !fault.Is(err, fault.NotActive) {
		t.Errorf("a candidate publishes: %v", err)
	}
	if _, err := call(abi.ConnectorCall{Connector: strings.Repeat("m", 1021), Message: &abi.Message{}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a long name: %v", err)
	}
	if _, err := call(abi.ConnectorCall{Connector: "oven", Message: &abi.Message{}}); !fault.Is(err, fault.Denied) {
		t.Errorf("not granted: %v", err)
	}
	if len(guest.refused) != 1 || guest.refused[0] != "call oven denied" {
		t.Errorf("refused %q", guest.refused)
	}
	peers.err = fault.Wrap(fault.CallCycle, errors.New("x"), "y")
	if _, err := call(abi.ConnectorCall{Connector: "mixer1", Message: &abi.Message{Type: abi.MessageQuery}}); !fault.Is(err, fault.CallCycle) {
		t.Errorf("%v", err)
	}
}
