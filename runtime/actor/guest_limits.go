package actor

import (
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// closeTimeout is how long a guest may take to say goodbye, unless the
// connector's limits say otherwise.
const closeTimeout = 2 * time.Second

// noTimeout is the deadline of run, which a guest leaves when it is told to.
const noTimeout = 365 * 24 * time.Hour

// timeouts are the deadlines by entry point that differ from the one of all
// calls.
func timeouts(l spec.Limits) map[string]time.Duration {
	all := map[string]time.Duration{
		engine.EntryInitialize: time.Duration(l.OpenTimeout),
		abi.EntryOpen:          time.Duration(l.OpenTimeout),
		abi.EntryTest:          time.Duration(l.OpenTimeout),
		abi.EntryClose:         min(closeTimeout, time.Duration(l.CallTimeout)),
		abi.EntryRun:           noTimeout,
		abi.EntryOnJob:         longestJob, // the job's own is its context's

		abi.EntryNormalizeImport: time.Duration(l.OpenTimeout), abi.EntryExchangeOAuthCode: time.Duration(l.OpenTimeout),
		abi.EntryOAuthAuthorizeURL: time.Duration(l.OpenTimeout),
		abi.EntryDeploy:            time.Duration(l.OpenTimeout), abi.EntryTearDown: time.Duration(l.OpenTimeout),
	}
	for entry, t := range l.Timeouts {
		all[entry] = time.Duration(t)
	}
	return all
}

// timeLimit is the limit on the time of an entry point.
func timeLimit(entry string) string {
	switch entry {
	case abi.EntryOpen, abi.EntryTest, engine.EntryInitialize,
		abi.EntryNormalizeImport, abi.EntryExchangeOAuthCode, abi.EntryOAuthAuthorizeURL,
		abi.EntryDeploy, abi.EntryTearDown:
		return spec.LimitOpen
	}
	return spec.LimitCall
}

// fell counts the limit, if it is one, that a call ended at.
func (g *guest) fell(entry string, err error) {
	var name string
	switch fault.Of(err).Kind {
	case fault.GuestMemory:
		name = spec.LimitMemory
	case fault.GuestTable:
		name = spec.LimitTableEntries
	case fault.GuestStack:
		name = spec.LimitStack
	case fault.GuestOutput:
		name = spec.LimitOutputBytes
	case fault.GuestDeadline:
		name = timeLimit(entry)
	case fault.TenantCPU:
		name = spec.LimitCPU
	default:
		return
	}
	_ = g.quota.reached(name) // the engine has said so already
}

// drawsOn is the limit that the calls of a group draw on beside the one of all
// host calls; nil: none.
func (s *surroundings) drawsOn(g capability.Group) *allowance {
	if l, ok := g.(capability.Limited); ok {
		return s.quota.named[l.Limit()]
	}
	return nil
}
