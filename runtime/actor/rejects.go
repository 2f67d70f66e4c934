package actor

import (
	"fmt"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// toldRejects bounds the lines that one step writes about what it rejected, and
// shownReject the bytes of the content that each of them shows.
const (
	toldRejects = 3
	shownReject = 80
)

// tellRejects shows what went to quarantine, and why: in the connector's log, and
// the last of it in the status. It is called when they have been written, and nothing
// since.
func (l *lane) tellRejects(rejects []outbox.Reject) {
	if len(rejects) == 0 {
		return
	}
	for i := range rejects[:min(len(rejects), toldRejects)] {
		r := &rejects[i]
		reason := strings.TrimRight(r.Reason, ": ")
		l.env.line(abi.LogWarning, FromHost, "quarantine", reason+": "+r.Summary(shownReject))
	}
	if more := len(rejects) - toldRejects; more > 0 {
		l.env.line(abi.LogWarning, FromHost, "quarantine", fmt.Sprintf("and %d more in the same step", more))
	}
	last := &rejects[len(rejects)-1]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.LastRefused = &lifecycle.Refused{
		At: time.Now(), Position: fmt.Sprintf("%d.%d", l.sequence, len(rejects)-1),
		Reason: brief(l.env.masked(last.Reason)), Device: fault.Clip(last.Device, maxReason),
	}
}

// group is the group whose session an input came from; "": the host's own.
func (b *inbox) group(in *input) string {
	if s := b.intakes[in.intake].session; s != nil {
		return s.group
	}
	return ""
}
