// Package notify is the group by which a connector tells people that something needs
// them. The composition root builds the Group; nobody else imports it.
//
// A notification is staged with the step: it becomes durable with the step's
// records, as an event of the connector among them and in the tenant's list, or not
// at all. It reaches nobody beyond the tenant, so that it needs no grant. One with
// the key of an earlier one takes its place, and a rate bounds what one guest can
// say.
package notify

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

const name = "notify"

// The bounds of a notification, in bytes, and of how many a guest sends.
const (
	maxTitle = 200
	maxText  = 4 << 10
	maxKey   = 256

	burst = 20
	every = 3 * time.Second // one more
)

// Group is the way to people.
type Group struct{}

// New is the group.
func New() *Group { return &Group{} }

// Name is "notify".
func (*Group) Name() string { return name }

// Contained implements capability.Contained.
func (*Group) Contained() {}

var _ capability.Contained = (*Group)(nil)

// Functions lists the host functions.
func (*Group) Functions() []capability.Function {
	return []capability.Function{{Name: "send", Sentence: "notify the tenant's users, with what it says durable and listed until somebody acknowledges it"}}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (*Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	return &session{to: scope.Notifier, rate: capability.NewBucket(1/every.Seconds(), burst)}, nil
}

// session is one guest's.
type session struct {
	to   capability.Notifier
	rate capability.Bucket
}

// Call serves send.
func (s *session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	if function != "send" {
		return nil, fault.New(fault.Unsupported, "notify has no function %q", function)
	}
	var q abi.NotifySend
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "notify.send: the request cannot be read")
	}
	n, err := notice(&q)
	if err != nil {
		return nil, err
	}
	if s.to == nil {
		return nil, fault.New(fault.Unsupported, "notify.send: a converter tells nobody")
	}
	if err := s.spend(time.Now()); err != nil {
		return nil, err
	}
	return out[:0], s.to.Tell(ctx, n)
}

// notice checks what a guest has to say.
func notice(q *abi.NotifySend) (spec.Notice, error) {
	severities := []string{"info", "warning", "error", "critical"}
	n := spec.Notice{Title: strings.TrimSpace(q.Title), Text: strings.TrimSpace(q.Text), Key: q.Key}
	if n.Key == "" {
		n.Key = n.Title
	}
	switch {
	case int(q.Severity) >= len(severities):
		return n, wrong("severity", "is none that this version knows")
	case n.Title == "" || len(n.Title) > maxTitle || strings.ContainsFunc(n.Title, unicode.IsControl):
		return n, wrong("title", "has 1 to %d bytes in one line", maxTitle)
	case len(n.Text) > maxText:
		return n, wrong("text", "has at most %d bytes", maxText)
	case len(n.Key) > maxKey:
		return n, wrong("key", "has at most %d bytes", maxKey)
	}
	n.Severity = severities[q.Severity]
	return n, nil
}

func wrong(field, format string, args ...any) error {
	detail := fault.New(fault.Invalid, format, args...).Text
	return fault.New(fault.Invalid, "notify.send: the %s %s", field, detail).WithFields(fault.Field{Pointer: "/" + field, Detail: detail})
}

// spend takes one of the rate.
func (s *session) spend(now time.Time) error {
	if s.rate.Take(1, now) > 0 {
		return fault.New(fault.Exhausted, "notify.send: %d notifications at once, and one each %v", burst, every).
			WithRetryAfter(every).WithHint("Say what goes on under one key, and only when it changes.")
	}
	return nil
}

// Close implements capability.Session: there is nothing to give back.
func (*session) Close(context.Context) error { return nil }
