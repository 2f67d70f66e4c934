package actor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
)

// rehearsals are the dry runs beside one run of a lane, each on a goroutine of
// its own, so that the lane goes on meanwhile. They end with the run (I6).
type rehearsals struct {
	ctx     context.Context //nolint:containedctx // that of the run, which they are beside
	end     context.CancelFunc
	running sync.WaitGroup
}

func (r *rehearsals) begin(ctx context.Context) { r.ctx, r.end = context.WithCancel(ctx) }

// close ends them and waits for them.
func (r *rehearsals) close() {
	r.end()
	r.running.Wait()
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

// consumes reports whether a function takes something away that the guest that
// runs would miss.
func (g *guest) consumes(group, function string) bool {
	of, ok := g.groups.Group(group)
	if !ok {
		return false
	}
	f, _ := capability.Find(of, function)
	return f.Consumes
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
// own gets the message beside the one that runs, for as long as the question is
// open, and is dropped.
func (l *lane) rehearse(x *letter) {
	v, release := l.version, func(context.Context) {}
	if v.Hold != nil {
		release = v.Hold()
	}
	all := &l.rehearsals
	ctx, cancel := context.WithDeadline(all.ctx, x.question.Deadline())
	all.running.Go(func() {
		select {
		case <-x.question.Done():
			cancel()
		case <-ctx.Done():
		}
	})
	all.running.Go(func() {
		defer cancel()
		defer release(context.WithoutCancel(ctx))
		answer := rehearsalAnswer{DryRun: true, Writes: rehearsing(x.question), Calls: []rehearsed{}}
		err := l.rehearsed(ctx, v, x, &answer)
		if all.ctx.Err() != nil { // the lane stops
			x.question.Fail(notListening())
			return
		}
		if err != nil {
			f := fault.Of(err)
			answer.Error = &itemError{f.Kind.String(), l.env.masked(f.Text)}
		}
		l.show(ctx, x, &answer)
	})
}

// show answers a message that was rehearsed.
func (a *Actor) show(ctx context.Context, x *letter, answer *rehearsalAnswer) {
	body, err := json.Marshal(answer)
	if err != nil {
		x.question.Fail(fault.Wrap(fault.Internal, err, "the answer of a dry run"))
		return
	}
	if !x.question.Replies() {
		x.question.Fail(fault.New(fault.Interlocked, "this is a dry run, and nothing was written: %s", fault.Clip(string(body), maxReason)))
		return
	}
	reply := abi.Reply{Correlation: x.question.ID(), Code: abi.CodeComplete, ContentType: "application/json", Body: body}
	if err := a.cfg.Exchange.Answer(ctx, &reply); err != nil {
		x.question.Fail(err)
	}
}

// rehearsed makes the guest, in its turn, and hands it the message.
func (a *Actor) rehearsed(ctx context.Context, v Version, x *letter, answer *rehearsalAnswer) error {
	if v.Manifest.Mode == abi.ModeRun {
		return fault.New(fault.Unsupported, "the module is in run mode, and what it would write cannot be told without writing it")
	}
	if a.cfg.Place != nil {
		free, err := a.cfg.Place(ctx)
		if err != nil {
			return err
		}
		defer free()
	}
	c, err := a.prepare(ctx, v, abi.ReasonTest)
	if err != nil {
		return err
	}
	defer a.discard(context.WithoutCancel(ctx), c.guest)
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
				answer.Error = &itemError{e.Code, a.env.masked(e.Text)}
			} else if body := view.Replies[n].Body; json.Valid(body) {
				answer.Reply = json.RawMessage(a.env.masked(string(body)))
			}
		}
	}
	return nil
}
