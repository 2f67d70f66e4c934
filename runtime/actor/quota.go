package actor

import (
	"strconv"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// quota holds the guests of one connector, or the instances of one converter,
// to their limits, and knows how much of each is used and how often it was
// reached. The guest that runs and a candidate beside it share it. It is safe
// for use by several goroutines, and none of what it does for a host call
// allocates.
type quota struct {
	started time.Time // the zero of its buckets

	mu    sync.Mutex
	rows  []*allowance // in the order of spec.LimitTable
	named map[string]*allowance
	held  bool   // to somebody's limits, rather than to the defaults
	lost  uint64 // lines of the guest that were refused since the last one that passed

	looked, burnt time.Duration // when the use of the processor was looked at, and what it was

	// What every host call draws on.
	calls, bytes, lines *allowance
}

// allowance is one limit with its use. Its fields belong to the quota's mu.
type allowance struct {
	spec.Limit

	amount     float64
	hits       uint64
	used, peak float64
	bucket     bucket // of a rate
	refused    *fault.Fault
}

func newQuota() *quota {
	q := &quota{started: time.Now(), named: map[string]*allowance{}}
	for _, d := range spec.LimitTable() {
		a := &allowance{Limit: d}
		q.rows, q.named[d.Name] = append(q.rows, a), a
	}
	q.calls, q.bytes, q.lines = q.named[spec.LimitHostCalls], q.named[spec.LimitHostBytes], q.named[spec.LimitLogLines]
	q.set(spec.Limits{})
	return q
}

// hold makes these the limits from now on. What was used and how often limits
// were reached is kept.
func (q *quota) hold(l spec.Limits) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = true
	q.set(l)
}

// holdFirst is hold, unless somebody's limits are held already; it reports
// whether they are not.
func (q *quota) holdFirst(l spec.Limits) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.held {
		q.set(l)
	}
	return !q.held
}

func (q *quota) set(l spec.Limits) {
	l = l.Under(spec.Ceiling{})
	for _, a := range q.rows {
		a.amount = a.Of(&l)
		if a.Burst > 0 {
			a.bucket.at(a.amount, time.Duration(a.Burst*float64(time.Second)))
		}
		a.refused = a.refusal()
	}
}

// refusal is what the guest is answered beyond the limit. It is made ahead, so
// that a refused call allocates nothing.
func (a *allowance) refusal() *fault.Fault {
	text := a.Sentence + ": more than the connector's " + a.Name + " of " + strconv.FormatFloat(a.amount, 'f', -1, 64) + " " + string(a.Unit)
	f := fault.New(limitKind(a.Name), "%s", text)
	if a.Burst > 0 {
		f.RetryAfter = max(time.Duration(float64(time.Second)/a.amount), minRetryAfter)
	}
	return f
}

// minRetryAfter is the shortest wait that a refusal advises.
const minRetryAfter = 10 * time.Millisecond

// limitKind is the fault of a limit that has been reached.
func limitKind(name string) fault.Kind {
	switch name {
	case spec.LimitMemory:
		return fault.GuestMemory
	case spec.LimitTableEntries:
		return fault.GuestTable
	case spec.LimitStack:
		return fault.GuestStack
	case spec.LimitCall, spec.LimitOpen:
		return fault.GuestDeadline
	case spec.LimitOutputBytes, spec.LimitOutputRecords:
		return fault.GuestOutput
	case spec.LimitHostCalls:
		return fault.HostCallLimit
	case spec.LimitHostBytes:
		return fault.HostBytesLimit
	case spec.LimitLogLines:
		return fault.LogLimit
	case spec.LimitKVBytes:
		return fault.KVLimit
	case spec.LimitKVCalls:
		return fault.KVRateLimit
	case spec.LimitHTTP:
		return fault.HTTPLimit
	}
	return fault.TenantCPU
}

// now is the time as the buckets know it.
func (q *quota) now() time.Duration { return time.Since(q.started) }

// call asks for one host call with a request of so many bytes, which draws on
// one limit more, if there is one. An error says which limit is reached.
func (q *quota) call(draws *allowance, request int) error {
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.calls.take(now, 1); err != nil {
		return err
	}
	if err := q.bytes.take(now, float64(request)); err != nil {
		return err
	}
	if draws == nil {
		return nil
	}
	if draws.Burst == 0 {
		return draws.begin()
	}
	err := draws.take(now, 1)
	if err != nil && draws == q.lines {
		q.lost++
	}
	return err
}

// begin counts a call under way, with the fault of the limit when there are as
// many as may be. The error is nil, and not a nil fault, when it passes.
func (a *allowance) begin() error {
	if a.used+1 > a.amount {
		a.hits++
		return a.refused
	}
	a.use(a.used + 1)
	return nil
}

// ended notes the end of a call that was let through, for a limit on calls under
// way.
func (q *quota) ended(draws *allowance) {
	if draws == nil || draws.Burst > 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	draws.used--
}

// take is the bucket's, with the fault of the limit. The error is nil, and not
// a nil fault, when it passes.
func (a *allowance) take(now time.Duration, n float64) error {
	if a.bucket.take(now, n) {
		return nil
	}
	a.hits++
	return a.refused
}

// replied counts the bytes of a reply, which nobody knows before the call.
func (q *quota) replied(n int) {
	if n == 0 {
		return
	}
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes.bucket.owe(now, float64(n))
}

// line asks for a line of stdout or stderr.
func (q *quota) line() bool {
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lines.take(now, 1) != nil {
		q.lost++
		return false
	}
	return true
}

// lostLines is how many lines were refused since it was asked last.
func (q *quota) lostLines() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.lost
	q.lost = 0
	return n
}

// called notes how long a call took and how much it answered. run is not a
// call that is to end soon.
func (q *quota) called(entry string, took time.Duration, answered int) {
	if entry == abi.EntryRun {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.named[timeLimit(entry)].use(took.Seconds())
	q.named[spec.LimitOutputBytes].use(float64(answered))
}

// spent notes how much time of the processor was used in all, from which
// status shows the present use.
func (q *quota) spent(cpu time.Duration) {
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	if past := now - q.looked; past >= time.Second {
		q.named[spec.LimitCPU].use((cpu - q.burnt).Seconds() / past.Seconds())
		q.looked, q.burnt = now, cpu
	}
}

// reached counts a limit that somebody else has found reached, and answers its
// fault.
func (q *quota) reached(name string) *fault.Fault {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.named[name]
	a.hits++
	return a.refused
}

// outcome notes how many records an outcome has, and refuses too many.
func (q *quota) outcome(records int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.named[spec.LimitOutputRecords]
	if a.use(float64(records)); a.used <= a.amount {
		return nil
	}
	a.hits++
	return a.refused
}

// most is the amount of a limit.
func (q *quota) most(name string) float64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.named[name].amount
}

// use notes the use of a limit.
func (q *quota) use(name string, v float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.named[name].use(v)
}

func (a *allowance) use(v float64) { a.used, a.peak = v, max(a.peak, v) }

// status lists all limits with their use.
func (q *quota) status() []lifecycle.Limit {
	now := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	list := make([]lifecycle.Limit, 0, len(q.rows))
	for _, a := range q.rows {
		if a.Burst > 0 {
			a.used = a.bucket.rate(now)
		}
		list = append(list, lifecycle.Limit{
			Name: a.Name, Unit: a.Unit, Limit: a.amount, Used: a.used, Peak: a.peak, Hits: a.hits,
		})
	}
	return list
}
