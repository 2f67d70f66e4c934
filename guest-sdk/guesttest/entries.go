package guesttest

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Describe answers the entry points that have a handler.
func (h *Harness) Describe() []string {
	h.tb.Helper()
	answer, err := h.Call(abi.EntryDescribe, nil)
	var described struct {
		EntryPoints []string `json:"entry_points"`
	}
	if err == nil {
		err = json.Unmarshal(answer, &described)
	}
	if err != nil {
		h.tb.Fatalf("describe: %v", err)
	}
	return described.EntryPoints
}

// Open opens the guest.
func (h *Harness) Open(in abi.OpenInput) (*abi.Outcome, error) {
	return h.step(abi.EntryOpen, in.Append(nil))
}

// MustOpen opens the guest with a config, for the first time, and ends the test
// if it fails.
func (h *Harness) MustOpen(config string) *abi.Outcome {
	h.tb.Helper()
	return h.must(h.Open(Opening(config, abi.ReasonStart)))
}

// Opening is what a host hands to open and test.
func Opening(config, reason string) abi.OpenInput {
	return abi.OpenInput{
		Connector: "guesttest",
		Config:    []byte(config),
		Reason:    reason,
		ABIMinor:  abi.Minor,
	}
}

// Close closes the guest.
func (h *Harness) Close(reason string) error {
	_, err := h.step(abi.EntryClose, abi.CloseInput{Reason: reason}.Append(nil))
	return err
}

// Poll polls the guest; a nil cursor is none.
func (h *Harness) Poll(cursor []byte) (*abi.Outcome, error) {
	return h.step(abi.EntryPoll, abi.PollInput{Cursor: cursor}.Append(nil))
}

// MustPoll polls the guest and ends the test if it fails.
func (h *Harness) MustPoll(cursor []byte) *abi.Outcome {
	h.tb.Helper()
	return h.must(h.Poll(cursor))
}

// PollDevice polls the guest for one of its devices, whose turn it is.
func (h *Harness) PollDevice(device string, cursor []byte) (*abi.Outcome, error) {
	return h.step(abi.EntryPoll, abi.PollInput{Cursor: cursor, Device: device}.Append(nil))
}

// OnEvents hands events in.
func (h *Harness) OnEvents(events ...abi.Event) (*abi.Outcome, error) {
	batch := abi.Events{Events: events}
	return h.step(abi.EntryOnEvents, batch.Append(nil))
}

// MustEvents hands events in and ends the test if the guest fails.
func (h *Harness) MustEvents(events ...abi.Event) *abi.Outcome {
	h.tb.Helper()
	return h.must(h.OnEvents(events...))
}

// Convert hands records to a converter.
func (h *Harness) Convert(records ...abi.Record) (*abi.Outcome, error) {
	batch := abi.Batch{Records: records}
	return h.step(abi.EntryConvert, batch.Append(nil))
}

// MustConvert hands records to a converter and ends the test if it fails.
func (h *Harness) MustConvert(records ...abi.Record) *abi.Outcome {
	h.tb.Helper()
	return h.must(h.Convert(records...))
}

// Deliver hands records to a sink, as parts of the outbox. When it answers tickets,
// and what they are of does not end well, it is handed them once more and told to
// wait, as a host does.
func (h *Harness) Deliver(parts ...abi.DeliverPart) (*abi.Outcome, error) {
	in := abi.DeliverInput{Parts: parts}
	out, err := h.step(abi.EntryDeliver, in.Append(nil))
	if err != nil || len(out.Tickets) == 0 || h.arrived(out.Tickets) {
		return out, err
	}
	in.Wait = true
	return h.step(abi.EntryDeliver, in.Append(nil))
}

// arrived reports whether what all tickets are of has ended well, and lets go of it
// then.
func (h *Harness) arrived(tickets []abi.Ticket) bool {
	well := func(t abi.Ticket) bool {
		return slices.ContainsFunc(h.later, func(l later) bool { return l.endedWell(t) })
	}
	for _, t := range tickets {
		if !well(t) {
			return false
		}
	}
	for _, t := range tickets {
		for _, l := range h.later {
			l.heard(t)
		}
	}
	return true
}

