package control

import (
	"context"
	"strconv"
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
	c, err := t.read(ctx, idOrName)
	if err != nil {
		return TestResult{}, err
	}
	key, err := c.TestKey()
	if err != nil {
		return TestResult{}, fault.Wrap(fault.ConfigInvalid, err, "connector %s", c.ID)
	}
	result, err := t.test(ctx, &c)
	if err != nil {
		return TestResult{}, err
	}
	return result, t.keepTest(ctx, c.ID, key, result)
}

// keepTest keeps the result of a test of a connector as it was: with that test
// key. Of another one it says nothing.
func (t *Tenant) keepTest(ctx context.Context, id, key string, result TestResult) error {
	return t.space.Update(ctx, func(w store.Writer) error {
		c, err := find(w, id)
		if err != nil {
			return err
		}
		e := t.event(identity.ConnectorTest, &c)
		e.Module, e.Detail = c.Module, "passed"
		if !result.Success {
			e.Detail = "failed: " + result.Message
		}
		if now, err := c.TestKey(); err != nil || now != key {
			e.Detail += "; it was changed meanwhile, so that this says nothing of it"
			return identity.Append(w, e)
		}
		// The last test counts: a failed one takes back what an earlier one said.
		c.Status, c.Tested, c.StatusMessage, c.LastTestedAt = spec.StatusError, "", result.Message, result.At
		if result.Success {
			c.Status, c.Tested = spec.StatusConnected, key
		}
		if err := identity.Append(w, e); err != nil {
			return err
		}
		return save(w, &c)
	})
}

// untested reports whether a connector is a draft of which no test has said
// anything: whatever changes, it stays one.
func untested(c *spec.Connector) bool {
	return c.Tested == "" && c.Status == spec.StatusDraft && c.StatusMessage == ""
}

// retested says what is known of a connector whose test key was another: nothing,
// unless it is again what a test has passed for.
func retested(c *spec.Connector, before string) {
	now, err := c.TestKey()
	switch {
	case err == nil && now == before:
	case err == nil && now == c.Tested:
		c.Status = spec.StatusConnected
	default:
		c.Status, c.StatusMessage = spec.StatusDraft, ""
	}
}

// test makes one test. A configuration that is not what the schema wants fails
// it before the module is asked.
func (t *Tenant) test(ctx context.Context, c *spec.Connector) (result TestResult, err error) {
	began := time.Now()
	result.At = began.UTC()
	err = t.complete(ctx, c)
	switch {
	case err != nil:
	case c.Remote:
		result.Success, result.Message, result.Details = true, remoteTest, map[string]string{}
	default:
		var raw abi.TestResult
		raw, err = t.runtime.Test(ctx, c)
		result.Success, result.Message, result.Details = raw.Success, raw.Message, details(raw.Details)
	}
	if fault.Is(err, fault.ConfigInvalid) {
		f := fault.Of(err)
		result.Message, result.Details = f.Text, map[string]string{"code": f.Kind.String(), "hint": f.Advice()}
		for _, field := range f.Fields {
			result.Details[field.Pointer] = field.Detail
		}
		err = nil
	}
	if err != nil {
		return TestResult{}, err
	}
	mask := t.runtime.Vault().Mask()
	// What is masked may be longer or shorter, so it is cut afterwards.
	result.Message = fault.Clip(mask.Text(result.Message), maxMessage)
	for name, text := range result.Details {
		result.Details[name] = fault.Clip(mask.Text(text), maxMessage)
	}
	if hint, ok := result.Details["hint"]; ok {
		result.Details["hint"] = addressed(hint, c)
	}
	result.Latency = time.Since(began)
	result.Details["latency_ms"] = strconv.FormatFloat(float64(result.Latency.Microseconds())/1000, 'f', 3, 64)
	return result, nil
}

func details(list []abi.Header) map[string]string {
	all := make(map[string]string, len(list))
	for _, h := range list {
		all[h.Name] = string(h.Value)
	}
	return all
}
