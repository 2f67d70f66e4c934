package control

import (
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxMessage bounds the message of a test that is kept, in bytes.
const maxMessage = 512

// TestConnector runs the module's own test in the sandbox, beside whatever
// runs, and keeps the result. A failed test is a result, not an error.
func (t *Tenant) TestConnector(ctx context.Context, idOrName string) (TestResult, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return TestResult{}, err
	}
	v, err := t.Connector(ctx, idOrName)
	if err != nil {
		return TestResult{}, err
	}
	key, err := v.TestKey()
	if err != nil {
		return TestResult{}, fault.Wrap(fault.ConfigInvalid, err, "connector %s", v.ID)
	}
	began := time.Now()
	raw, err := t.runtime.Test(ctx, &v.Connector)
	if err != nil {
		return TestResult{}, err
	}
	result := TestResult{
		Success: raw.Success, Message: fault.Clip(raw.Message, maxMessage), Details: details(raw.Details),
		Latency: time.Since(began), At: began.UTC(),
	}
	return result, t.space.Update(ctx, func(w store.Writer) error {
		c, err := find(w, v.ID)
		if err != nil {
			return err
		}
		// The last test counts: a failed one takes back what an earlier one said.
		c.Status, c.Tested, c.StatusMessage, c.LastTestedAt = spec.StatusError, "", result.Message, result.At
		if result.Success {
			c.Status, c.Tested = spec.StatusConnected, key
		}
		return save(w, &c)
	})
}

func details(list []abi.Header) map[string]string {
	all := make(map[string]string, len(list))
	for _, h := range list {
		all[h.Name] = fault.Clip(string(h.Value), maxMessage)
	}
	return all
}
