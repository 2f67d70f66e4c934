package supervisor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// shownLanes bounds the lanes that a connector's status tells of one by one.
const shownLanes = 16

// failedStatus makes a status say why there is no actor.
func failedStatus(s *lifecycle.Status, err error) {
	f := fault.Of(err)
	s.State, s.Reason, s.Code, s.Try, s.Since = lifecycle.Failed, f.Text, f.Kind.String(), f.Advice(), time.Now()
}

// status is what is known of the connector: of its one lane, or of all lanes
// together.
func (r *runner) status() lifecycle.Status {
	if is := r.remoteNow(); is != nil {
		return r.masked(is.statusNow())
	}
	r.mu.Lock()
	last, kind, over := r.last, r.layout.kind, r.layout.over
	lanes := make(map[string]*lane, len(r.lanes))
	maps.Copy(lanes, r.lanes)
	r.mu.Unlock()
	if one, ok := lanes[""]; ok && len(lanes) == 1 && (kind == laneConnector || kind == "") {
		return r.masked(one.status())
	}
	if len(lanes) == 0 {
		return r.masked(last)
	}
	all := make([]lifecycle.Lane, 0, len(lanes))
	var sum lifecycle.Status
	for name, l := range lanes {
		s := r.masked(l.status())
		all = append(all, lifecycle.Lane{Name: name, Status: s})
		add(&sum, &s)
	}
	slices.SortFunc(all, func(a, b lifecycle.Lane) int { return cmp.Compare(a.Name, b.Name) })
	judge(&sum, all, over)
	return sum
}

// Lanes lists the lanes of a connector in the order of their names, behind
// after, no more than limit; more says whether there are others behind them. A
// connector that does not run has none.
func (t *Tenant) Lanes(id, after string, limit int) (list []lifecycle.Lane, more bool) {
	t.mu.Lock()
	r, ok := t.runners[id]
	t.mu.Unlock()
	if !ok {
		return nil, false
	}
	r.mu.Lock()
	lanes := make(map[string]*lane, len(r.lanes))
	maps.Copy(lanes, r.lanes)
	r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(lanes)) {
		if name <= after && after != "" {
			continue
		}
		if len(list) == limit {
			return list, true
		}
		list = append(list, lifecycle.Lane{Name: name, Status: t.masked(lanes[name].status())})
	}
	return list, false
}

// add counts a lane into the status of its connector.
func add(sum, s *lifecycle.Status) {
	sum.Generation, sum.Epoch = max(sum.Generation, s.Generation), max(sum.Epoch, s.Epoch)
	sum.Restarts, sum.Swaps = sum.Restarts+s.Restarts, sum.Swaps+s.Swaps
	sum.MemoryBytes += s.MemoryBytes
	sum.Sessions = append(sum.Sessions, s.Sessions[:min(len(s.Sessions), max(0, shownLanes-len(sum.Sessions)))]...)
	if sum.Revision == 0 || s.Revision < sum.Revision { // as far as all of them are
		sum.Revision, sum.Module = s.Revision, s.Module
	}
	sum.Counters.Add(&s.Counters)
	if s.LastRefused != nil && (sum.LastRefused == nil || s.LastRefused.At.After(sum.LastRefused.At)) {
		sum.LastRefused = s.LastRefused
	}
	for i := range s.Limits {
		if len(sum.Limits) == 0 {
			sum.Limits = slices.Clone(s.Limits)
		}
		if i < len(sum.Limits) && sum.Limits[i].Name == s.Limits[i].Name {
			sum.Limits[i].Used = max(sum.Limits[i].Used, s.Limits[i].Used)
			sum.Limits[i].Peak = max(sum.Limits[i].Peak, s.Limits[i].Peak)
		}
	}
	if len(s.ConverterLimits) > 0 {
		sum.ConverterLimits = s.ConverterLimits
	}
}

// badness orders states by how much they need somebody's attention.
func badness(s lifecycle.State) int {
	return slices.Index([]lifecycle.State{
		lifecycle.Running, lifecycle.Updating, lifecycle.Draft, lifecycle.Stopped, lifecycle.Stopping,
		lifecycle.Starting, lifecycle.Paused, lifecycle.Degraded, lifecycle.BackingOff,
		lifecycle.CrashLoop, lifecycle.Failed,
	}, s)
}

