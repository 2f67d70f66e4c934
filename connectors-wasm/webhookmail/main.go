// Command webhookmail sends mail by handing it to a web server: one POST of JSON
// for each message. README.md says how to configure it.
package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/http"
)

var _ = snaprail.Register(&mailer{})

func main() {}

// The bounds of a message.
const (
	maxRecipients = 50
	maxSubject    = 998 // bytes, as a line of a mail
	maxBody       = 512 << 10
	maxReply      = 64 << 10
	timeout       = 15 * time.Second
	retries       = 2
)

// mailer is the connector: the server that takes messages.
type mailer struct {
	URL           string `json:"url"`
	From          string `json:"from"`
	Authorization string `json:"authorization"`
	SigningKey    string `json:"signing_key"`
}

// message is what the server gets.
type message struct {
	From    string   `json:"from,omitempty"`
	To      []string `json:"to"`
	Subject string   `json:"subject"`
	Text    string   `json:"text"`
	HTML    string   `json:"html,omitempty"`
}

// Open takes the config.
func (m *mailer) Open(in *abi.OpenInput, _ *snaprail.Step) error { return m.configure(in) }

func (m *mailer) configure(in *abi.OpenInput) error {
	*m = mailer{}
	if err := snaprail.Config(in, m); err != nil {
		return err
	}
	switch {
	case !strings.HasPrefix(m.URL, "https://") && !strings.HasPrefix(m.URL, "http://"):
		return misconfigured("url is required")
	case m.From != "" && !isAddress(m.From):
		return misconfigured("from is no address")
	}
	return nil
}

// Test asks the server what it would take (OPTIONS) and sends nothing.
func (m *mailer) Test(in *abi.OpenInput) abi.TestResult {
	if err := m.configure(in); err != nil {
		return snaprail.TestFailed(err)
	}
	reply, err := http.Do(http.Request{
		Method: "OPTIONS", URL: m.URL, Headers: m.headers(nil), Timeout: timeout, Redirects: -1, MaxBody: maxReply,
	})
	if err != nil {
		return snaprail.TestFailed(err)
	}
	switch status := reply.Status; {
	case status == 501: // it knows no OPTIONS (RFC 9110, section 15.6.2), and so has answered
	case status == 401, status == 403, status == 404, status == 410, status >= 500:
		result := snaprail.TestFailed(refused(reply))
		result.Message += " to OPTIONS " + m.URL
		return result
	}
	return abi.TestResult{Success: true, Message: "the server answers"}
}

// Operate serves the operation of the category email.
func (m *mailer) Operate(name string, raw []byte) ([]byte, error) {
	if name != "send_message" {
		return nil, snaprail.NoOperation(name)
	}
	var args struct{ To, Subject, Body, From, HTML string }
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, invalid("the arguments cannot be read: " + err.Error())
	}
	mail := message{From: m.From, Subject: args.Subject, Text: args.Body, HTML: args.HTML}
	if args.From != "" {
		mail.From = args.From
	}
	for to := range strings.SplitSeq(args.To, ",") {
		mail.To = append(mail.To, strings.TrimSpace(to))
	}
	if err := mail.check(); err != nil {
		return nil, err
	}
	return m.send(mail)
}

// check refuses what would be another mail than the caller means: a line break
// in a header starts a new one.
func (mail message) check() error {
	if len(mail.To) > maxRecipients {
		return invalid("a message has at most " + strconv.Itoa(maxRecipients) + " recipients")
	}
	for _, to := range mail.To {
		if !isAddress(to) {
			return invalid("to: " + strconv.Quote(to) + " is no address")
		}
	}
	switch {
	case mail.From != "" && !isAddress(mail.From):
		return invalid("from: " + strconv.Quote(mail.From) + " is no address")
	case mail.Subject == "" || len(mail.Subject) > maxSubject || strings.ContainsFunc(mail.Subject, isControl):
		return invalid("subject is one line of 1 to " + strconv.Itoa(maxSubject) + " bytes")
	case len(mail.Text)+len(mail.HTML) > maxBody:
		return invalid("body and html have at most " + strconv.Itoa(maxBody) + " bytes")
	}
	return nil
}

// isAddress reports whether a text looks like one address and nothing more.
func isAddress(text string) bool {
	name, domain, ok := strings.Cut(text, "@")
	const most = 254
	return ok && name != "" && domain != "" && len(text) <= most && !strings.ContainsAny(text, " ,;<>()[]\\\"") &&
		!strings.Contains(domain, "@") && !strings.ContainsFunc(text, isControl)
}

func isControl(r rune) bool {
	return r < ' ' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// send posts a message. Its Idempotency-Key lets it be tried again: a server
// that keeps it sends the mail once.
func (m *mailer) send(mail message) ([]byte, error) {
	body, err := json.Marshal(mail)
	if err != nil {
		return nil, err
	}
	headers := m.headers(body)
	headers["Content-Type"] = "application/json"
	headers["Idempotency-Key"] = rand.Text()
	reply, err := http.Do(http.Request{
		Method: "POST", URL: m.URL, Headers: headers, Body: body,
		Timeout: timeout, Retries: retries, Redirects: -1, MaxBody: maxReply,
	})
	if err != nil {
		return nil, err
	}
	if !reply.OK() {
		return nil, refused(reply)
	}
	return json.Marshal(struct {
		Sent bool   `json:"sent"`
		ID   string `json:"id,omitempty"`
	}{true, idOf(reply)})
}

// headers prove to the server who asks: by a header of its choice, and by a
// signature over time and body that nobody can replay for long.
func (m *mailer) headers(body []byte) http.Headers {
	h := http.Headers{}
	if m.Authorization != "" {
		h["Authorization"] = m.Authorization
	}
	if m.SigningKey != "" && body != nil {
		at := strconv.FormatInt(time.Now().Unix(), 10)
		mac := hmac.New(sha256.New, []byte(m.SigningKey))
		mac.Write([]byte(at + "."))
		mac.Write(body)
		h["X-Signature"] = "t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	return h
}

// idOf is the id that a server gave the message, if it says one.
func idOf(reply http.Response) string {
	var said struct {
		ID string `json:"id"`
	}
	const most = 200
	if json.Unmarshal(reply.Body, &said) != nil || len(said.ID) > most {
		return ""
	}
	return said.ID
}

func refused(reply http.Response) *abi.Error {
	e := &abi.Error{Kind: abi.FaultUnavailable, Code: "refused", Text: "the server answered " + strconv.Itoa(reply.Status)}
	switch reply.Status {
	case 401, 403:
		e.Kind, e.Hint = abi.FaultUnauthenticated, "Check authorization and signing_key."
	case 404, 410:
		e.Kind, e.Hint = abi.FaultNotFound, "Check the url."
	case 429:
		e.Kind = abi.FaultExhausted
		if seconds, err := strconv.ParseUint(reply.Headers.Get("Retry-After"), 10, 16); err == nil {
			e.RetryAfterMS = seconds * 1000
		}
	}
	return e
}

func misconfigured(text string) error {
	return &abi.Error{Kind: abi.FaultInvalid, Code: "invalid_config", Text: text, Hint: "The module's README says what the config may hold."}
}

func invalid(text string) error {
	return &abi.Error{Kind: abi.FaultInvalid, Code: "bad_arguments", Text: text, Hint: "Correct the arguments and call again."}
}
