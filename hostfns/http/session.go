package http

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	nethttp "net/http"
	"net/url"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxPiece bounds how much of a body crosses at once, in bytes: with the headers
// it is less than a crossing may have.
const maxPiece = 768 << 10

// maxClients bounds the kinds of TLS that one guest uses side by side.
const maxClients = 4

// session is one guest's web: its connections, and what is left of its last
// reply.
type session struct {
	egress  *egress.Egress
	scope   capability.Scope
	rules   egress.Rules
	clients map[clientKey]*client
	used    uint64 // counts the uses of clients
	rest    []byte
	hold    hold // of rest, or of the reply that is being read
	closed  bool
}

// clientKey tells the ways of TLS apart; the zero key is the system's.
type clientKey [sha256.Size]byte

type client struct {
	*nethttp.Client

	used uint64 // when, as session.used counts
}

// Call implements capability.Session.
func (s *session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	switch {
	case function != "request" && function != "read":
		return nil, unsupported(function)
	case s.closed:
		return nil, fault.New(fault.SessionClosed, "http.%s: the guest is closing", function)
	case function == "read":
		return s.read(in, out)
	}
	return s.request(ctx, in, out)
}

// Close implements capability.Session: the connections end.
func (s *session) Close(context.Context) error {
	s.closed = true
	s.drop()
	for _, c := range s.clients {
		c.CloseIdleConnections()
	}
	clear(s.clients)
	return nil
}

func (s *session) request(ctx context.Context, in, out []byte) ([]byte, error) {
	s.drop()
	var q abi.HTTPRequest
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "http.request")
	}
	x, err := s.prepare(ctx, &q)
	if err != nil {
		return nil, err
	}
	x.hold = &s.hold
	p, err := x.exchange(ctx)
	if err != nil {
		s.drop()
		s.note(x, err)
		return nil, masked(x.mask, egress.Explain(err))
	}
	first := min(len(p.Body), maxPiece)
	p.Body, s.rest = p.Body[:first], p.Body[first:]
	p.Rest = uint64(len(s.rest))
	if out = p.Append(out[:0]); len(s.rest) == 0 {
		s.drop()
	}
	return out, nil
}

// drop lets go of the reply.
func (s *session) drop() {
	s.rest = nil
	s.hold.release()
}

// read hands on what the last reply left.
func (s *session) read(in, out []byte) ([]byte, error) {
	var q abi.HTTPRead
	if err := q.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "http.read")
	}
	n := min(len(s.rest), int(min(q.Max, maxPiece)))
	piece := abi.HTTPPiece{Data: s.rest[:n], Rest: uint64(len(s.rest) - n)}
	s.rest = s.rest[n:]
	if out = piece.Append(out[:0]); len(s.rest) == 0 {
		s.drop() // or its end would keep all of it
	}
	return out, nil
}

// note tells of a request, or of a hop of it, that was refused for want of a
// right.
func (s *session) note(x *exchange, err error) {
	f := fault.Of(egress.Explain(err))
	if s.scope.Caller == nil || f.Kind != fault.Denied && f.Kind != fault.EgressForbidden {
		return
	}
	at := x.url
	if outer, ok := errors.AsType[*url.Error](err); ok {
		if hop, err := egress.Canonical(outer.URL); err == nil {
			at = hop
		}
	}
	resource := x.method + " " + at.Scheme + "://" + at.Host + at.EscapedPath()
	s.scope.Caller.Refused("request", x.mask.Text(resource), masked(x.mask, f))
}

// clientFor is the client with this TLS: one that is there, or a new one, which
// may take the place of the one that was used longest ago.
func (s *session) clientFor(t *egress.TLS) (*nethttp.Client, error) {
	var key clientKey
	if t != nil {
		h := sha256.New()
		for _, part := range [][]byte{t.CA, t.Certificate, t.Key, []byte(t.ServerName)} {
			sum := sha256.Sum256(part)
			h.Write(sum[:])
		}
		key = clientKey(h.Sum(nil))
	}
	c, ok := s.clients[key]
	if !ok {
		made, err := s.newClient(t)
		if err != nil {
			return nil, err
		}
		s.makeRoom()
		c = &client{Client: made}
		s.clients[key] = c
	}
	s.used++
	c.used = s.used
	return c.Client, nil
}

func (s *session) newClient(t *egress.TLS) (*nethttp.Client, error) {
	if t == nil {
		return s.egress.Client(s.rules), nil
	}
	return s.egress.TLSClient(s.rules, *t)
}

func (s *session) makeRoom() {
	if len(s.clients) < maxClients {
		return
	}
	keys := make([]clientKey, 0, len(s.clients))
	for key := range s.clients {
		keys = append(keys, key)
	}
	oldest := slices.MinFunc(keys, func(a, b clientKey) int { return cmp.Compare(s.clients[a].used, s.clients[b].used) })
	s.clients[oldest].CloseIdleConnections()
	delete(s.clients, oldest)
}
