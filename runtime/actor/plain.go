package actor

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// plain is what a converter keeps that is an Extism plugin which knows nothing
// of batches: the payload of each record goes through one of its functions.
type plain struct {
	batch   abi.Batch
	records []abi.Record
	outcome abi.Outcome
}

// convert is the converter's work on one batch, as an encoded outcome. A
// record that the function refuses is a verdict with the function's own words.
// After an error that the guest did not survive, nothing is converted.
func (p *plain) convert(ctx context.Context, g *guest, x *abi.Extism, batch []byte) ([]byte, error) {
	if err := p.batch.Decode(batch); err != nil {
		return nil, fault.Wrap(fault.Guest, err, "the module's records cannot be read")
	}
	p.records, p.outcome.Verdicts = p.records[:0], p.outcome.Verdicts[:0]
	var payloads []byte
	for n, r := range p.batch.Records {
		out, err := p.one(ctx, g, x, r.Payload)
		switch {
		case err == nil:
			from := len(payloads)
			payloads = append(payloads, out...)
			r.Payload = payloads[from:len(payloads):len(payloads)]
			if x.ContentType != "" {
				r.ContentType = x.ContentType
			}
			p.records = append(p.records, r)
		case g.inst.State() != engine.Idle || !refusesRecord(err):
			return nil, err
		default:
			p.outcome.Verdicts = append(p.outcome.Verdicts, abi.Verdict{
				Input: uint32(n), Decision: abi.DecisionReject, Reason: fault.Of(err).Text,
			})
		}
	}
	p.outcome.Batch.Records = p.records
	return p.outcome.Append(nil), nil
}

func (p *plain) one(ctx context.Context, g *guest, x *abi.Extism, payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, fault.New(fault.Guest, "the record has no payload, and %s takes nothing else", x.Convert)
	}
	return g.call(ctx, x.Convert, payload)
}

// refusesRecord reports whether an error is about the one record that the
// function was given.
func refusesRecord(err error) bool {
	return fault.Is(err, fault.Guest) || fault.Is(err, fault.GuestOutput) || fault.Is(err, fault.TooLarge)
}

// extismSettings make a connector's config that of a guest with an Extism PDK:
// strings as they are, and all else as JSON.
func extismSettings(config json.RawMessage) *engine.ExtismSettings {
	var fields map[string]json.RawMessage
	if json.Unmarshal(config, &fields) != nil {
		return nil // no object, no fields
	}
	s := &engine.ExtismSettings{Config: make(map[string]string, len(fields))}
	for name, raw := range fields {
		var text string
		switch {
		case bytes.Equal(raw, []byte("null")):
		case json.Unmarshal(raw, &text) == nil:
			s.Config[name] = text
		default:
			s.Config[name] = string(raw)
		}
	}
	return s
}

// Log takes a line that a guest with an Extism PDK logs. One beyond the limit
// is dropped: there is no way to answer an error for it.
func (g *guest) Log(level abi.LogLevel, line []byte) {
	if g.quota.line() {
		g.line(level, FromGuest, "extism", strings.ToValidUTF8(string(line), "\uFFFD"))
	}
}

var _ engine.LogHost = (*guest)(nil)
