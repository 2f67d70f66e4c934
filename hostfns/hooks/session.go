package hooks

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// session is the paths that a guest opened, with the requests that wait there.
type session struct {
	set     *settings
	owner   string
	secrets capability.Secrets
	purse   capability.Purse
	bounds  *bounds
	all     *desks
	log     *slog.Logger
	desk    *desk // from the moment on that it is open
	ready   chan struct{}

	proving sync.Mutex // guards what requests are checked by
	proof   *proof
	proved  time.Time

	// What follows is guarded by desk.mu.
	tickets []*ticket // oldest first
	taken   int       // of these, handed out and not acknowledged
	read    bool      // a guest reads it
	closed  bool
}

func newSession(g *Group, set *settings, scope capability.Scope) *session {
	log := scope.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &session{
		set: set, owner: scope.Owner, secrets: scope.Secrets, purse: scope.Purse, bounds: g.bounds, all: g.desks, log: log,
		ready: make(chan struct{}, 1),
	}
}

// secretFor is how long a secret is used before it is asked for again: one that was
// changed counts from then on.
const secretFor = 5 * time.Second

// check gets what requests are checked by.
func (s *session) check(ctx context.Context) error {
	_, err := s.provenBy(ctx)
	return err
}

func (s *session) provenBy(ctx context.Context) (*proof, error) {
	s.proving.Lock()
	defer s.proving.Unlock()
	if s.proof != nil && time.Since(s.proved) < secretFor {
		return s.proof, nil
	}
	p, a := &proof{}, &s.set.args
	for _, f := range []struct {
		to   *[]byte
		from string
	}{{&p.secret, a.Secret}, {&p.username, a.Username}, {&p.password, a.Password}} {
		value, err := s.fill(ctx, f.from)
		if err != nil {
			return nil, err
		}
		*f.to = value
	}
	s.proof, s.proved = p, time.Now()
	return p, nil
}

// fill is a text, or the secret that it names, without the line break that a file
// often ends in.
func (s *session) fill(ctx context.Context, text string) ([]byte, error) {
	name, found := strings.CutPrefix(text, abi.SecretPrefix)
	switch {
	case !found:
		return []byte(text), nil
	case name == "":
		return nil, invalid("%s without a name", abi.SecretPrefix)
	case s.secrets == nil:
		return nil, fault.New(fault.SecretMissing, "there are no secrets here, and %s was asked for", fault.Clip(name, 64))
	}
	value, err := s.secrets.Secret(ctx, name)
	if err != nil {
		return nil, err
	}
	if value = bytes.TrimRight(value, "\r\n"); len(value) == 0 {
		return nil, fault.New(fault.SecretMissing, "the secret %s is empty", fault.Clip(name, 64))
	}
	return bytes.Clone(value), nil
}

// takes reports whether a request of this method to this path is the session's.
func (s *session) takes(method, path string) (pattern string, ok bool) {
	if !slices.Contains(s.set.args.Methods, method) {
		return "", false
	}
	for _, pattern := range s.set.args.Paths {
		if matches(pattern, path) {
			return pattern, true
		}
	}
	return "", false
}

// admit takes a request in. The caller holds the desk's lock. false: there is no
// room.
func (s *session) admit(t *ticket) bool {
	if s.closed || len(s.tickets) >= int(s.set.args.Queue) || !s.bounds.wait(s.purse) {
		return false
	}
	if !s.bounds.hold(s.purse, t.size()) {
		s.bounds.done(s.purse)
		return false
	}
	t.taken, t.reply = false, nil
	s.tickets = append(s.tickets, t)
	s.signal()
	return true
}

// release gives back what a request took.
func (s *session) release(t *ticket) {
	s.bounds.hold(s.purse, -t.size())
	s.bounds.done(s.purse)
}

// withdraw takes a request back that the guest was not handed.
func (s *session) withdraw(t *ticket) {
	if i := slices.Index(s.tickets, t); i >= s.taken {
		s.tickets = slices.Delete(s.tickets, i, i+1)
		s.release(t)
	}
}