// MustDeliver hands records to a sink and ends the test if it fails.
func (h *Harness) MustDeliver(parts ...abi.DeliverPart) *abi.Outcome {
	h.tb.Helper()
	return h.must(h.Deliver(parts...))
}

// Delivery is a part with records of a connector, whose id is its name here, the
// first of which has this sequence.
func Delivery(connector string, first uint64, records ...abi.Record) abi.DeliverPart {
	return abi.DeliverPart{Connector: connector, ID: connector, Epoch: 1, First: first, Received: 1, Batch: abi.Batch{Records: records}}
}

// Test tests a config.
func (h *Harness) Test(config string) (abi.TestResult, error) {
	var result abi.TestResult
	answer, err := h.Call(abi.EntryTest, Opening(config, abi.ReasonTest).Append(nil))
	if err != nil {
		return result, err
	}
	return result, result.Decode(answer)
}

// Operate runs an operation of the guest's category: JSON in, JSON out.
func (h *Harness) Operate(name, args string) (string, error) {
	answer, err := h.Call(abi.OperationPrefix+name, []byte(args))
	if err == nil && !json.Valid(answer) {
		err = fmt.Errorf("%s%s answered what is not JSON: %.80q", abi.OperationPrefix, name, answer)
	}
	return string(answer), err
}

// MustOperate runs an operation and ends the test if it fails.
func (h *Harness) MustOperate(name, args string) string {
	h.tb.Helper()
	answer, err := h.Operate(name, args)
	if err != nil {
		h.tb.Fatalf("the guest failed: %v", err)
	}
	return answer
}

// NormalizeImport hands an imported object in.
func (h *Harness) NormalizeImport(object string) (string, error) {
	answer, err := h.Call(abi.EntryNormalizeImport, []byte(object))
	return string(answer), err
}

// ExchangeOAuthCode hands an authorization code in and answers the parameters
// to set.
func (h *Harness) ExchangeOAuthCode(in abi.ExchangeInput) (params map[string]string, err error) {
	err = h.setup(abi.EntryExchangeOAuthCode, in, &params)
	return params, err
}

// OAuthAuthorizeURL asks for the address to which a user is sent.
func (h *Harness) OAuthAuthorizeURL(in abi.AuthorizeInput) (string, error) {
	var out abi.AuthorizeOutput
	err := h.setup(abi.EntryOAuthAuthorizeURL, in, &out)
	return out.URL, err
}

func (h *Harness) setup(entry string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := h.Call(entry, raw)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: the answer cannot be read: %w", entry, err)
	}
	return nil
}

func (h *Harness) must(out *abi.Outcome, err error) *abi.Outcome {
	h.tb.Helper()
	if err != nil {
		h.tb.Fatalf("the guest failed: %v", err)
	}
	return out
}

// step runs an entry point that answers an outcome.
func (h *Harness) step(entry string, input []byte) (*abi.Outcome, error) {
	answer, err := h.Call(entry, input)
	if err != nil {
		return nil, err
	}
	return readOutcome(entry, answer)
}

// readOutcome reads an outcome as a host does, and its batch too.
func readOutcome(entry string, answer []byte) (*abi.Outcome, error) {
	var view abi.OutcomeView
	if err := view.Decode(answer); err != nil {
		return nil, fmt.Errorf("%s: the outcome cannot be read: %w", entry, err)
	}
	out := &abi.Outcome{
		Verdicts:   view.Verdicts,
		Cursor:     view.Cursor,
		Timers:     view.Timers,
		Devices:    view.Devices,
		Replies:    view.Replies,
		NextPollMS: view.NextPollMS,
		Jobs:       view.Jobs,
		Tickets:    view.Tickets,
	}
	if view.Batch == nil {
		return out, nil
	}
	if _, err := abi.CheckBatch(view.Batch); err != nil {
		return nil, fmt.Errorf("%s: the host would refuse the batch: %w", entry, err)
	}
	return out, out.Batch.Decode(view.Batch)
}
