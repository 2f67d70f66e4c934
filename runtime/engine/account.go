package engine

import (
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Budget bounds what the instances of one account use together. The zero value
// bounds nothing.
type Budget struct {
	// MemoryBytes bounds the sum of the instances' memory limits; 0: unbounded.
	MemoryBytes uint64
	// CPU is how many cores the guests may keep busy, in the long run: 0.5 is
	// half of one; 0: unbounded.
	CPU float64
	// Within names the account that this one is a part of, which is charged
	// with it and whose budget counts as well: a connector's within its
	// tenant's. Empty: none. An account keeps the one that it had first, and a
	// part has no parts.
	Within string
}

// Usage is what the instances of an account have used and use.
type Usage struct {
	Instances   int
	MemoryBytes uint64        // reserved: the sum of the instances' limits
	Fuel        uint64        // units
	CPU         time.Duration // that guests ran
	Throttled   time.Duration // that guests waited for the account's share of the processor
	Budget      Budget
}

// cpuBurst is how much of its share an account can save up, as the time in
// which it comes in: guests that were idle may run at full speed for so long.
const cpuBurst = 100 * time.Millisecond

// throttleStep is the shortest wait that is worth a timer. A smaller debt is
// carried on to the next slice.
const throttleStep = time.Millisecond

// debtKept is the longest that a debt is remembered of an account that is
// forgotten, and so the most of it: whoever ends a guest and begins anew does
// not begin with a clean slate.
const debtKept = time.Minute

// debt is what a forgotten account still owed: until when, at which share.
type debt struct {
	paid  time.Duration // since the engine was started
	share float64
}

// account is a tenant as the engine knows it: a name under which instances
// share a budget.
//
// Its share of the processor is kept as one moment: paid is when all that the
// guests have used will have come in. Each guest adds what it used, a slice at
// a time, and goes on when that moment, less the burst, has come; who comes
// later adds to it and waits longer, so guests of an account take turns and
// nobody keeps a queue.
type account struct {
	fuel           atomic.Uint64 // units
	cpu, throttled atomic.Int64  // ns

	within *account // set before its first instance; nil: none

	mu        sync.Mutex
	budget    Budget
	reserved  uint64
	instances int
	closed    bool          // to be forgotten with its last instance
	paid      time.Duration // since the engine was started
	limited   atomic.Bool   // budget.CPU is set; read without mu
}

// SetBudget bounds an account, from now on: an instance that exists keeps its
// memory, and waits for its share of the processor from its next slice on. What
// was used beyond a share before is still to come in, under the new one.
func (e *Engine) SetBudget(name string, b Budget) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.accountOf(name)
	if a.within == nil && b.Within != "" {
		if whole := e.accountOf(b.Within); whole != a && whole.within == nil { // no circles
			a.within = whole
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paid = a.owed(e.now(), b.CPU)
	a.budget, a.closed = b, false
	a.limited.Store(b.CPU > 0)
}

// owed is when all that was used will have come in under another share: what is
// owed stays, so that nobody has it forgiven by beginning anew. Without a share
// nothing is owed. The caller holds mu.
func (a *account) owed(now time.Duration, share float64) time.Duration {
	if a.budget.CPU <= 0 || share <= 0 || a.paid <= now {
		return min(a.paid, now)
	}
	wait := float64(a.paid-now) * (a.budget.CPU / share)
	return now + time.Duration(min(wait, math.MaxInt64/4))
}

// DropAccount forgets an account when its last instance is gone. What it owes of
// its share is remembered for a minute at most, and is owed by the next account
// of this name.
func (e *Engine) DropAccount(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a, ok := e.accounts[name]
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed = true; a.instances == 0 {
		e.dropped(name, a)
	}
}

// dropped forgets an account, but for what it owes. The caller holds mu and
// the account's.
func (e *Engine) dropped(name string, a *account) {
	delete(e.accounts, name)
	now := e.now()
	maps.DeleteFunc(e.debts, func(_ string, d debt) bool { return d.paid <= now })
	if a.budget.CPU > 0 && a.paid > now {
		e.debts[name] = debt{min(a.paid, now+debtKept), a.budget.CPU}
	}
}

// Usage reads an account; one that is not known has used nothing.
func (e *Engine) Usage(name string) Usage {
	e.mu.Lock()
	a := e.accounts[name]
	e.mu.Unlock()
	if a == nil {
		return Usage{}
	}
	return a.usage()
}

// accountOf finds or makes an account. The caller holds mu.
func (e *Engine) accountOf(name string) *account {
	a, ok := e.accounts[name]
	if !ok {
		owes := e.debts[name] // the zero debt is none
		a = &account{paid: owes.paid, budget: Budget{CPU: owes.share}}
		delete(e.debts, name)
		e.accounts[name] = a
	}
	return a
}

// reserve charges an instance's memory limit to its account; settle gives it
// back.
func (e *Engine) reserve(i *Instance, name string) error {
	if name == "" {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.accountOf(name)
	for at := a; at != nil; at = at.within {
		if err := at.room(i.memory.limit); err != nil {
			return err
		}
	}
	for at := a; at != nil; at = at.within {
		at.hold(i.memory.limit)
	}
	i.account = a
	i.fuel.due = a.charge(e.now(), 0, 0) // a fresh guest stands in line as well
	return nil
}

// room refuses what the budget has no memory for. Only the engine's mu keeps
// the answer true.
func (a *account) room(limit uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if most := a.budget.MemoryBytes; most > 0 && limit > most-min(a.reserved, most) {
		return fault.New(fault.TenantMemory, "an instance needs %d MiB, and %d MiB of the tenant's %d MiB are in use by %d others",
			limit>>20, a.reserved>>20, most>>20, a.instances)
	}
	return nil
}

// hold counts an instance with its memory.
func (a *account) hold(memory uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reserved += memory
	a.instances++
}

// letGo ends hold, and reports whether the account is to be forgotten.
func (a *account) letGo(memory uint64) (over bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reserved -= memory
	a.instances--
	return a.closed && a.instances == 0
}

func (e *Engine) settle(i *Instance) {
	if i.account == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for at := i.account; at != nil; at = at.within {
		if at.letGo(i.memory.limit) {
			e.droppedLast(at)
		}
	}
}

// droppedLast is dropped for an account of which only the name is not known.
func (e *Engine) droppedLast(a *account) {
	for name, other := range e.accounts {
		if other == a {
			a.mu.Lock()
			defer a.mu.Unlock()
			e.dropped(name, a)
			return
		}
	}
}

func (a *account) usage() Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Usage{
		Instances: a.instances, MemoryBytes: a.reserved, Budget: a.budget,
		Fuel: a.fuel.Load(), CPU: time.Duration(a.cpu.Load()), Throttled: time.Duration(a.throttled.Load()),
	}
}

// charge adds what a guest used until now, and answers when it may go on.
func (a *account) charge(now, cpu time.Duration, fuel uint64) (due time.Duration) {
	for ; a != nil; a = a.within {
		a.fuel.Add(fuel)
		a.cpu.Add(int64(cpu))
		if a.limited.Load() {
			due = max(due, a.pay(now, cpu))
		}
	}
	return due
}

// pay adds to what the share has to come in for, and answers when it has.
func (a *account) pay(now, cpu time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.budget.CPU <= 0 {
		return 0
	}
	a.paid = max(a.paid, now) + time.Duration(float64(cpu)/a.budget.CPU)
	return a.paid - cpuBurst
}

// turn is when all that was used will have come in.
func (a *account) turn() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.budget.CPU <= 0 {
		return 0
	}
	return a.paid - cpuBurst
}

// waited counts a wait for the share.
func (a *account) waited(d time.Duration) {
	for ; a != nil; a = a.within {
		a.throttled.Add(int64(d))
	}
}

// owes reports whether a call may have to wait.
func (a *account) owes() bool {
	for ; a != nil; a = a.within {
		if a.limited.Load() {
			return true
		}
	}
	return false
}

// debt is how long a guest whose turn comes at due has to wait from now on.
func (a *account) debt(now, due time.Duration) (wait time.Duration) {
	for ; a != nil; a = a.within {
		if a.limited.Load() {
			wait = max(wait, min(due, a.turn())-now)
		}
	}
	if wait < throttleStep {
		return 0
	}
	return wait
}
