package actor

import (
	"context"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// parcel are the records of a delivery that the guest has put under way and does not
// wait for. They are settled when all of it has ended well, in their order and behind
// those of the parcels before it; when it has not, they are handed in again, with all
// that are behind them. The guest waits for the first of those, until a delivery is
// settled: then what held them up is over, and the others go under way once more.
type parcel struct {
	records int
	pending []capability.Pending
	since   time.Time // when it was put under way
}

// maxParcels bounds what is under way: enough that a sink never waits for the guest,
// and little enough that not much comes again after a crash.
const maxParcels = 3

// What is slow is no failure: asking for it again would not make it faster. Yet
// somebody has to hear of it, and what does not end at all has to be asked about.
const (
	// patience is how long the lane waits for what is under way when it cannot go on
	// without.
	patience = 2 * time.Second
	// tardiness is how long none of it may end before that is shown.
	tardiness = 3 * time.Second
	// longestWait is how long none of it may end before it is handed in again, for the
	// guest to wait and to say why.
	longestWait = 10 * time.Second
)

// alone reports whether the guest is to wait: nothing may be under way beside records
// that failed, or of which one is sought that cannot be handled.
func (o *outlet) alone() bool {
	return o.waits || o.guilty != "" || o.most < o.settings.Most()
}

// full reports whether the next delivery has to wait for what is under way.
func (o *outlet) full() bool {
	n := len(o.parcels)
	return n >= maxParcels || n > 0 && o.alone()
}

// landing is closed when some of the oldest parcel has ended; nil: nothing is under
// way.
func (o *outlet) landing() <-chan struct{} {
	if o == nil || len(o.parcels) == 0 {
		return nil
	}
	p := o.parcels[0].pending
	for _, w := range p {
		select {
		case <-w.Done():
		default:
			return w.Done()
		}
	}
	return p[0].Done()
}

// late is when the oldest parcel has taken too long: sooner when others cannot be
// handed in before it has ended.
func (o *outlet) late() time.Time {
	if o.alone() {
		return o.eldest.Add(patience)
	}
	return o.eldest.Add(longestWait)
}

// attention is when there is something to do about the oldest parcel though it does
// not end.
func (o *outlet) attention() time.Time {
	late, shown := o.late(), o.eldest.Add(tardiness)
	if !o.tardy && shown.Before(late) {
		return shown
	}
	return late
}

func (p *parcel) ended() bool {
	for _, w := range p.pending {
		select {
		case <-w.Done():
		default:
			return false
		}
	}
	return true
}

func (p *parcel) well() bool {
	for _, w := range p.pending {
		if !w.Well() {
			return false
		}
	}
	return true
}

func (p *parcel) drop(again bool) {
	for _, w := range p.pending {
		w.Drop(again)
	}
}

// consign takes the guest's tickets for the records that it was handed, and lets it go
// on with those that come next.
func (l *lane) consign() error {
	o, v := l.outlet, &l.view
	if o.alone() {
		return fault.New(fault.Guest, "the module does not wait for records although it was told to")
	}
	if v.Batch != nil || v.Cursor != nil || l.guest.stage.holds() ||
		len(v.Verdicts)+len(v.Replies)+len(v.Jobs)+len(v.Timers)+len(v.Devices) > 0 {
		return fault.New(fault.Guest, "the module asks for more beside tickets for what it has delivered").
			WithHint("Wait for the records, or ask for it in another step.")
	}
	p := parcel{records: o.handed, since: time.Now()}
	for _, t := range v.Tickets {
		w := l.guest.pending(t.Handle, t.Number)
		if w == nil {
			p.drop(true)
			o.waits = true
			return nil
		}
		p.pending = append(p.pending, w)
	}
	if o.parcels = append(o.parcels, p); len(o.parcels) == 1 {
		o.eldest = p.since
	}
	o.before -= p.records
	o.feed.Keep()
	l.guest.watchMemory()
	return nil
}

// collect settles the parcels that have ended, up to one that has to come again, also
// because it takes too long.
func (l *lane) collect() (worked bool) {
	o := l.outlet
	for o != nil && len(o.parcels) > 0 && o.parcels[0].ended() {
		worked = true
		p := o.parcels[0]
		if !p.well() {
			l.recall()
			break
		}
		p.drop(false)
		now := time.Now()
		o.parcels, o.eldest = slices.Delete(o.parcels, 0, 1), now
		o.feed.Settle(p.records)
		o.failures, o.since = 0, time.Time{}
		l.delivered(uint64(p.records))
		if !o.tardy || len(o.parcels) == 0 || now.Sub(p.since) < tardiness {
			l.released()
		}
	}
	if o == nil || len(o.parcels) == 0 {
		return worked
	}
	switch now := time.Now(); {
	case !now.Before(o.late()):
		l.recall()
		return true
	case !o.tardy && !now.Before(o.eldest.Add(tardiness)):
		l.showTardy()
	}
	return worked
}

// showTardy says that what is under way takes long, until some of it does not, or
// nothing is left of it: a sink that is always slow is not to change its state with
// each parcel.
func (l *lane) showTardy() {
	l.outlet.tardy = true
	l.held("deliveries are slow: what is sent takes more than "+tardiness.String()+" to be confirmed",
		"Look at the other end, and at the network between. Nothing is lost: what is not confirmed within "+
			longestWait.String()+" is handed to the module again.")
}

// catchUp waits until nothing is under way. false: some of it had to come again, or is
// under way still.
func (l *lane) catchUp(ctx context.Context, most time.Duration) bool {
	o := l.outlet
	if o == nil || len(o.parcels) == 0 {
		return true
	}
	t := time.NewTimer(most)
	defer t.Stop()
	for recalls := o.recalls; len(o.parcels) > 0; {
		select {
		case <-o.landing():
			l.collect()
		case <-t.C:
			return false
		case <-ctx.Done():
			return false
		}
		if o.recalls != recalls {
			return false
		}
	}
	return true
}

// recall has all that is under way handed in again: the guest hears of each record
// then what became of it.
func (l *lane) recall() {
	o := l.outlet
	if o == nil || len(o.parcels) == 0 {
		return
	}
	for i := range o.parcels {
		o.parcels[i].drop(true)
		o.before += o.parcels[i].records
	}
	o.recalls++
	o.parcels, o.waits, o.due = nil, true, time.Now()
	o.feed.Back()
}
