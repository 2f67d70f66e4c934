package engine

import (
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

// account is a tenant as the engine knows it: a name under which instances
// share a budget.
//
// Its share of the processor is kept as one moment: paid is when all that the
// guests have used will have come in. Each guest adds what it used, a slice at
// a time, and waits until that moment less the burst; who comes later adds to
// it and waits longer, so guests of an account take turns and none of them
// needs to be in a queue.
type account struct {
	fuel, cpu, throttled atomic.Uint64 // units, ns, ns

	mu        sync.Mutex
	budget    Budget
	reserved  uint64
	instances int
	closed    bool          // to be forgotten with its last instance
	paid      time.Duration // since the engine was started
	limited   atomic.Bool   // budget.CPU is set; read without mu
}

// SetBudget bounds an account, from now on: an instance that exists keeps its
// memory, and waits for its share of the processor from its next slice on.
func (e *Engine) SetBudget(name string, b Budget) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a := e.accountOf(name)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.budget, a.closed = b, false
	a.limited.Store(b.CPU > 0)
	a.paid = 0 // what was used under another share is forgiven
}

// DropAccount forgets an account when its last instance is gone.
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
		delete(e.accounts, name)
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

// Accounts reads all accounts, by name.
func (e *Engine) Accounts() map[string]Usage {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[string]Usage, len(e.accounts))
	for name, a := range e.accounts {
		all[name] = a.usage()
	}
	return all
}

// accountOf finds or makes an account. The caller holds mu.
func (e *Engine) accountOf(name string) *account {
	a, ok := e.accounts[name]
	if !ok {
		a = &account{}
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
	a.mu.Lock()
	defer a.mu.Unlock()
	if most := a.budget.MemoryBytes; most > 0 && i.memory.limit > most-min(a.reserved, most) {
		return fault.New(fault.TenantMemory, "an instance needs %d MiB, and %d MiB of the tenant's %d MiB are in use by %d others",
			i.memory.limit>>20, a.reserved>>20, most>>20, a.instances)
	}
	a.reserved += i.memory.limit
	a.instances++
	i.account, i.accountName = a, name
	return nil
}

func (e *Engine) settle(i *Instance) {
	if i.account == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	a := i.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reserved -= i.memory.limit
	if a.instances--; a.closed && a.instances == 0 && e.accounts[i.accountName] == a {
		delete(e.accounts, i.accountName)
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

// charge adds what a guest used until now, and answers how long it has to wait
// before it goes on.
func (a *account) charge(now, cpu time.Duration, fuel uint64) time.Duration {
	a.fuel.Add(fuel)
	a.cpu.Add(uint64(cpu))
	if !a.limited.Load() {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.budget.CPU <= 0 {
		return 0
	}
	a.paid = max(a.paid, now) + time.Duration(float64(cpu)/a.budget.CPU)
	if wait := a.paid - cpuBurst - now; wait >= throttleStep {
		return wait
	}
	return 0
}

// owes reports whether a call may have to wait.
func (a *account) owes() bool { return a != nil && a.limited.Load() }

// debt is how long a guest has to wait before it begins.
func (a *account) debt(now time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if wait := a.paid - cpuBurst - now; a.budget.CPU > 0 && wait >= throttleStep {
		return wait
	}
	return 0
}
