package supervisor

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Call calls an entry point of the connector's running guest, between two of
// its steps: see actor.Actor.Call. in and the answer have at most 1 MiB. The
// tenant's secrets are masked in the answer, as in the error.
// fault.WrongState: the connector does not run.
func (t *Tenant) Call(ctx context.Context, id, entry string, in []byte) ([]byte, error) {
	if err := fits(entry, "input", in); err != nil {
		return nil, err
	}
	t.mu.Lock()
	r, ok := t.runners[id]
	t.mu.Unlock()
	if !ok {
		return nil, fault.New(fault.WrongState, "the connector does not run, so nobody can answer the call").
			WithHint("activate the connector first")
	}
	a := r.some()
	if a == nil {
		return nil, fault.New(fault.WrongState, "the connector does not run, so nobody can answer the call").
			WithHint("read the connector's status for why it does not run")
	}
	out, err := a.Call(ctx, entry, in)
	if err == nil {
		err = fits(entry, "answer", out)
	}
	if err != nil {
		return nil, t.maskedFault(err)
	}
	return t.vault.Mask().Bytes(out), nil
}

// Ask calls one entry point of a throw-away guest of the connector's module,
// beside whatever runs: it is not opened, and its own sessions end with it.
// The connector need not be stored, nor its config be whole, which only the
// input tells the guest. grants take the place of the connector's; nil: its
// own. A group that the module needs and that is not granted is refused when
// it is called. in and the answer have at most 1 MiB. fault.Unsupported: the
// module has no such entry point.
func (t *Tenant) Ask(ctx context.Context, c *spec.Connector, entry string, in []byte, grants []spec.Grant) ([]byte, error) {
	if err := fits(entry, "input", in); err != nil {
		return nil, err
	}
	asked := *c
	asked.Converter, asked.Params, asked.Config = nil, nil, json.RawMessage("{}")
	asked.Grants = slices.Clone(c.Grants)
	if grants != nil {
		asked.Grants = grants
	}
	v, release, err := t.loaded(ctx, &asked)
	if err != nil {
		return nil, err
	}
	defer release(context.WithoutCancel(ctx))
	h := t.newHost(c.ID)
	if err := h.countKept(ctx); err != nil {
		return nil, err
	}
	a := t.newSandbox(c.ID, "", "/ask", h)
	defer func() {
		if err := a.Close(context.WithoutCancel(ctx)); err != nil {
			t.notes.Warn("session not closed", "connector", c.ID, "error", err)
		}
	}()
	out, err := a.Ask(ctx, v, entry, in)
	if err == nil {
		err = fits(entry, "answer", out)
	}
	if err != nil {
		return nil, t.maskedFault(err)
	}
	return out, nil
}

// fits refuses what is larger than may cross.
func fits(entry, what string, b []byte) error {
	if len(b) > abi.MaxBatch {
		return fault.New(fault.TooLarge, "the %s of %s has %d bytes, and %d are allowed", what, entry, len(b), abi.MaxBatch)
	}
	return nil
}
