// Command mtconnect reads a machine tool, or many, from an MTConnect agent: its
// devices, what they are doing now, and from then on all that the agent's buffer
// holds, in the order of its sequence numbers. README.md says how to configure it.
package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

var _ = snaprail.Register(&source{})

func main() {}

// deviceType is that of all devices.
const deviceType = "mtconnect"

// maxCount is the most observations of one answer: each may become a record and an
// event, and a step holds 256 of them.
const maxCount = 100

// config is what README.md says.
type config struct {
	URL        string  `json:"url"`
	Device     string  `json:"device"`
	Path       string  `json:"path"`
	Count      int     `json:"count"`
	Names      string  `json:"names"`
	Conditions bool    `json:"conditions"`
	Username   string  `json:"username"`
	Password   string  `json:"password"`
	Timeout    float64 `json:"timeout"`
	MaxBody    int     `json:"max_body"`
}

// source is the connector.
type source struct {
	config config
	model  *model         // of the agent's devices; nil: not asked for yet
	at     place          // that the model is of
	told   snaprail.Known // devices of the model that the host was told of
}

// place is the cursor: how far the buffer of one life of the agent was read.
type place struct {
	Instance string `json:"instance"` // instanceId
	Next     uint64 `json:"next"`     // sequence number
}

// Open takes the config. It asks nobody: that is what polls are for.
func (s *source) Open(in *abi.OpenInput, _ *snaprail.Step) error { return s.configure(in) }

func (s *source) configure(in *abi.OpenInput) error {
	*s = source{config: config{Count: maxCount, Names: "name", Conditions: true, Timeout: 10, MaxBody: 4 << 20}}
	if err := snaprail.Config(in, &s.config); err != nil {
		return err
	}
	s.config.URL = strings.TrimRight(s.config.URL, "/")
	if !strings.HasPrefix(s.config.URL, "http://") && !strings.HasPrefix(s.config.URL, "https://") {
		return &abi.Error{Kind: abi.FaultInvalid, Code: "invalid_config", Text: "/url: want http://host:port or https://host:port of the agent", Hint: "Give the address of the agent, as in http://agent:5000."}
	}
	return nil
}

// Test asks the agent for its devices.
func (s *source) Test(in *abi.OpenInput) abi.TestResult {
	if err := s.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	m, h, err := s.probe()
	if err != nil {
		return snaprail.TestFailed(err)
	}
	return abi.TestResult{
		Success: true, Message: strconv.Itoa(len(m.devices)) + " devices with " + strconv.Itoa(len(m.items)) + " data items",
		Details: []abi.Header{{Name: "agent", Value: []byte(h.Version)}, {Name: "instance", Value: []byte(h.Instance)}},
	}
}

// Poll reads what has come since the cursor; without one, or when the agent has
// begun a new life, it reads what is so now.
func (s *source) Poll(raw []byte, step *snaprail.Step) error {
	var at place
	if raw != nil {
		if err := json.Unmarshal(raw, &at); err != nil {
			log.Warning("the cursor cannot be read, and the agent is read anew: " + err.Error())
		}
	}
	if at.Instance == "" {
		return s.current(step)
	}
	if err := s.know(step); err != nil {
		return err
	}
	if s.at.Instance != at.Instance {
		return s.restarted(at, step)
	}
	d, err := s.sample(at.Next)
	switch {
	case err != nil && err.code == outOfRange:
		return s.overrun(at, step)
	case err != nil:
		return err.fault
	case d.header.Instance != at.Instance:
		s.model = nil
		return s.restarted(at, step)
	}
	if d.header.First > at.Next { // an agent that says so and answers what it has
		s.gap(step, "buffer_overflow", at.Next, d.header.First)
	}
	if err := s.observe(d, step, false); err != nil {
		return err
	}
	return s.advance(d, step)
}

// advance moves the cursor behind what was read. When there is more, it is asked
// for at once.
func (s *source) advance(d *document, step *snaprail.Step) error {
	if d.header.Next == 0 {
		return malformed("the header has no nextSequence")
	}
	if d.header.Next <= d.header.Last {
		step.NextPoll(time.Millisecond)
	}
	return setCursor(step, place{Instance: d.header.Instance, Next: d.header.Next})
}

func setCursor(step *snaprail.Step, at place) error {
	raw, err := json.Marshal(at)
	if err == nil {
		step.SetCursor(raw)
	}
	return err
}

// current reads what is so now, and goes on from there.
func (s *source) current(step *snaprail.Step) error {
	if err := s.know(step); err != nil {
		return err
	}
	d, err := s.ask("current", nil)
	if err != nil {
		return err.fault
	}
	if d.header.Instance != s.at.Instance { // it has been restarted in between
		s.model = nil
		if err := s.know(step); err != nil {
			return err
		}
	}
	if err := s.observe(d, step, true); err != nil {
		return err
	}
	if d.header.Next == 0 {
		return malformed("the header has no nextSequence")
	}
	return setCursor(step, place{Instance: d.header.Instance, Next: d.header.Next})
}

// restarted begins anew with an agent whose sequence numbers mean something else
// than those of the cursor.
func (s *source) restarted(at place, step *snaprail.Step) error {
	log.Warning("the agent was restarted: what it told between " + strconv.FormatUint(at.Next, 10) + " of its life " + at.Instance + " and now is not known")
	if err := s.know(step); err != nil {
		return err
	}
	s.gap(step, "agent_restart", at.Next, 0)
	return s.current(step)
}

// overrun goes on with the oldest that the agent still has.
func (s *source) overrun(at place, step *snaprail.Step) error {
	d, err := s.ask("current", nil)
	if err != nil {
		return err.fault
	}
	switch {
	case d.header.Instance != at.Instance:
		s.model = nil
		return s.restarted(at, step)
	case d.header.First <= at.Next && at.Next <= d.header.Last+1:
		return malformed("the agent refuses a sequence number that it has")
	case at.Next > d.header.Last+1: // it has forgotten that it was restarted
		s.gap(step, "sequence_reset", at.Next, d.header.Next)
		if err := s.observe(d, step, true); err != nil {
			return err
		}
		return setCursor(step, place{Instance: at.Instance, Next: d.header.Next})
	}
	log.Warning("the agent's buffer has run over: " + strconv.FormatUint(d.header.First-at.Next, 10) + " observations were not read")
	s.gap(step, "buffer_overflow", at.Next, d.header.First)
	step.NextPoll(time.Millisecond)
	return setCursor(step, place{Instance: at.Instance, Next: d.header.First})
}

// gap tells each device that something of it may be missing.
func (s *source) gap(step *snaprail.Step, reason string, from, to uint64) {
	body := struct {
		Gap    string `json:"gap"`
		From   uint64 `json:"from"`
		To     uint64 `json:"to,omitempty"`
		Missed uint64 `json:"missed,omitempty"`
	}{Gap: reason, From: from, To: to}
	if to > from {
		body.Missed = to - from
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return // numbers and a word of ours
	}
	for _, d := range s.model.devices {
		event(step, d.id, time.Now().UnixNano(), raw)
	}
}

func event(step *snaprail.Step, device string, at int64, body []byte) {
	r := step.Record(abi.KindEvent, device, at)
	r.ContentType, r.Payload = "application/json", body
}