func (s *session) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// Ready implements capability.Source.
func (s *session) Ready() <-chan struct{} { return s.ready }

// Take implements capability.Source.
func (s *session) Take(dst []capability.Event, items, bytes int) []capability.Event {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	s.desk.readBy(s)
	for first := true; s.taken < len(s.tickets) && items > 0; first = false {
		t := s.tickets[s.taken]
		if len(t.data) > bytes && !first {
			break
		}
		t.taken = true
		dst = append(dst, capability.Event{Type: abi.EventData, Time: t.time, Data: t.data})
		s.taken++
		items--
		bytes -= len(t.data)
	}
	if s.taken < len(s.tickets) {
		s.signal()
	}
	return dst
}

// Settled implements capability.Judged: the step is durable, so the caller is told.
func (s *session) Settled(i int, rejected string) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	if i < 0 || i >= s.taken {
		return
	}
	t := s.tickets[i]
	if t.settled {
		return
	}
	t.settled = true
	a := answer{reply: abi.HookReply{Status: 202}}
	switch {
	case rejected != "":
		a = answer{fault: fault.New(fault.HookRejected, "the connector rejected the request: %s", rejected)}
		s.desk.count("rejected")
	case t.reply != nil:
		a.reply = *t.reply
		s.desk.count("answered")
	default:
		s.desk.count("accepted")
	}
	t.end(a)
	s.desk.names.end(t, time.Now())
}

// Ack implements capability.Source.
func (s *session) Ack(n int) {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	n = max(0, min(n, s.taken))
	for _, t := range s.tickets[:n] {
		s.release(t)
		if !t.settled { // nobody has told how it ended
			t.settled = true
			t.end(answer{reply: abi.HookReply{Status: 202}})
			s.desk.names.end(t, time.Now())
		}
	}
	s.tickets = slices.Delete(s.tickets, 0, n)
	s.taken -= n
}

// maxDeaths is how many guests may die with a request.
const maxDeaths = 3

// Rewind implements capability.Source. What was settled is not handed in again, nor
// is what nobody waits for any more: its caller was told that it may have come to
// nothing. What a guest said in a step that failed was not said. A request that several
// guests have died over, or died with, is given up: whoever sent it may send it again,
// and the connector does not die of it for ever.
func (s *session) Rewind() {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	s.desk.readBy(s)
	s.taken = 0
	s.tickets = slices.DeleteFunc(s.tickets, func(t *ticket) bool {
		if t.taken {
			t.deaths++
		}
		t.taken, t.reply = false, nil
		if !t.settled && t.waiters > 0 && t.deaths < maxDeaths {
			return false
		}
		if !t.settled {
			s.desk.count("abandoned")
			s.desk.names.drop(t)
			t.settled = true
			t.end(answer{fault: unavailable("the connector failed")})
		}
		s.release(t)
		return true
	})
	if len(s.tickets) > 0 {
		s.signal()
	}
}

// Replayable implements capability.Source: a caller that was not answered knows it,
// and sends again.
func (*session) Replayable() bool { return true }

// Condition implements capability.Reporter.
func (s *session) Condition() capability.Condition {
	k := s.desk
	k.mu.Lock()
	defer k.mu.Unlock()
	c := capability.Condition{Up: true, Opens: 1, Buffered: len(s.tickets)}
	if n := len(k.sessions); n > 0 && k.sessions[n-1] == s { // they are the connector's: one session shows them
		c.Dropped, c.Counts = k.counts["full"], maps.Clone(k.counts)
	}
	return c
}

// Call implements capability.Session.
func (s *session) Call(_ context.Context, function string, in, out []byte) ([]byte, error) {
	s.desk.mu.Lock()
	closed := s.closed
	s.desk.mu.Unlock()
	switch {
	case function != functionReply:
		return nil, fault.New(fault.Unsupported, "hooks has no function %q", function)
	case closed:
		return nil, fault.New(fault.SessionClosed, "hooks.reply: the session is closed")
	}
	return out[:0], s.reply(in)
}

// Close implements capability.Session.
func (s *session) Close(context.Context) error {
	s.all.remove(s)
	return nil
}