// tally counts the states of a connector's lanes.
type tally struct {
	states map[lifecycle.State]int
	total  int
	worst  lifecycle.State
	first  bool // one of them opens for the first time
}

func (t *tally) add(s *lifecycle.Status) {
	if t.states == nil {
		t.states = map[lifecycle.State]int{}
	}
	t.states[s.State]++
	t.first = t.first || s.State == lifecycle.Starting && s.Generation == 0 && s.Restarts == 0
	if t.total++; t.total == 1 || badness(s.State) > badness(t.worst) {
		t.worst = s.State
	}
}

func (t *tally) working() int { return t.states[lifecycle.Running] + t.states[lifecycle.Updating] }

// state makes one state of those of all lanes: theirs where they agree, and
// degraded where some work and others do not, or where devices are over. A
// connector one of whose lanes opens for the first time is starting.
func (t *tally) state(over int) lifecycle.State {
	working := t.working()
	switch {
	case over > 0:
		return lifecycle.Degraded
	case t.first:
		return lifecycle.Starting
	case working == 0 || len(t.states) == 1 || working == t.total:
		return t.worst
	}
	return lifecycle.Degraded
}

// state is the connector's state alone, as status has it.
func (r *runner) state() lifecycle.State {
	if is := r.remoteNow(); is != nil {
		return is.statusNow().State
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lanes) == 0 {
		return r.last.State
	}
	var all tally
	for _, l := range r.lanes {
		s := l.last
		if l.actor != nil {
			s = l.actor.Brief()
		}
		all.add(&s)
	}
	return all.state(r.layout.over)
}

// judge says of all lanes together how they are.
func judge(sum *lifecycle.Status, all []lifecycle.Lane, over int) {
	worst := &all[0]
	var count tally
	for i := range all {
		s := &all[i].Status
		count.add(s)
		if badness(s.State) > badness(worst.Status.State) {
			worst = &all[i]
		}
		if s.Since.After(sum.Since) {
			sum.Since = s.Since
		}
	}
	lanes, working := &lifecycle.Lanes{Total: len(all), States: count.states}, count.working()
	sum.State = count.state(0)
	if bad := len(all) - working; bad > 0 && sum.State != lifecycle.Starting {
		sum.Reason = fmt.Sprintf("%d of %d lanes do not run; lane %q is %s", bad, len(all), worst.Name, worst.Status.State)
		if worst.Status.Reason != "" {
			sum.Reason += ": " + worst.Status.Reason
		}
		sum.Code, sum.Try = worst.Status.Code, worst.Status.Try
	} else if worst.Status.Reason != "" {
		sum.Reason, sum.Code = fmt.Sprintf("lane %q: %s", worst.Name, worst.Status.Reason), worst.Status.Code
		sum.Try = worst.Status.Try
	}
	if over > 0 {
		sum.State, sum.Code, sum.Try = lifecycle.Degraded, fault.Exhausted.String(), ""
		sum.Reason = fmt.Sprintf("%d devices are not served: a connector has at most %d lanes", over, maxLanes)
	}
	slices.SortStableFunc(all, func(a, b lifecycle.Lane) int { return badness(b.Status.State) - badness(a.Status.State) })
	for i := range all[:min(len(all), shownLanes)] {
		s := &all[i].Status
		lanes.Worst = append(lanes.Worst, lifecycle.LaneState{
			Name: all[i].Name, State: s.State, Reason: s.Reason, Code: s.Code, Since: s.Since, Restarts: s.Restarts,
		})
	}
	sum.Lanes = lanes
}

// rest is the status of a connector that has nothing to serve yet. The lock is
// held.
func (r *runner) rest(revision uint64, module string) {
	if r.last.State != lifecycle.Running {
		r.last.Since = time.Now()
	}
	r.last.State, r.last.Code, r.last.Try = lifecycle.Running, "", ""
	r.last.Reason = "the connector has no connected device, so nothing runs: add one"
	r.last.Revision, r.last.Module, r.last.Lanes = revision, module, &lifecycle.Lanes{}
}
