package guesttest

import (
	"encoding/json"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Message hands a message to the handler of its type.
func (h *Harness) Message(m abi.Message) (*abi.Outcome, error) {
	entry := abi.EntryFor(m.Type)
	if entry == "" {
		return nil, fmt.Errorf("there are no messages of type %d", m.Type)
	}
	return h.step(entry, m.Append(nil))
}

// MustMessage hands a message in and ends the test if the guest fails.
func (h *Harness) MustMessage(m abi.Message) *abi.Outcome {
	h.tb.Helper()
	return h.must(h.Message(m))
}

// Asked is a message as a guest in run mode receives it.
func Asked(m abi.Message) abi.Event {
	return abi.Event{Type: abi.EventMessage, Message: &m}
}

// RepliesTo are the replies to a message among what a guest has asked for, in
// order.
func RepliesTo(m abi.Message, outcomes ...*abi.Outcome) (replies []abi.Reply) {
	for _, out := range outcomes {
		for _, r := range out.Replies {
			if r.Correlation == m.Correlation {
				replies = append(replies, r)
			}
		}
	}
	return replies
}

// Encode hands messages to a converter.
func (h *Harness) Encode(messages ...abi.Message) (*abi.Messages, error) {
	in := abi.Messages{Messages: messages}
	answer, err := h.Call(abi.EntryEncode, in.Append(nil))
	if err != nil {
		return nil, err
	}
	out := new(abi.Messages)
	return out, out.Decode(answer)
}

// MustEncode hands messages to a converter and ends the test if it fails.
func (h *Harness) MustEncode(messages ...abi.Message) *abi.Messages {
	h.tb.Helper()
	out, err := h.Encode(messages...)
	if err != nil {
		h.tb.Fatalf("the guest failed: %v", err)
	}
	return out
}

// Job runs a job: the answer, and what it asked for beside it. A host runs it on
// a guest of its own, so that a test of what two of them share needs two
// harnesses.
func (h *Harness) Job(job abi.Job) (answer string, out *abi.Outcome, err error) {
	out, err = h.step(abi.EntryOnJob, job.Append(nil))
	if err != nil {
		return "", nil, err
	}
	return string(abi.JobAnswer(out.Replies)), out, nil
}

// Deploy sets something up for a device: JSON in, JSON out.
func (h *Harness) Deploy(device, config string) (string, error) {
	return h.deploy(abi.EntryDeploy, device, config)
}

// TearDown takes down what Deploy has set up.
func (h *Harness) TearDown(device, config string) (string, error) {
	return h.deploy(abi.EntryTearDown, device, config)
}

func (h *Harness) deploy(entry, device, config string) (string, error) {
	var answer json.RawMessage
	err := h.setup(entry, abi.DeployInput{Device: json.RawMessage(device), Config: json.RawMessage(config)}, &answer)
	return string(answer), err
}

// Emits collects what the guest commits in the middle of its calls.
func (h *Harness) Emits() *[]*abi.Outcome {
	emitted := new([]*abi.Outcome)
	h.Host(abi.CoreGroup, "emit", func(request []byte) ([]byte, error) {
		out, err := readOutcome("emit", append([]byte(nil), request...))
		if err != nil {
			return nil, err
		}
		*emitted = append(*emitted, out)
		return abi.Emitted{Sequence: uint64(len(*emitted))}.Append(nil), nil
	})
	return emitted
}

// Health is what the guest has declared of itself, now and later.
func (h *Harness) Health() *abi.HealthState {
	state := new(abi.HealthState)
	h.Host(abi.CoreGroup, "health", func(request []byte) ([]byte, error) {
		var said abi.Health
		if err := said.Decode(request); err != nil {
			return nil, err
		}
		*state = said.State
		return nil, nil
	})
	return state
}
