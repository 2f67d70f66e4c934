package actor

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// maxOutages bounds the gaps that wait for their record.
const maxOutages = 64

// outage is a time in which data may be missing. It belongs to the session and
// not to the guest: it goes on over a crash and a swap.
type outage struct {
	session  *session
	from, to time.Time // to: zero while it lasts
	reason   string
}

// outages are the gaps of a connector that have no record yet.
type outages struct{ list []outage }

// begin notes that a session lost its resource.
func (o *outages) begin(s *session, e *capability.Event) {
	if s.deaf() {
		return
	}
	for i := range o.list {
		if o.list[i].session == s && o.list[i].to.IsZero() {
			return
		}
	}
	reason := "the session lost its resource"
	if e.Err != nil {
		reason = e.Err.Error()
	}
	o.add(outage{session: s, from: time.Unix(0, e.Time), reason: reason})
}

// deaf reports whether nothing can be missing while the session is down.
func (s *session) deaf() bool {
	d, ok := s.source.(capability.Deaf)
	return ok && d.Deaf()
}

// end notes that a session works again.
func (o *outages) end(s *session, e *capability.Event) {
	for i := range o.list {
		if x := &o.list[i]; x.session == s && x.to.IsZero() {
			x.to = time.Unix(0, e.Time)
		}
	}
}

// leave ends the outages of sessions that the lane does not hold any more:
// their end would never be seen.
func (o *outages) leave(now time.Time, held []*session) {
	for i := range o.list {
		if x := &o.list[i]; x.to.IsZero() && !slices.Contains(held, x.session) {
			x.to = now
		}
	}
}

// dropped notes that a session had to throw data away. While it is away that is a
// part of its outage, and one more reason: a gap of its own would be of an instant
// within that of the outage, and stand behind it.
func (o *outages) dropped(s *session, e *capability.Event) {
	for i := range o.list {
		x := &o.list[i]
		if x.session != s || !x.to.IsZero() {
			continue
		}
		if len(x.reason)+len(e.Name) < maxReason && !strings.Contains(x.reason, e.Name) {
			x.reason += "; " + e.Name
		}
		return
	}
	at := time.Unix(0, e.Time)
	o.add(outage{session: s, from: at, to: at, reason: e.Name})
}

// add keeps an outage. When too many wait, the last one grows to cover it.
func (o *outages) add(x outage) {
	if len(o.list) < maxOutages {
		o.list = append(o.list, x)
		return
	}
	if last := &o.list[len(o.list)-1]; !last.to.IsZero() && !x.to.IsZero() {
		last.to = x.to
	}
}

// recordGaps writes a record for every gap that is over. It runs behind the
// block of the step that saw its end and before the sources are acknowledged,
// so that a crash in between brings the end back.
func (l *lane) recordGaps(ctx context.Context) error {
	for i := 0; i < len(l.outages.list); {
		o := l.outages.list[i]
		if o.to.IsZero() {
			i++
			continue
		}
		if err := l.writeGap(ctx, o.from, o.to, o.reason); err != nil {
			return err
		}
		l.outages.list = append(l.outages.list[:i], l.outages.list[i+1:]...)
	}
	return nil
}

// settleGaps records the outages of sessions that are not among those that are
// held.
func (l *lane) settleGaps(ctx context.Context, held []*session) error {
	l.outages.leave(time.Now(), held)
	return l.recordGaps(ctx)
}

// gapSinceLastRun says that data may be missing since a run that did not end
// orderly, unless all sources can be read again. It comes before anything else
// of this run: after another crash the log still tells where the gap began.
func (l *lane) gapSinceLastRun(ctx context.Context) error {
	if l.gap.IsZero() {
		return nil
	}
	if l.inbox.replayable() {
		l.gap = time.Time{}
		return nil
	}
	if err := l.writeGap(ctx, l.gap, time.Now(), "the connector did not stop orderly"); err != nil {
		return err
	}
	l.gap = time.Time{}
	return nil
}

// writeGap commits a gap record.
func (l *lane) writeGap(ctx context.Context, from, to time.Time, reason string) error {
	payload, err := json.Marshal(struct {
		From   time.Time `json:"from"`
		To     time.Time `json:"to"`
		Reason string    `json:"reason"`
	}{from.UTC(), to.UTC(), reason})
	if err != nil {
		return err
	}
	batch := abi.Batch{Records: []abi.Record{{
		Kind: abi.KindGap, Time: to.UnixNano(), ContentType: "application/json", Payload: payload,
	}}}
	l.count(func(c *lifecycle.Counters) { c.Gaps++ })
	return l.write(ctx, &outbox.Block{Count: 1, Records: outbox.AppendBatch(nil, batch.Append(nil))})
}
