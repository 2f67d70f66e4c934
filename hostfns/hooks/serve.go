package hooks

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Prefix is where connectors have their addresses.
const Prefix = "/hooks/"

// maxKey bounds the name of a request, and maxQuery its query, in bytes.
const (
	maxKey   = 255
	maxQuery = 8 << 10
)

// nothing is the one answer to whoever may not come in, for whatever reason.
func nothing() error {
	return fault.New(fault.NotFound, "there is nothing at this address, or the request is not signed as it has to be").
		WithHint("The connector's owner sees in its status why requests are refused.")
}

// Serve answers a request to a path below a connector's address, which begins with
// a slash and is decoded. wanted is asked whether there is a connector of this id
// that is to run. The body is read here, at most as much of it as the connector takes, and
// whoever calls sees to it that a read of it ends. Headers and body of the reply
// are the connector's; an error is a fault.
func (g *Group) Serve(r *http.Request, connector, path string, wanted func(connector string) bool) (abi.HookReply, error) {
	if !plain(path) || !unambiguous(r.URL) || len(r.URL.RawQuery) > maxQuery {
		return abi.HookReply{}, nothing()
	}
	client := addressOf(r)
	leave, err := g.bounds.enter(client)
	if err != nil {
		return abi.HookReply{}, err
	}
	c := call{group: g, request: r, path: path, client: client, leave: leave}
	k := g.desks.find(connector)
	if k == nil {
		if wanted(connector) {
			return abi.HookReply{}, c.unavailable()
		}
		return abi.HookReply{}, c.decoy()
	}
	c.desk = k
	var running bool
	if c.session, c.pattern, running = k.find(r.Method, path); c.session == nil {
		if !running {
			return abi.HookReply{}, c.unavailable()
		}
		k.refuse("unknown_path")
		return abi.HookReply{}, c.decoy()
	}
	a, err := c.serve()
	return a.reply, err
}

// call is one request on its way in.
type call struct {
	group   *Group
	request *http.Request
	path    string
	client  netip.Addr
	leave   func() // the place of its body
	desk    *desk
	session *session
	pattern string
	seal    seal
}

func (c *call) unavailable() error {
	c.leave()
	return unavailable("the connector does not run")
}

// decoy does what is done for a signed request, and answers that there is nothing:
// how long that takes does not tell what there is.
func (c *call) decoy() error {
	defer c.leave()
	body, _, err := c.body(usualBody)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(Prefix))
	_, _ = mac.Write(body)
	_ = hmac.Equal(mac.Sum(nil), mac.Sum(nil))
	c.group.bounds.hold(nil, -int64(cap(body)))
	return nothing()
}

func (c *call) serve() (answer, error) {
	body, err := c.receive()
	if err != nil {
		return answer{}, err
	}
	t, again, err := c.admit(body)
	c.group.bounds.hold(nil, -int64(cap(body)))
	if err != nil {
		return answer{}, err
	}
	if t == nil {
		return *again, again.err()
	}
	return c.await(t)
}

// receive reads the body and sees whether the request may come in.
func (c *call) receive() (body []byte, err error) {
	defer c.leave()
	set := c.session.set
	if n := headersIn(c.request.Header); n > maxHeaders {
		c.desk.refuse("too_large")
		return nil, fault.New(fault.TooLarge, "the request has %d headers, and may have %d", n, maxHeaders)
	}
	if !c.desk.enter(max(1, c.group.cfg.Bodies/connectorShare)) {
		c.desk.refuse("too_many")
		return nil, fault.New(fault.Exhausted, "the connector has too many requests under way").WithRetryAfter(retrySoon)
	}
	defer c.desk.exit()
	body, why, err := c.body(int64(set.args.MaxBody)) //nolint:gosec // bounded
	if err != nil {
		c.desk.refuse(why)
		return nil, err
	}
	give := func(err error) ([]byte, error) {
		c.group.bounds.hold(nil, -int64(cap(body)))
		return nil, err
	}
	p, err := c.session.provenBy(c.request.Context())
	if err != nil {
		c.desk.refuse("no_secret")
		return give(unavailable("the connector cannot check requests now"))
	}
	if why, c.seal = set.verify(c.request, body, p, time.Now()); why != letIn {
		c.desk.refuse(why)
		return give(nothing())
	}
	if !set.reads(c.request.Header) {
		c.desk.refuse("bad_type")
		return give(fault.New(fault.MediaUnsupported, "the connector takes %s", strings.Join(set.args.ContentTypes, ", ")).
			WithHint("Send it as one of these."))
	}
	return body, nil
}

// reads reports whether a request is of a content type that is taken.
func (s *settings) reads(h http.Header) bool {
	if len(s.args.ContentTypes) == 0 {
		return true
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && len(h["Content-Type"]) == 1 && slices.Contains(s.args.ContentTypes, kind)
}

// firstRead is the buffer that a body begins with: what a caller says of its length
// takes no memory before it has sent it.
const firstRead = 4 << 10

// body reads the body, and holds room for its buffer in the bounds. why names what
// went wrong in counts.
func (c *call) body(limit int64) (body []byte, why string, err error) {
	b, r := c.group.bounds, c.request
	if r.ContentLength > limit {
		return nil, "too_large", tooLarge(limit)
	}
	defer func() {
		if err != nil {
			b.hold(nil, -int64(cap(body)))
			body = nil
		}
	}()
	src := io.LimitReader(r.Body, limit+1)
	for {
		if len(body) == cap(body) {
			more := max(firstRead, cap(body))
			if !b.hold(nil, int64(more)) {
				return body, "full", unavailable("there is no room for the body")
			}
			grown := make([]byte, len(body), cap(body)+more)
			copy(grown, body)
			body = grown
		}
		n, err := src.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return body, "too_large", tooLarge(limit)
		case errors.Is(err, io.EOF):
			return body, "", nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return body, "too_slow", fault.New(fault.BodySlow, "the body took longer than %v", c.group.cfg.Body)
		case err != nil:
			return body, "broken", fault.Wrap(fault.BodyInvalid, err, "the body cannot be read")
		}
	}
}

