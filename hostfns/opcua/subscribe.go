package opcua

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/opcua/wire"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of what one session watches.
const (
	maxSubscriptions = 64
	maxItems         = 100_000

	defaultInterval = 1000.0 // ms
	defaultQueue    = 16
	expires         = 10 * time.Minute // for it to be forgotten when nobody asks
)

// wanted is a subscription as it is to be. It does not change.
type wanted struct {
	name     string
	interval float64
	items    []abi.OPCUAItem
}

// watched is a subscription as it is at the server.
type watched struct {
	name     string
	id       uint32
	want     *wanted              // guarded by link.applying, as are the items
	items    map[uint32]itemState // by the guest's id
	silent   time.Duration        // that is too long
	heard    time.Time            // guarded by link.mu, as is what follows
	sequence uint32               // of the next notice
}

// itemState is an item at the server.
type itemState struct {
	id     uint32
	status uint32
	item   *abi.OPCUAItem
}

func readWanted(q *abi.OPCUASubscribe) (*wanted, error) {
	w := &wanted{name: q.Name, interval: q.IntervalMS, items: q.Items}
	if w.interval == 0 {
		w.interval = defaultInterval
	}
	switch {
	case q.Name == "" || len(q.Name) > 128:
		return nil, fault.New(fault.Invalid, "opcua.subscribe: a subscription has a name of 1 to 128 bytes")
	case !(w.interval > 0 && w.interval <= 3600e3):
		return nil, fault.New(fault.Invalid, "opcua.subscribe: an interval is at most an hour")
	}
	seen := make(map[uint32]bool, len(q.Items))
	for i := range q.Items {
		it := &q.Items[i]
		sampling := 0.0
		if it.SamplingMS != nil {
			sampling = *it.SamplingMS
		}
		switch {
		case seen[it.ID]:
			return nil, fault.New(fault.Invalid, "opcua.subscribe: two items have the id %d", it.ID)
		case it.Deadband > 2 || it.Trigger > 2 || math.IsNaN(it.DeadbandValue) || it.DeadbandValue < 0:
			return nil, fault.New(fault.Invalid, "opcua.subscribe: item %d: a deadband is none, absolute or percent, and not negative; a trigger is 0 to 2", it.ID)
		case !(sampling >= -1 && sampling <= 3600e3):
			return nil, fault.New(fault.Invalid, "opcua.subscribe: item %d: it is sampled at least every hour", it.ID)
		}
		seen[it.ID] = true
		if _, err := wire.ParseNode(it.Node, []string{}); err != nil && len(it.Node) < 4 {
			return nil, fault.Wrap(fault.Invalid, err, "opcua.subscribe: item %d", it.ID)
		}
	}
	return w, nil
}

// changed is a list with a subscription in the place of the one of its name, or
// without it; before is that one. The list itself stays as it is.
func changed(list []*wanted, w *wanted, remove bool) (next []*wanted, before *wanted, err error) {
	items := 0
	for _, o := range list {
		if o.name == w.name {
			before = o
			continue
		}
		next = append(next, o)
		items += len(o.items)
	}
	if remove {
		return next, before, nil
	}
	if len(next) >= maxSubscriptions || items+len(w.items) > maxItems {
		return list, nil, fault.New(fault.Exhausted, "opcua.subscribe: a session has at most %d subscriptions and %d items", maxSubscriptions, maxItems)
	}
	return append(next, w), before, nil
}

// apply makes a subscription so. It answers the status of each item.
func (l *link) apply(ctx context.Context, want *wanted) ([]abi.OPCUAStatus, error) {
	l.applying.Lock()
	defer l.applying.Unlock()
	w := l.find(want.name)
	if w != nil && w.want.interval != want.interval {
		if err := l.remove(ctx, w); err != nil {
			return nil, err
		}
		w = nil
	}
	if w == nil {
		var err error
		if w, err = l.create(ctx, want); err != nil {
			return nil, err
		}
	}
	if err := l.settle(ctx, w, want); err != nil {
		return nil, err
	}
	list := make([]abi.OPCUAStatus, len(want.items))
	for i := range want.items {
		list[i].Code = w.items[want.items[i].ID].status
	}
	return list, nil
}

