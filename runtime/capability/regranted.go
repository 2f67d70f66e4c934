package capability

import (
	"context"

	"github.com/snaprail/snaprail/runtime/spec"
)

// Regranted is a Session that holds itself to the connector's grants, beyond its
// target, which is checked each time that a guest adopts it. It lives on while grants
// come and go, and so is told of them. Its methods may be called beside Call.
type Regranted interface {
	Session
	// Adopt is nil if these grants of the group cover what the session asks for by the
	// arguments that it was opened with; else the error of Open. It is asked for each
	// guest that would adopt the session.
	Adopt(grants []spec.Grant) error
	// Regrant puts other grants of the group in the place of those that the session was
	// opened with: the guest that has them works from now on. What they do not cover
	// ends at once, as a connection into a network, and shows as any loss does; what
	// failed for want of one is tried again at once. It does not wait for that.
	Regrant(ctx context.Context, grants []spec.Grant)
}
