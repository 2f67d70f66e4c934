package actor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Locks are the connector's grants to write that have an interlock, as they are
// now, whatever they were when its guest was made.
type Locks func(ctx context.Context) ([]spec.Grant, error)

// Permit is the word of whoever judged a message, as exchange.Question.Permit
// holds it.
type Permit interface {
	// Lets reports whether the message may write now through a grant that has an
	// interlock.
	Lets(g spec.Grant, now time.Time) bool
	// Rehearsal is what the message would write, in JSON, when nothing is to be
	// written; nil: it is to be.
	Rehearsal() json.RawMessage
}

// interlocked refuses a write through a grant that has an interlock, unless it
// is for a message that the interlock let through. resource is "" where only the
// group knows it: then all of the group's grants count.
func (g *guest) interlocked(ctx context.Context, group, function, resource string) error {
	if g.locks == nil {
		return nil
	}
	locks, err := g.locks(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, l := range locks {
		if l.Group != group || l.Interlock.Unasked || !capability.Allows([]spec.Grant{l}, resource, spec.Write) {
			continue
		}
		let := slices.ContainsFunc(g.asked, func(q *exchange.Question) bool {
			p, ok := q.Permit.(Permit)
			return ok && p.Lets(l, now)
		})
		if !let {
			return fault.New(fault.Interlocked, "%s.%s: the grant has an interlock, and no message that it let through asks for this", group, function).
				WithHint("Write in answer to a message, or set unasked in the grant's interlock.")
		}
	}
	return nil
}

// rehearsal is what a guest of its own writes for a message that nothing is to
// be written for.
type rehearsal struct {
	calls []rehearsed
	bytes int
	cut   bool // there were more
}

// The bounds of what a rehearsal shows.
const (
	maxRehearsed     = 64
	maxRehearsedData = 64 << 10 // bytes of all calls
)

// rehearsed is one call that was not made.
type rehearsed struct {
	Group    string `json:"group"`
	Function string `json:"function"`
	Resource string `json:"resource,omitempty"`
	Bytes    string `json:"bytes_base64"`   // without the tenant's secrets
	Text     string `json:"text,omitempty"` // the bytes, where they are text
}

// take keeps a call, and answers what the guest is told of it.
func (r *rehearsal) take(g *guest, group string, f capability.Function, resource string, in, out []byte) []byte {
	data, reply := in, out[:0]
	if f.Rehearse != nil {
		data, reply = f.Rehearse(in, out[:0])
	}
	if len(r.calls) >= maxRehearsed || r.bytes+len(data) > maxRehearsedData {
		r.cut = true
		return reply
	}
	r.bytes += len(data)
	shown := g.masked(string(data))
	call := rehearsed{Group: group, Function: f.Name, Resource: strings.Clone(resource), Bytes: base64.StdEncoding.EncodeToString([]byte(shown))}
	if utf8.ValidString(shown) {
		call.Text = shown
	}
	r.calls = append(r.calls, call)
	return reply
}

// rehearsing is what a message would write, if that alone is wanted.
func rehearsing(q *exchange.Question) json.RawMessage {
	if p, ok := q.Permit.(Permit); ok {
		return p.Rehearsal()
	}
	return nil
}

// rehearsalAnswer is the answer to a message that was rehearsed.
type rehearsalAnswer struct {
	DryRun bool            `json:"dry_run"`
	Writes json.RawMessage `json:"writes"`
	Calls  []rehearsed     `json:"calls"`
	Cut    bool            `json:"cut,omitempty"`
	Reply  json.RawMessage `json:"reply,omitempty"`
	Error  *itemError      `json:"error,omitempty"`
}

// rehearse answers a message with what would be written for it: a guest of its
// own gets the message beside the one that runs, and is dropped.
func (l *lane) rehearse(ctx context.Context, x *letter) {
	answer := rehearsalAnswer{DryRun: true, Writes: rehearsing(x.question), Calls: []rehearsed{}}
	if err := l.rehearsed(ctx, x, &answer); err != nil {
		f := fault.Of(err)
		answer.Error = &itemError{f.Kind.String(), l.env.masked(f.Text)}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		x.question.Fail(fault.Wrap(fault.Internal, err, "the answer of a dry run"))
		return
	}
	x.at = len(x.encoded)
	if !x.question.Replies() {
		x.question.Fail(fault.New(fault.Interlocked, "this is a dry run, and nothing was written: %s", fault.Clip(string(body), maxReason)))
		return
	}
	reply := abi.Reply{Correlation: x.question.ID(), Code: abi.CodeComplete, ContentType: "application/json", Body: body}
	if err := l.cfg.Exchange.Answer(ctx, &reply); err != nil {
		x.question.Fail(err)
	}
}

func (l *lane) rehearsed(ctx context.Context, x *letter, answer *rehearsalAnswer) error {
	if l.version.Manifest.Mode == abi.ModeRun {
		return fault.New(fault.Unsupported, "the module is in run mode, and what it would write cannot be told without writing it")
	}
	c, err := l.prepare(ctx, l.version, abi.ReasonTest)
	if err != nil {
		return err
	}
	defer l.discard(ctx, c.guest)
	r := &rehearsal{}
	c.guest.rehearsal = r
	defer func() { answer.Calls, answer.Cut = append(answer.Calls, r.calls...), r.cut }()
	for i := x.at; i < len(x.encoded); i++ {
		m := &x.encoded[i]
		out, err := c.guest.call(ctx, abi.EntryFor(m.Type), m.Append(nil))
		if err != nil {
			return err
		}
		var view abi.OutcomeView
		if err := view.Decode(out); err != nil {
			return fault.Wrap(fault.Guest, err, "the module's outcome cannot be read")
		}
		for n := range view.Replies {
			if e := view.Replies[n].Err; e != nil {
				answer.Error = &itemError{e.Code, l.env.masked(e.Text)}
			} else if body := view.Replies[n].Body; json.Valid(body) {
				answer.Reply = json.RawMessage(l.env.masked(string(body)))
			}
		}
	}
	return nil
}
