package actor

import (
	"bytes"
	"cmp"
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/flow"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Feeder is a Host with records for connectors that take them out.
type Feeder interface {
	// Feed opens the connector's feed, at its place in the tenant's log.
	Feed(ctx context.Context, settings spec.Feed) (flow.Feed, error)
}

// The pause after a delivery that failed, or got nowhere, without a wish of the
// guest's: doubled each time, until something is delivered.
const (
	firstHold   = time.Second
	longestHold = time.Minute
)

// shownHold is how long a sink is held that shows it: what passes at the next attempt
// is no change of the connector's state.
const shownHold = time.Second

// outlet is where a lane's guest takes records out (deliver): what it is handed,
// and how it goes on when that failed. Records are settled in their order, so one
// that has to wait holds those behind it. What the guest does not wait for is under
// way (see parcel) while it is handed what comes next.
type outlet struct {
	feed     flow.Feed
	settings spec.Feed

	most     int       // records in the next call: fewer while one is sought that cannot be handled
	slow     int       // so many took too long; 0: none did
	handed   int       // in the call that is under way, or that the guest died of
	input    []byte    // of it, which is the feed's
	guilty   string    // why a record, alone, goes to quarantine; "": none does
	accused  []byte    // that record: the feed may have been set to another place meanwhile
	parcels  []parcel  // under way, the oldest first
	eldest   time.Time // since when the first of them is that
	recalls  uint64    // times that parcels had to come again
	before   int       // records, from the next on, that were handed in before
	tardy    bool      // it is shown that what is under way takes long
	waits    bool      // the guest is to wait, and nothing else is under way meanwhile
	until    time.Time // of a pause
	since    time.Time // when it began to be held without getting on; zero: it is not
	due      time.Time // when records that wait for others are handed over
	failures int       // in a row
	yielded  bool      // to the lane's other work, whose turn it was
}

// connect gives the lane the feed that its version asks for, if it delivers.
func (l *lane) connect(ctx context.Context) error {
	v := &l.version
	if !l.catchUp(ctx, patience) { // a guest that delivers elsewhere begins with what comes next
		l.recall()
	}
	if !v.Manifest.Delivers() {
		l.disconnect()
		return nil
	}
	if l.outlet != nil && l.outlet.settings.Same(&v.Connector.Feed) {
		return nil
	}
	host, ok := l.cfg.Host.(Feeder)
	if !ok {
		return fault.New(fault.Unsupported, "nothing is delivered here")
	}
	l.disconnect()
	feed, err := host.Feed(ctx, v.Connector.Feed)
	if err != nil {
		return err
	}
	l.outlet = &outlet{feed: feed, settings: v.Connector.Feed, most: v.Connector.Feed.Most()}
	l.mu.Lock()
	l.feed = feed
	l.mu.Unlock()
	return nil
}

// disconnect closes the lane's feed, if it has one. Its place in the log stays.
func (l *lane) disconnect() {
	if l.outlet == nil {
		return
	}
	l.mu.Lock()
	l.feed, l.status.Delivery.Held = nil, ""
	l.mu.Unlock()
	l.recall()
	l.outlet.feed.Close()
	l.outlet = nil
}

// retry ends the outlet's pause: something has changed, and what failed may do
// now.
func (o *outlet) retry() {
	if o != nil && !o.until.IsZero() {
		o.until, o.due, o.failures = time.Time{}, time.Now(), 0
	}
}

// arrivals holds a token when there may be more to deliver; nil without a feed.
func (l *lane) arrivals() <-chan struct{} {
	if l.outlet == nil {
		return nil
	}
	return l.outlet.feed.Wake()
}

// next is when the outlet has work though no record comes; zero: never.
func (o *outlet) next() time.Time {
	switch {
	case o == nil:
		return time.Time{}
	case len(o.parcels) > 0 && (o.full() || o.due.IsZero() || o.attention().Before(o.due)):
		return o.attention()
	case !o.until.IsZero():
		return o.until
	}
	return o.due
}

// deliver hands the guest the records that come next, if there are any and it
// does not pause.
func (l *lane) deliver(ctx context.Context) (worked bool, err error) {
	o := l.outlet
	worked = l.collect()
	if now := time.Now(); o == nil || now.Before(o.until) || o.full() {
		return worked, nil
	}
	o.until = time.Time{}
	o.input, o.handed, o.due = o.feed.Take(time.Now(), o.most)
	switch {
	case o.handed == 0:
		return worked, nil
	case o.guilty != "" && bytes.Equal(o.input, o.accused):
		return true, l.condemn(ctx)
	}
	l.again(min(o.handed, o.before))
	o.before = max(o.handed, o.before)
	o.guilty, o.accused = "", nil
	in := o.input
	if o.alone() {
		in = abi.AppendDeliverWait(in, true)
	}
	out, err := l.call(ctx, abi.EntryDeliver, in)
	if err == nil {
		err = l.commitDelivery(ctx, out)
	}
	if err == nil {
		o.handed = 0
		return true, nil
	}
	l.guest.stage.take()
	if l.guest.inst.State() == engine.Dead || !guestsFault(err) && !heldBack(err) {
		return true, err
	}
	return true, l.undelivered(ctx, err)
}

// commitDelivery makes the outcome of a delivery durable, and moves on behind
// the records that it settles.
func (l *lane) commitDelivery(ctx context.Context, out []byte) error {
	if err := l.read(out); err != nil {
		return err
	}
	if len(l.view.Tickets) > 0 {
		return l.consign()
	}
	o, b := l.outlet, outbox.Block{Cursor: l.view.Cursor, Devices: l.view.Devices}
	var tally tally
	settled, held, err := l.judgeDelivery(&b, &tally)
	if err != nil {
		return err
	}
	if !l.catchUp(ctx, patience) { // it comes before what is settled here, and may have to come again
		l.recall()
		l.guest.stage.take()
		return nil
	}
	delivered := uint64(settled-len(b.Rejects)) - tally.skipped // before the converter's rejects join the guest's
	if err := l.convert(ctx, &b, &tally); err != nil {
		return err
	}
	if err := l.complete(ctx, &b, nil); err != nil {
		return err
	}
	o.feed.Settle(settled)
	o.before -= settled
	l.sendReplies(ctx)
	l.startJobs(ctx, l.view.Jobs)
	l.guest.watchMemory()
	l.count(func(c *lifecycle.Counters) {
		c.Quarantined += uint64(len(b.Rejects))
		tally.count(c)
	})
	l.delivered(delivered)
	if n := min(max(o.most, 1)*2, o.settings.Most()); l.fits(abi.EntryDeliver, n, &o.slow) {
		o.most = n
	}
	if settled > 0 {
		o.failures, o.since = 0, time.Time{}
	}
	switch left := o.handed - settled; {
	case left == 0:
		o.waits = false
	case settled == 0 || held.RetryAfterMS > 0:
		l.hold(time.Duration(min(held.RetryAfterMS, maxRetryAfterMS))*time.Millisecond, held.Kind, held.Reason, held.Hint)
		return nil
	default: // it got on, and goes on
	}
	l.released()
	return nil
}

// judgeDelivery reads the guest's verdicts on the records of a delivery: settled
// are those before the first that is to be handed in again, the verdict on which is
// held.
func (l *lane) judgeDelivery(b *outbox.Block, t *tally) (settled int, held abi.Verdict, err error) {
	settled = l.outlet.handed
	l.verdicts = append(l.verdicts[:0], make([]abi.Verdict, settled)...)
	for _, v := range l.view.Verdicts {
		switch {
		case int64(v.Input) >= int64(len(l.verdicts)):
			return 0, held, fault.New(fault.Guest, "the module judged record %d of %d", v.Input, len(l.verdicts))
		case l.verdicts[v.Input] != (abi.Verdict{}):
			return 0, held, fault.New(fault.Guest, "the module judged record %d twice", v.Input)
		case v.Decision > abi.DecisionRetry:
			return 0, held, fault.New(fault.Guest, "the module gave the unknown decision %d", v.Decision)
		}
		l.verdicts[v.Input] = v
		if v.Decision == abi.DecisionRetry && int(v.Input) < settled {
			settled, held = int(v.Input), v
		}
	}
	for i := range l.verdicts[:settled] {
		switch v := &l.verdicts[i]; v.Decision {
		case abi.DecisionSkip:
			t.skipped++
		case abi.DecisionReject:
			b.Rejects = append(b.Rejects, l.reject(i, v.Reason))
		default:
		}
	}
	return settled, held, nil
}

// reject is a record of the delivery on its way to quarantine: all of it, so that
// it can be handed in again.
func (l *lane) reject(record int, reason string) outbox.Reject {
	device, input := l.outlet.feed.Pick(record)
	return outbox.Reject{Device: device, Reason: fault.Clip(l.env.masked(reason), maxReason), Input: input, Of: outbox.RejectDelivery}
}

// undelivered keeps what a living guest failed to deliver: in quarantine what it
// says can never be, once that is alone in the call; everything else waits.
func (l *lane) undelivered(ctx context.Context, cause error) error {
	f, o := fault.Of(cause), l.outlet
	never := f.Kind == fault.Guest && f.RetryAfter == 0 && (f.Said == abi.FaultInvalid || f.Said == abi.FaultTooLarge)
	switch {
	case len(o.parcels) > 0: // which may have to come again, before these
		o.waits, o.handed = true, 0
		return nil
	case !never:
		if l.hold(retryAfter(cause), f.Said, f.Text, f.Hint) {
			l.env.line(abi.LogError, FromHost, "", "deliver failed: "+f.Text)
		}
		return nil
	case o.handed > 1:
		o.most, o.handed = o.handed/2, 0
		return nil
	}
	o.guilty, o.accused = f.Text, nil
	return l.condemn(ctx)
}

// condemn puts the next record into quarantine.
func (l *lane) condemn(ctx context.Context) error {
	o := l.outlet
	b := outbox.Block{Rejects: []outbox.Reject{l.reject(0, o.guilty)}}
	if err := l.write(ctx, &b); err != nil {
		return err
	}
	l.tellRejects(b.Rejects)
	o.feed.Settle(1)
	o.guilty, o.accused, o.handed, o.before = "", nil, 0, max(o.before-1, 0)
	l.count(func(c *lifecycle.Counters) { c.Quarantined++ })
	return nil
}

// hold makes the outlet pause, and shows why, once: a sink may be held for hours, and
// tries again each second. said is what the guest calls the cause. It reports whether
// that is news.
func (l *lane) hold(wait time.Duration, said abi.FaultKind, cause, hint string) (news bool) {
	o := l.outlet
	if wait <= 0 {
		wait = min(firstHold<<min(o.failures, 6), longestHold)
	}
	now := time.Now()
	if o.failures++; o.since.IsZero() {
		o.since = now
	}
	o.until, o.handed, o.waits = now.Add(wait), 0, true
	if o.until.Sub(o.since) < shownHold {
		return false
	}
	kind := fault.ResourceUnavailable
	if said == abi.FaultDenied {
		kind = fault.Denied
	}
	return l.heldBy(kind, "nothing can be delivered: "+cause, cmp.Or(hint, heldHint))
}

// heldHint is what to do when nobody but the guest knows why records are held: its
// peer may have answered.
const heldHint = "Mend what the reason names, if it does not pass: it is tried again by itself, and nothing is lost meanwhile."

// held shows why records are held up. It reports whether that is news.
func (l *lane) held(cause, hint string) (news bool) {
	return l.heldBy(fault.ResourceUnavailable, cause, hint)
}

func (l *lane) heldBy(kind fault.Kind, cause, hint string) (news bool) {
	held := brief(l.env.masked(cause))
	l.mu.Lock()
	news = l.status.State != lifecycle.Degraded || l.status.Reason != held
	l.status.Delivery.Held = held
	l.mu.Unlock()
	if news {
		l.Move(lifecycle.Down, fault.New(kind, "%s", cause).WithHint("%s", hint))
	}
	return news
}

// again counts records that are handed in once more.
func (l *lane) again(records int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Delivery.Retried += uint64(records)
}

// released shows that the outlet works, if it did not: also when a session was
// down then that says by its condition alone that it is up.
func (l *lane) released() {
	l.outlet.tardy = false
	l.mu.Lock()
	held := l.status.Delivery.Held != "" || l.status.State == lifecycle.Degraded
	l.status.Delivery.Held = ""
	l.mu.Unlock()
	if !held {
		return
	}
	if up, _ := l.allUp(); up {
		l.Move(lifecycle.Up, nil)
	}
}

func (l *lane) delivered(records uint64) {
	if records == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Delivery.Delivered += records
	l.status.Delivery.Last = time.Now()
}
