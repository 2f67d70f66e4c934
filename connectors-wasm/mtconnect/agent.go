package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
)

// outOfRange is the agent's word for a sequence number that it does not have.
const outOfRange = "OUT_OF_RANGE"

// refusal is why the agent did not answer what was asked: its own word, if it said
// one.
type refusal struct {
	code  string
	fault error
}

// know asks for the agent's devices, unless they are known, and tells the host of
// those that it was not told of in a step that came to be.
func (s *source) know(step *snaprail.Step) error {
	if s.model == nil {
		m, h, err := s.probe()
		if err != nil {
			return err
		}
		s.model, s.at = m, place{Instance: h.Instance}
		s.told.Open(&abi.OpenInput{})
	}
	for i := range s.model.devices {
		d := &s.model.devices[i]
		if !s.told.Tell(step, d.id) {
			continue
		}
		step.PutDevice(d.id, deviceType, d.name)
		if len(d.about) > 0 {
			step.Attributes(d.id, time.Now().UnixNano(), d.about...)
		}
	}
	return nil
}

func (s *source) probe() (*model, header, error) {
	d, refused := s.ask("probe", nil)
	if refused != nil {
		return nil, header{}, refused.fault
	}
	if d.model == nil {
		return nil, header{}, malformed("an answer to probe that is no MTConnectDevices")
	}
	d.model.name(s.config.Names)
	return d.model, d.header, nil
}

func (s *source) sample(from uint64) (*document, *refusal) {
	return s.ask("sample", map[string]string{"from": strconv.FormatUint(from, 10), "count": strconv.Itoa(s.config.Count)})
}

// ask asks the agent. What it answers is a document of the kind that belongs to the
// question.
func (s *source) ask(what string, query map[string]string) (*document, *refusal) {
	c := &s.config
	url := c.URL
	if c.Device != "" {
		url += "/" + escape(c.Device)
	}
	if query == nil {
		query = map[string]string{}
	}
	if c.Path != "" && what != "probe" {
		query["path"] = c.Path
	}
	reply, err := http.Do(http.Request{
		URL: url + "/" + what, Query: query, Headers: http.Headers{"Accept": "text/xml, application/xml"},
		Username: c.Username, Password: c.Password, MaxBody: c.MaxBody, Timeout: time.Duration(c.Timeout * float64(time.Second)),
	})
	if err != nil {
		return nil, &refusal{fault: err}
	}
	d, err := read(reply.Body)
	switch {
	case err == nil && d.code != "": // with any status: agents differ
		return nil, &refusal{code: d.code, fault: refusedBy(what, reply.Status, d.code+": "+d.text)}
	case !reply.OK():
		return nil, &refusal{fault: refusedBy(what, reply.Status, "")}
	case err != nil:
		return nil, &refusal{fault: err}
	case what != "probe" && !d.streams:
		return nil, &refusal{fault: malformed("an answer to " + what + " that is no MTConnectStreams")}
	case d.header.Instance == "":
		return nil, &refusal{fault: malformed("the header has no instanceId")}
	}
	return d, nil
}

// refusedBy is an agent's refusal as an error: what may pass is unavailable, what a
// person has to mend is invalid.
func refusedBy(what string, status int, said string) error {
	text := "the agent answers " + strconv.Itoa(status) + " to " + what
	if said != "" {
		text += ": " + said
	}
	e := &abi.Error{Kind: abi.FaultUnavailable, Code: "agent_refused", Text: text, Hint: "Look at the agent's log, and whether url names the agent itself."}
	switch {
	case status == 401 || status == 403:
		e.Kind, e.Hint = abi.FaultUnauthenticated, "Give the username and the password that the agent or the proxy before it expects."
	case strings.HasPrefix(said, "NO_DEVICE"), strings.HasPrefix(said, "INVALID_"), strings.HasPrefix(said, "UNSUPPORTED"):
		e.Kind, e.Hint = abi.FaultInvalid, "Correct device and path in the config; a probe without them shows what there is."
	}
	return e
}

func malformed(text string) error {
	return &abi.Error{Kind: abi.FaultUnavailable, Code: "no_mtconnect", Text: text, Hint: "Check that url is the address of an MTConnect agent, as in http://agent:5000."}
}

// escape is a segment of a path.
func escape(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
