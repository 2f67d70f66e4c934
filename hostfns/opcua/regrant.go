package opcua

import (
	"context"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

var _ capability.Regranted = (*Session)(nil)

// Adopt implements capability.Regranted: a session asks for its endpoint alone.
func (*Session) Adopt([]spec.Grant) error { return nil }

// Regrant implements capability.Regranted.
func (s *Session) Regrant(_ context.Context, grants []spec.Grant) {
	rules, err := egress.NetworkRules(Name, grants)
	if err != nil {
		s.log.Warn("grants that cannot be read give no network", "error", err)
	}
	s.who.out.Change(rules, nil)
	capability.Signal(s.again)
}
