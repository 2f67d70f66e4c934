// Package capability is what a guest may reach: groups of host functions, the
// sessions that a connector holds of them, and the scope that narrows both to
// one connector's grants.
//
// A Group is one per process and knows the whole resource (all serial ports);
// a Session is one connector's open end of it and outlives guests; nothing
// behind a Session ever takes a tenant or connector id. The actor owns the
// sessions of its connector and calls them from the goroutine that runs the
// guest. The engine, the actor and the groups under hostfns import this
// package; it imports no implementation.
package capability

import (
	"context"
	"log/slog"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Function is one host function of a group.
type Function struct {
	Name string
	// Right is what the grant must hold for it; empty: any grant of the group.
	// A guest that is only a candidate for a swap may not call functions with
	// the right to write.
	Right spec.Right
	// Consumes says that a call takes something away that another guest of the
	// connector would miss. Neither a dry run nor a candidate for a swap may call it.
	Consumes bool
	// Shapes says that a call changes what events the session gives, as a
	// subscription does: see Shaped.
	Shapes bool
	// Sentence says what a module with this import can do: "write to the
	// serial ports that it is granted".
	Sentence string
	// Rehearse says of a request that is to be shown and not made, of a function
	// with the right to write, what it would write and what the guest is told,
	// appended to out; nil: the request itself, and nothing.
	Rehearse func(in, out []byte) (data, reply []byte)
}

// OpenFunction is the name of the host function that opens a session by
// arguments. A group without a function of this name has one session for each
// connector, opened without arguments when the guest is linked.
const OpenFunction = "open"

// Group is a named set of host functions. Its methods are safe for use by
// several goroutines.
type Group interface {
	// Name is the import module without its prefix: "serial".
	Name() string
	// Functions lists all host functions of the group, OpenFunction included.
	Functions() []Function
	// Target reads the arguments of OpenFunction: what would be opened.
	// Groups without it return the zero Target.
	Target(args []byte) (Target, error)
	// Open opens a session. For groups with OpenFunction, the grant for
	// Target(args) has been checked by the caller. It ends when ctx does.
	Open(ctx context.Context, scope Scope, args []byte) (Session, error)
}

// Direct is a Group with host functions that need no session.
type Direct interface {
	Group
	// Direct reports whether a function is one of them.
	Direct(function string) bool
	// CallDirect serves one, as Session.Call does, within the connector's scope.
	// A grant of the group is all that has been checked.
	CallDirect(ctx context.Context, scope Scope, function string, in, out []byte) ([]byte, error)
}

// Target is what a guest asks to open.
type Target struct {
	// Resource is what grants are matched against: "/dev/ttyUSB0".
	Resource string
	// Key is the canonical form of the arguments. A guest that opens with an
	// equal key gets the session that is open already.
	Key string
}

// Session is one connector's open end of a group. Call is only called by one
// goroutine at a time.
type Session interface {
	// Call serves one host function other than OpenFunction. The reply is
	// appended to out[:0], which has the capacity that the guest offered; a
	// longer reply is allowed. in and out are valid during the call only.
	// A wait ends when ctx does.
	Call(ctx context.Context, function string, in, out []byte) ([]byte, error)
	// Close gives the resource back. It returns within ctx, waits for the
	// session's goroutines, and may be called more than once.
	Close(ctx context.Context) error
}

// Reporter is a Session that has a condition to show.
type Reporter interface {
	Condition() Condition
}

// Condition is how a session is doing.
type Condition struct {
	Up       bool
	Reason   string
	Opens    uint64 // times the resource itself was opened
	Dropped  uint64 // events lost to a full buffer or a bad frame
	Buffered int    // events not acknowledged
	// Counts are figures of the group's own by name, as in "refused"; nil: none.
	Counts map[string]uint64
}

// Source is a Session with events for the guest. Events are taken in order,
// stay in the session until they are acknowledged, and are taken again after
// Rewind: so a guest that dies or is swapped loses none. All methods may be
// called while the session's own goroutines add events; Take, Ack and Rewind
// are called by one goroutine at a time.
type Source interface {
	Session
	// Ready holds a token whenever Take may have something to give.
	Ready() <-chan struct{}
	// Take appends events to dst, at most items of them and about bytes of
	// data (at least one event if there is any), without removing them. Their
	// data is valid until they are acknowledged.
	Take(dst []Event, items, bytes int) []Event
	// Ack removes the oldest n events that were taken: they are durable.
	Ack(n int)
	// Rewind makes the next Take start at the oldest event that is not
	// acknowledged.
	Rewind()
	// Replayable reports whether the source can be read again after a restart
	// of the host, so that a restart is no gap.
	Replayable() bool
}

// Deaf is a Source that may tell of nothing but its own condition: no data can be
// missing while it is down.
type Deaf interface {
	Source
	Deaf() bool
}

// Shaped is a Session whose events a guest shapes by its calls. A guest that
// adopts one beside another that works with it shapes a draft, which is taken
// when that guest takes over, if it ever does.
type Shaped interface {
	Session
	// Draft begins one, in which nothing is asked for.
	Draft() Draft
}

// Draft is what a guest wants of a session that another one works with. It is
// used by one goroutine.
type Draft interface {
	// Call serves a function that Shapes, and changes the draft alone. What holds
	// of Session's Call holds of it.
	Call(ctx context.Context, function string, in, out []byte) ([]byte, error)
	// Take asks the session for what the draft says, and for nothing else. It does
	// not wait: what cannot be had shows in the session's condition and events.
	Take()
}

// Judged is a Source that learns how each of its events ended: somebody waits for
// an answer to it.
type Judged interface {
	Source
	// Settled says that the event i places behind the oldest one that is not
	// acknowledged is settled, and that the step that settled it is durable. It is
	// said once, in any order, before Ack. rejected is why the event went to
	// quarantine, without secrets; empty: it did not.
	Settled(i int, rejected string)
}

// Event is one event of a source.
type Event struct {
	Type abi.EventType
	Time int64 // when the host saw it, unix ns
	Data []byte
	Name string
	Err  error
}

// Scope is everything a session may know of the connector that it serves.
type Scope struct {
	// Grants are the connector's grants for this group.
	Grants []spec.Grant
	// Owner names the connector in messages for people and in lock tables, and
	// where requests come in for it (hooks). It is not used to look anything up.
	Owner string
	// Tenant says whose the connector is, in lock tables alone: what a tenant has,
	// another is not told by name. It is not used to look anything up.
	Tenant string
	State  State
	// Devices are the connector's own; nil: a converter, which has none.
	Devices Devices
	Lines   Lines
	// Secrets are what a host function may use where a guest names it, and the
	// guest never sees; nil: there are none.
	Secrets Secrets
	// Notifier tells people; nil: the caller is a converter, which has nothing to
	// say.
	Notifier Notifier
	// Files are those of the connector's parameters; nil: there are none.
	Files Files
	// Sealed keeps what the group needs for the connector from one session to the
	// next; nil: nothing is kept.
	Sealed Sealed
	// Peers are the tenant's other connectors; nil: there are none.
	Peers Peers
	// Deployment is what a deployment is made of; nil: the call is neither deploy
	// nor tear_down.
	Deployment Deployment
	// Purse is the connector's part of what all connectors of the process share;
	// nil: it may take all of it.
	Purse Purse
	// Caller is the guest that the session belongs to; nil for a group with
	// OpenFunction, whose sessions outlive guests.
	Caller Caller
	// Tried reports whether the guest behind the scope is not the one that runs, or not
	// yet: a candidate for a swap, one that is tested, a dry run. It is called during
	// Open and Call alone; nil: it runs.
	Tried func() bool
	// Log is for the session's own notes, with the connector's attributes set.
	Log *slog.Logger
}

// MaxHeld is how many bytes groups keep for all guests of the process: of replies,
// until those read on, and of what sessions have received, until it is acknowledged.
const MaxHeld = 128 << 20

// Purse holds the owner of a connector to a part of what there is once in the
// process, so that others have theirs, whatever he does. It is safe for use by
// several goroutines.
type Purse interface {
	// Request takes a place for one request out, and waits for it until ctx ends.
	// fault.Exhausted: the deadline came first. done gives it back.
	Request(ctx context.Context) (done func(), err error)
	// Hold takes room for n bytes that are kept for a guest; n < 0 gives it back.
	// fault.Exhausted: there is none.
	Hold(n int64) error
}

// State is the connector's key-value state. Changes are staged: they become
// durable with the block of the step that made them, or not at all; reads see
// the staged changes.
type State interface {
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
	// Put refuses with fault.KVLimit what the connector's state has no room
	// for.
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
}

// Devices are the devices of one connector. Changes are staged as those of State
// are, and reads see them.
type Devices interface {
	// Device is one that is here.
	Device(ctx context.Context, id string) (d abi.Device, found bool, err error)
	// Devices are those that are here in the order of their ids, behind after, no
	// more than limit; more says whether there are others behind them.
	Devices(ctx context.Context, after string, limit int) (list []abi.Device, more bool, err error)
	// Change stages a change, which has been checked. fault.Invalid: the type is
	// none that the module serves; fault.TooLarge: it is too much for one step.
	Change(ctx context.Context, c abi.DeviceChange) error
}

// Secrets are the tenant's named secrets. It is safe for use by several
// goroutines.
type Secrets interface {
	// Secret is the value of secret://name, the caller's own. The error is a
	// fault.SecretMissing when it is not set.
	Secret(ctx context.Context, name string) ([]byte, error)
}

// Sealed keeps what a group makes for a connector and nobody else may see, as a
// private key: sealed under the tenant's key, out of reach of guests, and gone
// with the connector. It is safe for use by several goroutines.
type Sealed interface {
	// Kept is what is kept under a name.
	Kept(ctx context.Context, name string) (value []byte, found bool, err error)
	// Keep keeps a value of at most 64 KiB under a name of at most 128 bytes, in the
	// place of any that is there.
	Keep(ctx context.Context, name string, value []byte) error
}

// Notifier tells the tenant's people. It is called by the goroutine that runs the
// guest.
type Notifier interface {
	// Tell stages a notice, which has been checked: it becomes durable with the step,
	// or not at all. fault.Exhausted: it is too much for one step.
	Tell(ctx context.Context, n spec.Notice) error
}

// Files are the files of one connector's parameters, as they are set now. It is safe
// for use by several goroutines.
type Files interface {
	// Files are those that are here, in the order of their names, which are the
	// parameters' keys. The list is the caller's.
	Files(ctx context.Context) ([]abi.FileInfo, error)
	// Content is a file's, which nobody may change. fault.NotFound: there is none.
	Content(ctx context.Context, name string) ([]byte, error)
}

// Peers are the other connectors of a connector's tenant, as a guest of it calls
// them. It is called by the goroutine that runs the guest.
type Peers interface {
	// Call sends m to the connector of this name, whose grant the caller has
	// checked, and waits for all replies to it: for the timeout, and no longer
	// than the caller's own call has. 0: as long as that. oneWay: no reply is
	// wanted. The way and the sender of m are set here; it is not kept.
	Call(ctx context.Context, connector string, m *abi.Message, timeout time.Duration, oneWay bool) ([]abi.Reply, error)
}

// Deployment makes the resources of one deployment, each of which is written down
// before it is made. What is asked for is copied. It is called by the goroutine
// that runs the guest.
type Deployment interface {
	Connector(ctx context.Context, c *abi.DeployConnector) (abi.Deployed, error)
	Device(ctx context.Context, d *abi.DeployDevice) (abi.Deployed, error)
	HTTP(ctx context.Context, h *abi.DeployHTTP) (abi.Deployed, error)
	Topic(ctx context.Context, t *abi.DeployTopic) (abi.Deployed, error)
	Note(ctx context.Context, n *abi.DeployNote) (abi.Deployed, error)
}

// Lines takes the guest's log lines.
type Lines interface {
	Line(level abi.LogLevel, target, text string)
}

// Limits that all groups share.
const (
	// CloseTimeout is how long a session may take to close.
	CloseTimeout = 5 * time.Second
)
