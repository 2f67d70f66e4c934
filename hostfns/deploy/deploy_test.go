package deploy_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/deploy"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func grants(rights ...spec.Right) []spec.Grant {
	return []spec.Grant{{Group: "deploy", Resources: []string{"connector:opc*", "device:p*", "http:view"}, Rights: rights}}
}

// TestContract: outside of deploy and tear_down the group makes nothing, whatever
// is granted.
func TestContract(t *testing.T) {
	call := func(function string, request interface{ Append(dst []byte) []byte }) hostfnstest.Call {
		return hostfnstest.Call{Function: function, Request: request, Reply: &abi.Deployed{}}
	}
	hostfnstest.Run(t, hostfnstest.Case{
		Group:  deploy.New(),
		Grants: grants(spec.Read, spec.Write),
		Calls: []hostfnstest.Call{
			call("connector", &abi.DeployConnector{}),
			call("connector", &abi.DeployConnector{Name: "press 1", ProviderType: "opcua"}),
			call("device", &abi.DeployDevice{}),
			call("http", &abi.DeployHTTP{Name: "view"}),
			call("topic", &abi.DeployTopic{Name: "press"}),
			call("note", &abi.DeployNote{Name: "label", Text: "peel it off"}),
		},
		Log: `
==> deploy.connector()
<== error=invalid
==> deploy.connector(name="press 1",providerType="opcua")
<== error=wrong_state
==> deploy.device()
<== error=invalid
==> deploy.http(name="view")
<== error=wrong_state
==> deploy.topic(name="press")
<== error=wrong_state
==> deploy.note(name="label",text="peel it off")
<== error=wrong_state
`,
	})
}

// site makes whatever it is asked for.
type site struct{ made []string }

func (s *site) make(kind, name string) (abi.Deployed, error) {
	s.made = append(s.made, kind+" "+name)
	return abi.Deployed{ID: name}, nil
}

func (s *site) Connector(_ context.Context, c *abi.DeployConnector) (abi.Deployed, error) {
	return s.make("connector", c.Name)
}

func (s *site) Device(_ context.Context, d *abi.DeployDevice) (abi.Deployed, error) {
	return s.make("device", d.Device.ID)
}

func (s *site) HTTP(_ context.Context, h *abi.DeployHTTP) (abi.Deployed, error) {
	return s.make("http", h.Name)
}

func (s *site) Topic(_ context.Context, t *abi.DeployTopic) (abi.Deployed, error) {
	return s.make("topic", t.Name)
}

func (s *site) Note(_ context.Context, n *abi.DeployNote) (abi.Deployed, error) {
	return s.make("note", n.Name)
}

// caller counts what is refused.
type caller struct{ refused []string }

func (*caller) Allow(context.Context, string, spec.Right) error { return nil }

func (c *caller) Refused(function, resource string, err error) {
	c.refused = append(c.refused, function+" "+resource+" "+fault.Of(err).Kind.String())
}

// TestGrants: what is made is what a grant names, with the right to write; a note
// needs none.
func TestGrants(t *testing.T) {
	made, guest := &site{}, &caller{}
	open := func(rights ...spec.Right) capability.Session {
		s, err := deploy.New().Open(t.Context(), capability.Scope{
			Grants: grants(rights...), Deployment: made, Caller: guest, Log: slog.New(slog.DiscardHandler),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	writes, reads := open(spec.Write), open(spec.Read)
	device := func(id string) []byte { return (&abi.DeployDevice{Device: &abi.Device{ID: id}}).Append(nil) }
	for _, c := range []struct {
		session  capability.Session
		function string
		request  []byte
		denied   bool
	}{
		{writes, "connector", (&abi.DeployConnector{Name: "x", ProviderType: "opcua"}).Append(nil), false},
		{writes, "connector", (&abi.DeployConnector{Name: "opcua", ProviderType: "mtconnect"}).Append(nil), true},
		{reads, "connector", (&abi.DeployConnector{Name: "x", ProviderType: "opcua"}).Append(nil), true},
		{writes, "device", device("p1"), false},
		{writes, "device", device("q1"), true},
		{writes, "http", (&abi.DeployHTTP{Name: "view"}).Append(nil), false},
		{writes, "topic", (&abi.DeployTopic{Name: "t"}).Append(nil), true},
		{reads, "note", (&abi.DeployNote{Name: "n"}).Append(nil), false},
	} {
		_, err := c.session.Call(t.Context(), c.function, c.request, nil)
		if fault.Is(err, fault.Denied) != c.denied || !c.denied && err != nil {
			t.Errorf("%s %q: %v", c.function, c.request, err)
		}
	}
	if want := []string{"connector x", "device p1", "http view", "note n"}; !slices.Equal(made.made, want) {
		t.Errorf("made %q", made.made)
	}
	if len(guest.refused) != 4 || guest.refused[0] != "connector connector:mtconnect denied" {
		t.Errorf("refused %q", guest.refused)
	}
	if _, err := writes.Call(t.Context(), "note", (&abi.DeployNote{Name: strings.Repeat("n", 257)}).Append(nil), nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a long name: %v", err)
	}
	if _, err := writes.Call(t.Context(), "drop", nil, nil); !fault.Is(err, fault.Unsupported) {
		t.Errorf("another function: %v", err)
	}
}
