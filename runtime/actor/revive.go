package actor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A guest that died in a step is followed by another at once, but for so many times in
// a while: then it is a crash like any other.
const (
	maxRevivals    = 64
	revivalsWithin = time.Minute
)

// resumes reports whether the lane goes on at once with another guest, because this one
// died of what it was handed: of fewer inputs at a time. Of what is to be delivered the
// one record that it dies of is found so, and goes to quarantine. A deadline says
// nothing of the inputs: of one alone it is a crash.
func (l *lane) resumes(cause error) bool {
	o, handed, late := l.outlet, l.handed, fault.Is(cause, fault.GuestDeadline)
	delivers := o != nil && o.handed > 0
	if l.handed = 0; delivers {
		handed = o.handed
	}
	beside := delivers && len(o.parcels) > 0 // alone it has to show once more whose fault it is
	switch {
	case l.stopping(), late && handed < 2 && !beside, !late && (!delivers || !trapped(cause)), !l.revive():
		return false
	case late && handed > 1:
		l.slower(cause, handed, delivers)
	case late, beside:
	case handed > 1:
		o.most = handed / 2
	default:
		o.most, o.guilty, o.accused = 1, fault.Of(cause).Text, slices.Clone(o.input)
	}
	if delivers {
		o.waits = o.waits || beside
		o.handed, o.due = 0, time.Now() // the records are there already: nothing will say that they came
	}
	return true
}

// trapped reports whether a guest died by its own doing.
func trapped(cause error) bool {
	switch fault.Of(cause).Kind {
	case fault.GuestTrap, fault.GuestMemory, fault.GuestStack, fault.GuestTable:
		return true
	default:
		return false
	}
}

// slower makes steps half as large as one that took too long.
func (l *lane) slower(cause error, handed int, delivers bool) {
	l.env.line(abi.LogWarning, FromHost, "", fmt.Sprintf("%s: it was handed %d at once, and the next is handed %d", fault.Of(cause).Text, handed, handed/2))
	if delivers {
		l.outlet.most, l.outlet.slow = handed/2, handed
		return
	}
	l.slow = handed
	l.halve()
}

// revive reports whether there may be another guest, and counts it.
func (l *lane) revive() bool {
	now := time.Now()
	for len(l.revived) > 0 && now.Sub(l.revived[0]) > revivalsWithin {
		l.revived = l.revived[1:]
	}
	if len(l.revived) >= maxRevivals {
		return false
	}
	l.revived = append(l.revived, now)
	return true
}

// fits reports whether a step may have so many inputs. As many as took too long once it
// may have when fewer, in the last call, took less than half of the time that there is.
func (l *lane) fits(entry string, inputs int, slow *int) bool {
	if *slow == 0 || inputs < *slow {
		return true
	}
	limits := &l.version.Limits
	if l.took > time.Duration(cmp.Or(limits.Timeouts[entry], limits.CallTimeout))/2 {
		return false
	}
	*slow = 0
	return true
}
