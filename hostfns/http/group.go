// Package http is the group of web servers that a connector may ask. The
// composition root builds the Group; nobody else imports it.
//
// A grant names patterns of URLs (https://api.example.com/v1/*) with the right to
// read (GET, HEAD, OPTIONS) or to write (the other methods), and, where private
// addresses are meant, their network (cidr:192.168.1.0/24). What goes out goes
// through egress, which holds every hop to them. The secrets that a request names
// are put in here, and taken out of the reply again.
package http

import (
	"context"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

const name = "http"

// Group is the web, as far as it is granted.
type Group struct {
	egress *egress.Egress
	held   *budget
}

// New is the group of what this way out leads to.
func New(e *egress.Egress) *Group { return &Group{egress: e, held: &budget{}} }

// Name implements capability.Group.
func (*Group) Name() string { return name }

// Limit implements capability.Limited.
func (*Group) Limit() string { return spec.LimitHTTP }

// Functions implements capability.Group. The right depends on the method, so the
// session checks it.
func (*Group) Functions() []capability.Function {
	return []capability.Function{
		{Name: "request", Rehearse: rehearse, Sentence: "send HTTP requests to the web servers that it is granted, through redirects within the grant, and with secrets that it does not see"},
		{Name: "read", Sentence: "read the rest of a long reply to its last HTTP request"},
	}
}

// Cannot implements capability.Bounded.
func (*Group) Cannot() []string {
	return []string{
		"Cannot ask private addresses, this machine included, unless a grant names their network (as in cidr:192.168.1.0/24).",
		"Cannot ask this server itself, metadata services of clouds, multicast or broadcast addresses, whatever is granted.",
	}
}

// Matches implements capability.Matcher.
func (*Group) Matches(pattern, resource string) bool { return egress.Matches(pattern, resource) }

// CheckPattern implements capability.Matcher.
func (*Group) CheckPattern(pattern string) error { return egress.CheckPattern(pattern) }

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (g *Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	rules, err := egress.NewRules(scope.Grants)
	if err != nil {
		return nil, err
	}
	if scope.Purse != nil {
		rules = rules.Within(scope.Purse)
	}
	return &session{
		egress: g.egress, scope: scope, rules: rules, clients: map[clientKey]*client{}, hold: hold{of: g.held, purse: scope.Purse},
	}, nil
}

var _ interface {
	capability.Matcher
	capability.Limited
	capability.Bounded
} = (*Group)(nil)

func unsupported(function string) error {
	return fault.New(fault.Unsupported, "no host function http.%s", function)
}
