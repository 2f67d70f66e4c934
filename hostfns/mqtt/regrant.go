package mqtt

import (
	"context"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

var _ capability.Regranted = (*session)(nil)

// granted are the grants that the session is held to. Nobody changes them.
func (s *session) granted() []spec.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants
}

// Adopt implements capability.Regranted: a session that may not have one of its
// subscriptions any more is not gone on with.
func (s *session) Adopt(grants []spec.Grant) error { return mayOpen(s.set, grants) }

// Regrant implements capability.Regranted.
func (s *session) Regrant(_ context.Context, grants []spec.Grant) {
	rules, err := egress.NetworkRules(Name, grants)
	if err != nil {
		s.log.Warn("grants that cannot be read give no network", "error", err)
	}
	s.mu.Lock()
	s.grants = grants
	withdrawn := s.will != nil && mayWill(s.set, grants, s.will) != nil
	if withdrawn {
		s.will = nil
	}
	s.mu.Unlock()
	s.caller.out.Change(rules, nil)
	if withdrawn {
		s.log.Warn("the MQTT connection is made anew, without the will that is not granted any more")
		capability.Signal(s.again)
	}
	capability.Signal(s.regranted)
}
