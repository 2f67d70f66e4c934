package udp

import (
	"context"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

var _ capability.Regranted = (*Session)(nil)

// Adopt implements capability.Regranted: a session asks for its address alone.
func (*Session) Adopt([]spec.Grant) error { return nil }

// Regrant implements capability.Regranted. The socket stays; while the grants do not
// name its peer's network nothing is sent, and what comes is dropped.
func (s *Session) Regrant(ctx context.Context, grants []spec.Grant) {
	err := s.probe(ctx, grants)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = nil
	if err != nil {
		s.denied = egress.At(s.set.Address, s.set.Address, err)
		s.log.Warn("udp socket not used", "error", s.denied)
	}
}

// probe makes a socket for the same address, which sends nothing: what the rules say
// of it is that of this one.
func (s *Session) probe(ctx context.Context, grants []spec.Grant) error {
	rules, err := egress.NetworkRules(Name, grants)
	if err != nil {
		return err
	}
	conn, err := s.out.Dialer(rules).DialUDP(ctx, s.conn.RemoteAddr().String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// refusal is why nothing may be sent or heard; nil: it may.
func (s *Session) refusal() *fault.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.denied
}
