package control

import (
	"context"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
)

// may is the first thing that every exported method of a Tenant asks: whether
// whoever holds it may do this (see identity.Permissions). A Tenant that is in
// nobody's hands may nothing. What is refused is fault.RoleRequired and noted
// in the audit trail.
func (t *Tenant) may(ctx context.Context, area identity.Area, verb identity.Verb) error {
	if err := ctx.Err(); err != nil {
		return fault.Of(err)
	}
	if t.as.Tenant == t.id && t.as.May(area, verb, t.operates()) {
		return nil
	}
	err := t.forbidden(area, verb)
	t.cfg.Audit.Note(t.id, identity.Event{
		Who: t.who, Action: identity.Access, On: string(area) + ":" + string(verb),
		Outcome: identity.Refused, Code: err.Kind.String(), Detail: err.Text,
	})
	return err
}

// Operates reports whether a tenant is the one that operates the server.
func (s *Service) Operates(tenant string) bool {
	return s.cfg.Operator != "" && tenant == s.cfg.Operator
}

// operates reports whether the tenant is the one that operates the server.
func (t *Tenant) operates() bool { return t.cfg.Operator != "" && t.id == t.cfg.Operator }

// forbidden says what is missing.
func (t *Tenant) forbidden(area identity.Area, verb identity.Verb) *fault.Fault {
	for _, p := range identity.Permissions() {
		if p.Area != area {
			continue
		}
		if p.Operator && !t.operates() {
			return fault.New(fault.RoleRequired, "%s is for the administrators of the server's own tenant", area).
				WithHint("Ask the operator of the server.")
		}
		if need := p.Needs(verb); need != "" && !t.as.Role.Includes(need) {
			return fault.New(fault.RoleRequired, "%s:%s needs the role %s, and this is %s", area, verb, need, orNone(string(t.as.Role)))
		}
	}
	return fault.New(fault.RoleRequired, "%s:%s is not within the scopes %s", area, verb, orNone(t.as.Scopes))
}
