// Package metrics is the group by which a connector counts for whoever watches the
// server. The composition root builds the Group; nobody else imports it.
//
// What a connector counts stays in memory until it is deleted or the server ends,
// whichever of its guests counted; what one counts that is only tried counts when it
// works. A connector has a bounded number of metrics and of series; what is beyond is
// dropped, and that is counted. It reaches nothing outside, so that it needs no grant.
package metrics

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

const name = "metrics"

// The bounds of one connector's metrics.
const (
	maxMetrics = 100
	maxSeries  = 1000
	maxLabels  = 8
	maxBuckets = 32
	maxName    = 100 // bytes
	maxHelp    = 200
	maxValue   = 128
)

// Group is all metrics of all connectors.
type Group struct {
	mu     sync.Mutex
	owners map[string]*owner
}

// owner is one connector.
type owner struct {
	open    int // sessions
	metrics map[string]*metric
	series  int
	dropped uint64
}

// metric is one, with all its series.
type metric struct {
	kind   abi.MetricKind
	help   string
	labels []string // names, in order
	bounds []float64
	series map[string]*spec.Series
}

// New is a group that has counted nothing yet.
func New() *Group { return &Group{owners: map[string]*owner{}} }

// Name is "metrics".
func (*Group) Name() string { return name }

// Contained implements capability.Contained.
func (*Group) Contained() {}

var _ capability.Contained = (*Group)(nil)

// Functions lists the host functions.
func (*Group) Functions() []capability.Function {
	return []capability.Function{{Name: "record", Sentence: "count and measure for whoever watches the server"}}
}

// Target implements capability.Group: there is nothing to open.
func (*Group) Target([]byte) (capability.Target, error) { return capability.Target{}, nil }

// Open implements capability.Group.
func (g *Group) Open(_ context.Context, scope capability.Scope, _ []byte) (capability.Session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.owners[scope.Owner]
	if o == nil {
		o = &owner{metrics: map[string]*metric{}}
		g.owners[scope.Owner] = o
	}
	o.open++
	return &session{group: g, owner: o, tried: scope.Tried}, nil
}

// Series are the metrics of these connectors. What others have counted, none of
// whose guests is there, is forgotten: they were deleted.
func (g *Group) Series(connectors []string) map[string]spec.GuestSeries {
	all := make(map[string]spec.GuestSeries)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range connectors {
		if o := g.owners[id]; o != nil {
			all[id] = o.shown()
		}
	}
	maps.DeleteFunc(g.owners, func(id string, o *owner) bool {
		_, asked := all[id]
		return !asked && o.open == 0
	})
	return all
}

// shown is a copy of an owner's series, by name and labels.
func (o *owner) shown() spec.GuestSeries {
	out := spec.GuestSeries{Dropped: o.dropped}
	for _, name := range slices.Sorted(maps.Keys(o.metrics)) {
		m := o.metrics[name]
		for _, key := range slices.Sorted(maps.Keys(m.series)) {
			s := *m.series[key]
			s.Below = slices.Clone(s.Below)
			out.Series = append(out.Series, s)
		}
	}
	return out
}

// session is one guest's.
type session struct {
	group   *Group
	owner   *owner
	tried   func() bool  // nil: the guest runs
	staged  []abi.Metric // what it counted while it was tried
	request abi.MetricsRecord
	closed  bool
}

// maxStaged bounds what a guest that is tried may count.
const maxStaged = 256

// Call serves record.
func (s *session) Call(_ context.Context, function string, in, out []byte) ([]byte, error) {
	if function != "record" {
		return nil, fault.New(fault.Unsupported, "metrics has no function %q", function)
	}
	if err := s.request.Decode(in); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "metrics.record: the request cannot be read")
	}
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	for i := range s.request.Metrics {
		if err := s.owner.check(&s.request.Metrics[i]); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "metrics.record: metric %d", i)
		}
	}
	if s.tried != nil && s.tried() {
		s.stage()
		return out[:0], nil
	}
	for i := range s.staged {
		s.owner.record(&s.staged[i])
	}
	s.staged = nil
	for i := range s.request.Metrics {
		s.owner.record(&s.request.Metrics[i])
	}
	return out[:0], nil
}

// stage keeps what a guest counts that is tried beside the one that runs, or in its
// place: it counts when that guest runs and counts on, and is gone with it if it never
// does. What is beyond the bound is dropped, and nobody misses it.
func (s *session) stage() {
	for i := range s.request.Metrics {
		if len(s.staged) >= maxStaged {
			return
		}
		s.staged = append(s.staged, cloned(&s.request.Metrics[i]))
	}
}

// cloned is a metric that outlives the call: what was decoded lies in the guest's
// request.
func cloned(m *abi.Metric) abi.Metric {
	c := *m
	c.Name, c.Help = strings.Clone(m.Name), strings.Clone(m.Help)
	c.Labels = slices.Clone(m.Labels)
	for i := range c.Labels {
		c.Labels[i] = abi.Header{Name: strings.Clone(c.Labels[i].Name), Value: slices.Clone(c.Labels[i].Value)}
	}
	return c
}

// Close implements capability.Session.
func (s *session) Close(context.Context) error {
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.owner.open--
	}
	return nil
}

// record makes one change, if there is room for its series.
func (o *owner) record(q *abi.Metric) {
	if o.fits(q) != nil { // another change of the same call has made it something else
		o.dropped++
		return
	}
	m := o.metrics[q.Name]
	if m == nil {
		if len(o.metrics) >= maxMetrics || o.series >= maxSeries {
			o.dropped++
			return
		}
		m = &metric{kind: q.Kind, help: fault.Clip(q.Help, maxHelp), labels: namesOf(q.Labels), series: map[string]*spec.Series{}}
		if q.Kind == abi.MetricHistogram {
			m.bounds = boundsOf(q)
		}
		o.metrics[strings.Clone(q.Name)] = m
	}
	key := keyOf(q.Labels)
	s := m.series[key]
	if s == nil {
		if o.series >= maxSeries {
			o.dropped++
			return
		}
		o.series++
		s = &spec.Series{Name: q.Name, Help: m.help, Kind: kinds()[m.kind], Bounds: m.bounds, Below: make([]uint64, len(m.bounds)), Labels: labelsOf(q.Labels)}
		m.series[key] = s
	}
	switch q.Kind {
	case abi.MetricCounter:
		s.Value += q.Value
	case abi.MetricGauge:
		s.Value = q.Value
	case abi.MetricHistogram:
		s.Value += q.Value
		s.Count++
		for i, bound := range s.Bounds {
			if q.Value <= bound {
				s.Below[i]++
			}
		}
	}
}
