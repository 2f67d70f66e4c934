package capability

import (
	"context"

	"github.com/snaprail/snaprail/runtime/spec"
)

// Matcher is a Group whose resources are no paths, so that it reads the patterns
// of its grants itself. Its resources are checked by its sessions.
type Matcher interface {
	Group
	// Matches reports whether a pattern covers a resource, or all that another
	// pattern covers. It is false for what it cannot read.
	Matches(pattern, resource string) bool
	// CheckPattern says what is wrong with a pattern; nil: nothing.
	CheckPattern(pattern string) error
}

// Checker is a Group whose sessions reach several resources at once, so that it
// holds them against grants itself: when a session is opened, each time that a guest
// adopts it, and at each call.
type Checker interface {
	Group
	// CheckGrants is nil if the grants of this group cover all that Target's resource
	// names, with the right; else the error of Check. An empty right is that to open.
	CheckGrants(grants []spec.Grant, resource string, right spec.Right) error
}

// CheckIn is Check in the way of the group.
func CheckIn(g Group, grants []spec.Grant, resource string, right spec.Right) error {
	if own, ok := g.(Checker); ok {
		return own.CheckGrants(grants, resource, right)
	}
	return Check(g.Name(), grants, resource, right)
}

// Bounded is a Group of which no grant, or not every one, opens everything.
type Bounded interface {
	Group
	// Cannot are whole sentences that say what a module with this group cannot do.
	Cannot() []string
}

// Caller is the guest behind a call, for a group whose sessions belong to one
// guest each (see OpenFunction) and whose rights depend on what is asked for, so
// that nobody can check them before the session. It is used during a call alone.
type Caller interface {
	// Allow is nil if the guest may use the right now: a candidate for a swap may
	// not write yet, and one whose grants have an interlock not without a message
	// that it let through.
	Allow(ctx context.Context, function string, right spec.Right) error
	// Refused counts and tells a call that was refused for want of a right.
	Refused(function, resource string, err error)
}
