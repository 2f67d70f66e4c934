package control

import (
	"context"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// remoteTest is the test of a connector whose code is elsewhere.
const remoteTest = "its configuration is whole; whether its code works is known when it attaches"

// remote checks what is peculiar to a connector without a module.
func (f *findings) remote(in *ConnectorInput) (*findings, error) {
	if in.Module != "" || in.Category != "" || in.ProviderType != "" || in.Version != "" {
		f.wrong("/module", "and the type are of connectors that run here, and a remote one has neither")
	}
	if in.Converter != nil {
		f.wrong("/converter", "is of connectors that run here: what a remote one sends is kept as it is")
	}
	if len(in.Grants) > 0 {
		f.wrong("/grants", "are of connectors that run here: a remote one calls no host functions")
	}
	in.Config = orNoConfig(in.Config)
	f.fits("/config", in.Config)
	return f, f.err()
}

// RemoteCode is the code of a remote connector, as whoever attaches has it.
type RemoteCode = supervisor.RemoteCode

// Attached is a session of such code.
type Attached = supervisor.RemoteSession

// Attach makes somebody the code of a remote connector, by its name or id: it
// gets the connector's configuration with its secrets, which needs a right of
// its own. claim is what tells code that comes back from other code.
// fault.NotFound: there is no such connector. fault.Unsupported: it runs here.
// fault.NotActive: it is not to run. fault.Exists: other code is attached.
func (t *Tenant) Attach(ctx context.Context, idOrName, claim string, code RemoteCode) (*Attached, error) {
	if err := t.may(ctx, identity.Remote, identity.Use); err != nil {
		return nil, err
	}
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	if !c.Remote {
		return nil, fault.New(fault.Unsupported, "the connector %s runs here, and has no code elsewhere", c.Name).
			WithHint("Make a remote connector of this name.")
	}
	a, err := t.runtime.AttachRemote(ctx, c.ID, claim, code)
	if err != nil {
		return nil, err
	}
	t.record(ctx, identity.Event{Action: identity.RemoteAttach, Connector: c.ID, Name: c.Name})
	return a, nil
}