// forget ends a subscription.
func (l *link) forget(ctx context.Context, name string) error {
	l.applying.Lock()
	defer l.applying.Unlock()
	if w := l.find(name); w != nil {
		return l.remove(ctx, w)
	}
	return nil
}

func (l *link) find(name string) *watched {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.names[name]
}

// create makes a subscription without items.
func (l *link) create(ctx context.Context, want *wanted) (*watched, error) {
	w := &watched{name: want.name, want: &wanted{name: want.name, interval: want.interval}, items: map[uint32]itemState{}, sequence: 1}
	counts := func(interval float64) (keep, life uint32) {
		keep = uint32(max(float64(l.caller.alive.Milliseconds())/interval, 1))
		return keep, max(3*keep, uint32(float64(expires.Milliseconds())/interval))
	}
	var revised float64
	var kept uint32
	err := l.do(ctx, wire.Request{
		Type: id.CreateSubscriptionRequest_Encoding_DefaultBinary, Reply: id.CreateSubscriptionResponse_Encoding_DefaultBinary,
		Write: func(q *wire.Writer) {
			keep, life := counts(want.interval)
			q.Double(want.interval)
			q.U32(life)
			q.U32(keep)
			q.U32(0)
			q.Bool(true)
			q.U8(0)
		},
		Read: func(r *wire.Reader) {
			w.id = r.U32()
			revised = math.Float64frombits(r.U64())
			r.U32()
			kept = r.U32()
		},
	})
	if err != nil {
		return nil, err
	}
	if !(revised > 0) {
		revised = want.interval
	}
	// Twice the longest silence that was agreed on, and some time for the way. A
	// server that agrees to no bound is held to one all the same.
	w.silent = time.Duration(2*revised*float64(max(kept, 1)))*time.Millisecond + l.caller.answer
	if most := 4 * max(l.caller.alive, time.Duration(want.interval)*time.Millisecond); w.silent > most+l.caller.answer {
		w.silent = most + l.caller.answer
	}
	w.heard = time.Now()
	l.mu.Lock()
	l.names[want.name], l.ids[w.id] = w, w
	l.mu.Unlock()
	capability.Signal(l.made)
	return w, nil
}

func (l *link) remove(ctx context.Context, w *watched) error {
	err := l.do(ctx, wire.Request{
		Type: id.DeleteSubscriptionsRequest_Encoding_DefaultBinary, Reply: id.DeleteSubscriptionsResponse_Encoding_DefaultBinary,
		Write: func(q *wire.Writer) {
			q.Count(1)
			q.U32(w.id)
		},
	})
	var status wire.Status
	if err != nil && !errors.As(err, &status) {
		return err
	}
	l.mu.Lock()
	delete(l.names, w.name)
	delete(l.ids, w.id)
	l.mu.Unlock()
	return nil
}

// settle makes the items of a subscription those that are wanted. Those that are
// the same stay.
func (l *link) settle(ctx context.Context, w *watched, want *wanted) error {
	next := make(map[uint32]*abi.OPCUAItem, len(want.items))
	for i := range want.items {
		next[want.items[i].ID] = &want.items[i]
	}
	var gone []uint32
	for key, have := range w.items {
		if it := next[key]; it == nil || !sameItem(it, have.item) || have.status&bad != 0 {
			if have.status&bad == 0 {
				gone = append(gone, have.id)
			}
			delete(w.items, key)
		}
	}
	err := parts(len(gone), l.limits.monitor, func(from, to int) error { return l.unwatch(ctx, w, gone[from:to]) })
	if err != nil {
		return err
	}
	var fresh []*abi.OPCUAItem
	for i := range want.items {
		if _, there := w.items[want.items[i].ID]; !there {
			fresh = append(fresh, &want.items[i])
		}
	}
	err = parts(len(fresh), l.limits.monitor, func(from, to int) error { return l.watch(ctx, w, fresh[from:to]) })
	if err == nil {
		w.want = want
	}
	return err
}

