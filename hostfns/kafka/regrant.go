package kafka

import (
	"context"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

var _ capability.Regranted = (*session)(nil)

// Adopt implements capability.Regranted.
func (s *session) Adopt(grants []spec.Grant) error {
	if !s.reads() {
		return nil
	}
	return capability.Check(Name, grants, s.set.resource(), spec.Read)
}

// Regrant implements capability.Regranted.
func (s *session) Regrant(_ context.Context, grants []spec.Grant) {
	rules, err := egress.NetworkRules(Name, grants)
	if err != nil {
		s.log.Warn("grants that cannot be read give no network", "error", err)
	}
	s.dialer.grants.Store(&grants)
	s.dialer.forgive()
	s.dialer.out.Change(rules, s.dialer.allow)
	capability.Signal(s.again)
}

// forgive forgets what was wrong with addresses: it may have been a grant.
func (d *dialer) forgive() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.failed)
}
