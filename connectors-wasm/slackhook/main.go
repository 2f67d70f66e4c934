// Command slackhook posts texts into a channel by an incoming webhook of Slack,
// or of a server that takes the same, such as Mattermost. README.md says how to
// configure it.
package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
)

var _ = snaprail.Register(&hook{})

func main() {}

// The bounds of a message.
const (
	maxText  = 40_000 // characters, as Slack has it
	maxReply = 64 << 10
	timeout  = 15 * time.Second
)

// hook is the connector: the address that takes messages.
type hook struct {
	URL      string `json:"url"`
	Channel  string `json:"channel"`
	Username string `json:"username"`
	Icon     string `json:"icon_emoji"`
}

// message is what the webhook takes.
type message struct {
	Text     string `json:"text"`
	Channel  string `json:"channel,omitempty"`
	Username string `json:"username,omitempty"`
	Icon     string `json:"icon_emoji,omitempty"`
}

// Open takes the config.
func (h *hook) Open(in *abi.OpenInput, _ *snaprail.Step) error { return h.configure(in) }

func (h *hook) configure(in *abi.OpenInput) error {
	*h = hook{}
	if err := snaprail.Config(in, h); err != nil {
		return err
	}
	if !strings.HasPrefix(h.URL, "https://") && !strings.HasPrefix(h.URL, "http://") {
		return &abi.Error{Kind: abi.FaultInvalid, Code: "invalid_config", Text: "url is required", Hint: "Give the address of an incoming webhook."}
	}
	return nil
}

// Test asks for the webhook's address and posts nothing: a test may not write. A
// webhook that takes only posts answers so, and one that is gone says that too.
func (h *hook) Test(in *abi.OpenInput) abi.TestResult {
	if err := h.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	reply, err := http.Do(http.Request{URL: h.URL, Timeout: timeout, Retries: 1, Redirects: -1, MaxBody: maxReply})
	if err != nil {
		return snaprail.TestFailed(err)
	}
	switch {
	case reply.Status == 401, reply.Status == 403, reply.Status == 404, reply.Status == 410, reply.Status == 429, reply.Status >= 500:
		return snaprail.TestFailed(refused(reply))
	}
	return abi.TestResult{Success: true, Message: "the webhook answers"}
}

// Operate serves the operation of the category messaging.
func (h *hook) Operate(name string, raw []byte) ([]byte, error) {
	if name != "send" {
		return nil, snaprail.NoOperation(name)
	}
	var args struct{ Text, Channel, Title string }
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, invalid("the arguments cannot be read: " + err.Error())
	}
	if strings.TrimSpace(args.Text) == "" || len(args.Text)+len(args.Title) > maxText {
		return nil, invalid("text is required, and has at most " + strconv.Itoa(maxText) + " bytes with the title")
	}
	m := message{Text: args.Text, Channel: h.Channel, Username: h.Username, Icon: h.Icon}
	if args.Title != "" {
		m.Text = "*" + args.Title + "*\n" + m.Text
	}
	if args.Channel != "" {
		m.Channel = args.Channel
	}
	reply, err := h.post(m)
	if err != nil {
		return nil, err
	}
	if !reply.OK() {
		return nil, refused(reply)
	}
	return []byte(`{"sent":true}`), nil
}

// post sends a message. It is only tried again where nothing was sent: a text
// that comes twice is worse than one that the caller hears has failed.
func (h *hook) post(m message) (http.Response, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return http.Response{}, err
	}
	return http.Do(http.Request{
		Method: "POST", URL: h.URL, Headers: http.Headers{"Content-Type": "application/json"}, Body: body,
		Timeout: timeout, Retries: 2, Redirects: -1, MaxBody: maxReply,
	})
}

// refused is what a webhook said against a message.
func refused(reply http.Response) *abi.Error {
	e := &abi.Error{Kind: abi.FaultUnavailable, Code: "refused", Text: "the webhook answered " + strconv.Itoa(reply.Status)}
	if said := word(reply); said != "" {
		e.Text += ": " + said
	}
	switch reply.Status {
	case 429:
		e.Kind, e.Code = abi.FaultExhausted, "rate_limited"
		if seconds, err := strconv.ParseUint(reply.Headers.Get("Retry-After"), 10, 16); err == nil {
			e.RetryAfterMS = seconds * 1000
		}
	case 401, 403, 404, 410:
		e.Kind, e.Code, e.Hint = abi.FaultUnauthenticated, "no_such_webhook", "Make a new webhook and set its url."
	case 400:
		e.Kind = abi.FaultInvalid
	}
	return e
}

// word is the code that a webhook answers in place of ok.
func word(reply http.Response) string {
	const most = 100
	text := strings.TrimSpace(string(reply.Body))
	if len(text) > most || strings.ContainsAny(text, "<>\n") {
		return "" // a page of somebody on the way
	}
	return text
}

func invalid(text string) error {
	return &abi.Error{Kind: abi.FaultInvalid, Code: "bad_arguments", Text: text, Hint: "Correct the arguments and call again."}
}