func sameItem(a, b *abi.OPCUAItem) bool {
	x, y := *a, *b
	same := (x.SamplingMS == nil) == (y.SamplingMS == nil) && (x.SamplingMS == nil || *x.SamplingMS == *y.SamplingMS)
	x.SamplingMS, y.SamplingMS = nil, nil
	return same && x == y
}

func (l *link) unwatch(ctx context.Context, w *watched, ids []uint32) error {
	return l.do(ctx, wire.Request{
		Type: id.DeleteMonitoredItemsRequest_Encoding_DefaultBinary, Reply: id.DeleteMonitoredItemsResponse_Encoding_DefaultBinary,
		Write: func(q *wire.Writer) {
			q.U32(w.id)
			q.Count(len(ids))
			for _, id := range ids {
				q.U32(id)
			}
		},
	})
}

// watch makes items at the server. One with a bad status is kept as such.
func (l *link) watch(ctx context.Context, w *watched, items []*abi.OPCUAItem) error {
	var good []*abi.OPCUAItem
	var nodes [][]byte
	for _, it := range items {
		node, err := wire.ParseNode(it.Node, l.namespaces)
		if err != nil {
			w.items[it.ID] = itemState{status: uint32(ua.StatusBadNodeIDInvalid), item: it}
			continue
		}
		good, nodes = append(good, it), append(nodes, node)
	}
	if len(good) == 0 {
		return nil
	}
	states := make([]itemState, 0, len(good))
	err := l.do(ctx, wire.Request{
		Type: id.CreateMonitoredItemsRequest_Encoding_DefaultBinary, Reply: id.CreateMonitoredItemsResponse_Encoding_DefaultBinary,
		Write: func(q *wire.Writer) {
			q.U32(w.id)
			q.U32(uint32(ua.TimestampsToReturnBoth))
			q.Count(len(good))
			for i, it := range good {
				writeItem(q, it, nodes[i])
			}
		},
		Read: func(r *wire.Reader) {
			for range r.Count(20) {
				s := itemState{status: r.U32(), id: r.U32()}
				r.U64()
				r.U32()
				r.SkipExtension()
				states = append(states, s)
			}
		},
	})
	if err == nil && len(states) != len(good) {
		err = errCount
	}
	if err != nil {
		return err
	}
	for i, s := range states {
		s.item = good[i]
		w.items[good[i].ID] = s
	}
	return nil
}

func writeItem(q *wire.Writer, it *abi.OPCUAItem, node []byte) {
	q.Raw(node)
	q.U32(attribute(it.Attribute))
	q.Text(it.Range)
	q.Name()
	q.U32(uint32(ua.MonitoringModeReporting))
	q.U32(it.ID)
	sampling := -1.0
	if it.SamplingMS != nil {
		sampling = *it.SamplingMS
	}
	q.Double(sampling)
	if it.Deadband == 0 && it.Trigger == 0 {
		q.Null()
		q.U8(0)
	} else {
		var f wire.Writer
		f.U32([]uint32{1, 0, 2}[it.Trigger]) // of the standard: status, status and value, these and the time
		f.U32(it.Deadband)
		f.Double(it.DeadbandValue)
		q.Raw(encodingID(id.DataChangeFilter_Encoding_DefaultBinary))
		q.U8(1)
		q.Bytes(f.Done())
	}
	queue := it.Queue
	if queue == 0 {
		queue = defaultQueue
	}
	q.U32(queue)
	q.Bool(!it.DiscardNewest)
}

// failed are the items that the server refused, as values that say so.
func (l *link) failed(name string) []abi.OPCUAValue {
	l.applying.Lock()
	defer l.applying.Unlock()
	w := l.find(name)
	if w == nil {
		return nil
	}
	var list []abi.OPCUAValue
	for key, it := range w.items {
		if it.status&bad != 0 {
			list = append(list, abi.OPCUAValue{Item: key, Status: it.status})
		}
	}
	return list
}