func tooLarge(limit int64) error {
	return fault.New(fault.TooLarge, "the body has more than %d bytes", limit)
}

// BodyTime is how long a body may take.
func (g *Group) BodyTime() time.Duration { return g.cfg.Body }

// nameOf is what names the request, by the first of the headers that do.
func (c *call) nameOf() (string, error) {
	for _, header := range c.session.set.args.IDHeaders {
		values := c.request.Header[header]
		if len(values) == 0 {
			continue
		}
		if len(values) > 1 || values[0] == "" || len(values[0]) > maxKey || strings.ContainsFunc(values[0], func(r rune) bool { return r < ' ' || r > '~' }) {
			return "", fault.New(fault.Invalid, "%s names the request: once, in at most %d printable characters", header, maxKey)
		}
		return values[0], nil
	}
	return "", nil
}

// admit puts the request into the queue, or finds what became of it when it came
// before: the ticket to wait for, or the answer.
func (c *call) admit(body []byte) (*ticket, *answer, error) {
	key, err := c.nameOf()
	if err != nil {
		return nil, nil, err
	}
	t := c.ticket(key, body)
	k, s := c.desk, c.session
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	rate := float64(s.set.args.Rate)
	k.rate.SetRate(rate, rate)
	if wait := k.rate.Take(1, now); wait > 0 {
		k.count("too_many")
		return nil, nil, fault.New(fault.RateLimited, "the connector takes %d requests a second", s.set.args.Rate).WithRetryAfter(max(wait, retrySoon))
	}
	if n := k.names.find(key, c.seal, now); n != nil {
		if n.sum != t.sum {
			k.count("other_request")
			return nil, nil, fault.New(fault.IdempotencyMismatch, "another request came under this name, or with this signature")
		}
		k.names.again(n, t, now)
		k.count("repeated")
		if n.ticket != nil {
			n.ticket.waiters++
			return n.ticket, nil, nil
		}
		return nil, replayed(n.answer), nil
	}
	if k.names.past(c.seal, now) { // it was taken; with what answer is forgotten
		k.count("repeated")
		return nil, replayed(answer{reply: abi.HookReply{Status: http.StatusAccepted}}), nil
	}
	k.last++
	t.id = k.last
	if s.closed { // between the look and the lock
		if s, _ = k.taker(t.method, t.path); s == nil {
			return nil, nil, unavailable("the connector does not run")
		}
	}
	t.data = c.encode(t, body)
	if !s.admit(t) {
		k.count("full")
		return nil, nil, unavailable("too many requests wait for the connector")
	}
	k.names.begin(t, now)
	return t, nil, nil
}

// replayed is an answer that was given before.
func replayed(a answer) *answer {
	a.reply.Headers = append(slices.Clone(a.reply.Headers), abi.Header{Name: "Idempotency-Replayed", Value: []byte("true")})
	return &a
}

// ticket is the request on its way. It is known again by what it was signed with,
// too, since the headers that name it are seldom signed: whoever saw it once could
// send it again under another name. What has neither a name nor a time is not: then
// a device that says the same twice signs the same twice.
func (c *call) ticket(key string, body []byte) *ticket {
	set := c.session.set
	t := &ticket{
		method: c.request.Method, path: c.path, pattern: c.pattern, key: key, time: time.Now().UnixNano(),
		waiters: 1, done: make(chan struct{}),
	}
	switch {
	case set.args.Timestamp != "": // it may be signed in what is the future here, as far as it may be in the past
		t.seal, t.valid = c.seal, 2*set.skew
	case key != "":
		t.seal, t.valid = c.seal, keptFor
	}
	if key != "" || c.seal != (seal{}) {
		h := sha256.New()
		_, _ = io.WriteString(h, t.method+" "+t.path+"?"+c.request.URL.RawQuery+"\n")
		_, _ = h.Write(body)
		h.Sum(t.sum[:0])
	}
	return t
}

// await waits for the answer. Who goes before the guest has seen the request takes
// it along; what the guest has seen goes on without him.
func (c *call) await(t *ticket) (answer, error) {
	timeout := time.NewTimer(c.session.set.timeout)
	defer timeout.Stop()
	ctx := c.request.Context()
	var err error
	select {
	case <-t.done:
		return t.answer, t.answer.err()
	case <-timeout.C:
		err = fault.New(fault.Timeout, "the connector did not answer within %v", c.session.set.timeout)
	case <-ctx.Done():
		err = ctx.Err()
		if !errors.Is(err, context.DeadlineExceeded) {
			err = fault.Wrap(fault.Canceled, err, "the caller has gone")
		}
	}
	k := c.desk
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-t.done: // at the same time
		return t.answer, t.answer.err()
	default:
	}
	if fault.Is(err, fault.Canceled) {
		k.count("gone")
	} else {
		k.count("timeout")
	}
	if t.waiters--; t.waiters == 0 && !t.taken {
		for _, s := range k.sessions {
			s.withdraw(t)
		}
		k.names.drop(t)
	}
	return answer{}, err
}

func (a *answer) err() error {
	if a.fault == nil {
		return nil
	}
	return a.fault
}

func addressOf(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr()
}
