// Package lifecycle is the life of a connector as a table: the states, the
// events that move it between them, and the status that is reported. A move
// that the table does not have is an error, not a surprise.
//
// It imports the fault table and the spec; the actor and the supervisor move
// along it, the API shows it.
package lifecycle

import (
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// State is where a connector is in its life.
type State string

// The states.
const (
	Draft      State = "draft"       // never activated
	Starting   State = "starting"    // the guest is compiled, linked and opened
	Running    State = "running"     // the guest works and its sessions are up
	Degraded   State = "degraded"    // the guest works, a session is down
	BackingOff State = "backing-off" // failed; started again after a while
	Paused     State = "paused"      // held back by hand or by a full outbox
	CrashLoop  State = "crash-loop"  // failed too often; left alone
	Failed     State = "failed"      // cannot work as configured
	Updating   State = "updating"    // a new version is made ready beside the old
	Stopping   State = "stopping"    // finishes its step and closes
	Stopped    State = "stopped"     // by desired state
)

// Event moves a connector from state to state.
type Event string

// The events.
const (
	Start    Event = "start"    // desired state says run
	Opened   Event = "opened"   // the guest's open returned
	Down     Event = "down"     // a session lost its resource
	Up       Event = "up"       // all sessions work again
	Crash    Event = "crash"    // trap, deadline, or open failed in a way that may pass
	Retry    Event = "retry"    // the back-off is over
	GiveUp   Event = "give-up"  // too many crashes in a short time
	Reject   Event = "reject"   // the configuration cannot work
	Update   Event = "update"   // the spec changed
	Swapped  Event = "swapped"  // the new version took over
	Kept     Event = "kept"     // the new version failed; the old one goes on
	Stop     Event = "stop"     // desired state says stop
	Finished Event = "finished" // everything is closed
	Hold     Event = "hold"     // paused
	Release  Event = "release"  // no longer paused
)

// move is one row of the table.
type move struct {
	from State
	on   Event
}

// table holds every move there is. A session may go down and come up, and the
// outbox may fill and empty, whatever else is going on: so Down, Up, Hold and
// Release have a place wherever a guest may be at work.
func table() map[move]State {
	return map[move]State{
		{Draft, Start}: Starting, {Stopped, Start}: Starting, {Failed, Start}: Starting,
		{CrashLoop, Start}: Starting, {BackingOff, Start}: Starting,

		{Starting, Opened}: Running, {Starting, Crash}: BackingOff, {Starting, Reject}: Failed,
		{Starting, GiveUp}: CrashLoop, {Starting, Stop}: Stopping, {Starting, Down}: Starting, {Starting, Up}: Starting,
		{Starting, Hold}: Starting, {Starting, Release}: Starting,
		{Starting, Update}: Starting, {Starting, Swapped}: Starting, {Starting, Kept}: Starting,

		{Running, Down}: Degraded, {Running, Up}: Running, {Running, Crash}: BackingOff,
		{Running, Update}: Updating, {Running, Stop}: Stopping, {Running, Hold}: Paused,
		{Running, Release}: Running, {Running, GiveUp}: CrashLoop, {Running, Reject}: Failed,
		{Running, Swapped}: Running, {Running, Kept}: Running,

		{Degraded, Up}: Running, {Degraded, Down}: Degraded, {Degraded, Crash}: BackingOff,
		{Degraded, Update}: Updating, {Degraded, Stop}: Stopping, {Degraded, Hold}: Paused,
		{Degraded, Release}: Degraded, {Degraded, GiveUp}: CrashLoop, {Degraded, Reject}: Failed,
		{Degraded, Swapped}: Running, {Degraded, Kept}: Degraded,

		{BackingOff, Retry}: Starting, {BackingOff, Stop}: Stopping, {BackingOff, GiveUp}: CrashLoop,
		{BackingOff, Reject}: Failed,

		{Updating, Swapped}: Running, {Updating, Kept}: Running, {Updating, Crash}: BackingOff,
		{Updating, Stop}: Stopping, {Updating, Down}: Updating, {Updating, Up}: Updating,
		{Updating, Hold}: Updating, {Updating, Release}: Updating,
		{Updating, GiveUp}: CrashLoop, {Updating, Reject}: Failed,

		{Paused, Release}: Running, {Paused, Stop}: Stopping, {Paused, Crash}: BackingOff,
		{Paused, Down}: Paused, {Paused, Up}: Paused, {Paused, Hold}: Paused,
		{Paused, Swapped}: Paused, {Paused, Kept}: Paused,
		{Paused, Update}: Updating, {Paused, GiveUp}: CrashLoop, {Paused, Reject}: Failed,

		{CrashLoop, Stop}: Stopping, {Failed, Stop}: Stopping,

		{Stopping, Finished}: Stopped, {Stopping, Crash}: Stopping, {Stopping, Down}: Stopping, {Stopping, Up}: Stopping,
		{Stopping, Hold}: Stopping, {Stopping, Release}: Stopping, {Stopping, Opened}: Stopping,
		{Stopping, Update}: Stopping, {Stopping, Swapped}: Stopping, {Stopping, Kept}: Stopping,
		{Draft, Stop}: Stopped, {Stopped, Stop}: Stopped,
	}
}

// Next is the state after the event, or an error when the table has no such
// move.
func Next(from State, on Event) (State, error) {
	to, ok := table()[move{from, on}]
	if !ok {
		return from, fault.New(fault.WrongState, "%s is not possible in state %s", on, from)
	}
	return to, nil
}

// Status is what is known of a connector now.
type Status struct {
	State       State     `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	Code        string    `json:"code,omitempty"` // of the fault that caused it
	Try         string    `json:"try,omitempty"`  // what to do about it
	Since       time.Time `json:"since"`
	Generation  uint64    `json:"generation"` // of the guest: counts starts and swaps
	Epoch       uint64    `json:"epoch"`      // of the records: counts starts of the connector
	Module      string    `json:"module,omitempty"`
	Revision    uint64    `json:"revision"` // of the spec that runs
	Restarts    int       `json:"restarts"`
	Swaps       uint64    `json:"swaps"`
	Sessions    []Session `json:"sessions,omitempty"`
	Counters    Counters  `json:"counters"`
	MemoryBytes uint64    `json:"memory_bytes"` // of the guest's linear memory
	// Health is what the connector's code declares of itself.
	Health Health `json:"health,omitempty"`
	// Messages are what became of those to it; nil: there were none.
	Messages *Messages `json:"messages,omitempty"`
	// Delivery is what became of the records that the connector takes out; of one
	// that takes none it is zero.
	Delivery Delivery `json:"delivery,omitzero"`
	// LastRefused is what went to quarantine last; nil: nothing did, or it is there no
	// more.
	LastRefused *Refused `json:"last_refused,omitempty"`
	// Limits are all limits with their use. A connector that never ran in this
	// server process has none.
	Limits []Limit `json:"limits,omitempty"`
	// ConverterLimits are those of the converter: of all its instances, which
	// connectors with the same converter, config and limits share.
	ConverterLimits []Limit `json:"converter_limits,omitempty"`
	// Lanes are those of a connector that is divided into several; the rest of
	// the status is then of all of them together.
	Lanes *Lanes `json:"lanes,omitempty"`
}

// Refused is an input or a record that went to quarantine.
type Refused struct {
	At       time.Time `json:"at"`
	Position string    `json:"position"` // of it in quarantine
	Reason   string    `json:"reason"`
	Device   string    `json:"device,omitempty"`
}

// Delivery is how a connector does that takes the tenant's records out. What it
// skipped and put into quarantine is among the Counters.
type Delivery struct {
	Active    bool      `json:"active"`          // whether records are handed out to it now
	Delivered uint64    `json:"delivered"`       // records that arrived
	Retried   uint64    `json:"retried"`         // records that were handed in again, each time that they were
	Held      string    `json:"held,omitempty"`  // why nothing can be delivered now, or it is slow; empty: it goes well
	Behind    uint64    `json:"behind"`          // blocks of the outbox that are not done with
	Buffered  int       `json:"buffered"`        // records that are held in memory
	Missed    uint64    `json:"missed"`          // blocks that were gone from the outbox before they came to it
	Waiting   uint64    `json:"waiting"`         // records that are not done with
	About     bool      `json:"about,omitempty"` // whether Waiting is reckoned: not all of them were read yet
	Oldest    time.Time `json:"oldest,omitzero"` // when the oldest of them came; it is known for those that were read
	Last      time.Time `json:"last,omitzero"`   // when a record was delivered last
}

// Session is an open end of a capability.
type Session struct {
	Group    string    `json:"group"`
	Resource string    `json:"resource"`
	Up       bool      `json:"up"`
	Reason   string    `json:"reason,omitempty"`
	Opened   time.Time `json:"opened"`
	Opens    uint64    `json:"opens"`    // times the resource itself was opened
	Dropped  uint64    `json:"dropped"`  // events lost to a full buffer or a bad frame
	Buffered int       `json:"buffered"` // events not acknowledged yet
	// Counts are figures of the group's own, by name.
	Counts map[string]uint64 `json:"counts,omitempty"`
}

// Counters add up over the life of the server process.
type Counters struct {
	Events      uint64    `json:"events"`  // handed to the guest
	Calls       uint64    `json:"calls"`   // of operations that were answered
	Records     uint64    `json:"records"` // made durable
	Blocks      uint64    `json:"blocks"`
	Skipped     uint64    `json:"skipped"`
	Quarantined uint64    `json:"quarantined"`
	Retried     uint64    `json:"retried"`
	Repeated    uint64    `json:"repeated"` // records left out because their source key had come before
	Traps       uint64    `json:"traps"`
	Denied      uint64    `json:"denied"` // host calls refused
	LogLines    uint64    `json:"log_lines"`
	LogDropped  uint64    `json:"log_dropped"`
	Gaps        uint64    `json:"gaps"`
	Jobs        uint64    `json:"jobs"`         // background jobs that ended
	MissedPolls uint64    `json:"missed_polls"` // ticks that passed while a poll was under way
	LastRecord  time.Time `json:"last_record,omitzero"`
	// FuelUnits is what the guests executed, in units of about an instruction.
	FuelUnits uint64 `json:"fuel_units"`
	// CPUSeconds is how long the guests ran, and ThrottledSeconds how long
	// they waited for their share of the processor.
	CPUSeconds       float64 `json:"cpu_seconds"`
	ThrottledSeconds float64 `json:"throttled_seconds"`
}
