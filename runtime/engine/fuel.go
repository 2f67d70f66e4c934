package engine

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// Slice is the fuel that a guest is given at a time, in units: what wasmbin's
// Meter charges for an instruction, more or less. It lasts for some 20 to 70
// microseconds; then the guest yields.
const Slice = 50_000

// What a slice lasts when the guest's memory is slow: reads that miss every
// cache take two hundred times as long as arithmetic, so slices are cut to the
// time that they take, down to leastSlice.
const (
	slowSlice  = 200 * time.Microsecond
	leastSlice = 500
)

// What a host call costs, in units.
const (
	hostCallUnits = 1_000
	bytesPerUnit  = 16
)

// hostWork is how much of a host call's time counts as the guest's use of the
// processor. What goes beyond it was spent waiting.
const hostWork = 50 * time.Microsecond

// How long a guest computes before it lets others run: short when the guests
// that compute leave no processor free, so that everybody waits for them. With
// one free the others have that, and handing over would only move the guest
// between the two: it made batches of a Go guest three times slower.
const (
	crowdedTurn = 25 * time.Microsecond
	aloneTurn   = time.Millisecond
)

// partOfOthers bounds how much longer than a guest's turn the others' may be:
// Go code of the host that computes has turns of ten milliseconds.
const partOfOthers = 12

// errShare ends a call that would have to wait for its account's share of the
// processor until after its deadline.
var errShare = errors.New("the share of the processor is used up")

// fuel is what one instance may spend and has spent. All but the totals belong
// to the goroutine that is in the instance.
type fuel struct {
	left, stack, table api.MutableGlobal // the guest's own counters

	given     int64         // units at the last refill
	slice     int64         // units of the next
	charged   int64         // units of host calls since the last pause
	resumed   time.Duration // when the guest went on, since the engine was started
	shared    time.Duration // when others could run for the last time
	away      time.Duration // how long the others then ran
	computing bool          // it is counted among those that compute
	deadline  time.Duration
	due       time.Duration // when the account lets the guest go on
	throttled time.Duration // of this call
	timer     *time.Timer
}

// find looks up the counters that wasmbin's Meter put into the guest.
func (f *fuel) find(m api.Module) bool {
	var ok [3]bool
	f.left, ok[0] = m.ExportedGlobal(wasmbin.MeterFuel).(api.MutableGlobal)
	f.stack, ok[1] = m.ExportedGlobal(wasmbin.MeterStack).(api.MutableGlobal)
	f.table, ok[2] = m.ExportedGlobal(wasmbin.MeterTable).(api.MutableGlobal)
	return ok[0] && ok[1] && ok[2]
}

// arm hands out the first slice of a call.
func (f *fuel) arm(now, deadline time.Duration) {
	f.resumed, f.deadline = now, deadline
	f.charged, f.throttled = 0, 0
	if f.slice == 0 {
		f.slice = Slice
	}
	f.given = f.slice
	if f.left != nil { // nil: not instantiated yet
		f.left.Set(uint64(f.slice))
	}
}

// cut sizes the next slice by how long so many units took.
func (f *fuel) cut(units uint64, took time.Duration) {
	if took <= slowSlice {
		f.slice = min(f.slice*2, Slice)
		return
	}
	f.slice = int64(float64(min(units, Slice)) * float64(slowSlice) / float64(took))
	f.slice = min(max(f.slice, leastSlice), Slice)
}

// spent is how many units were used since the last look.
func (f *fuel) spent(left int64) uint64 {
	units := f.given - left + f.charged
	f.given, f.charged = left, 0
	return uint64(max(units, 0))
}

// invoke calls a function of the guest with the whole of its stack.
func (i *Instance) invoke(fn api.Function, stack []uint64) error {
	i.fuel.stack.Set(uint64(i.stackLimit))
	return fn.CallWithStack(&i.inside, stack)
}

// buildMeter makes the module that guests yield to.
func buildMeter(ctx context.Context, r wazero.Runtime) (api.Module, error) {
	b := r.NewHostModuleBuilder(wasmbin.MeterModule)
	b.NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(yield), valueTypes("I"), valueTypes("I")).
		Export(wasmbin.MeterYield)
	return instantiateHost(ctx, r, b)
}

// yield (fuel that is left) -> fuel to go on with: the guest has used up its
// slice, and may be overdrawn.
func yield(ctx context.Context, _ api.Module, stack []uint64) {
	i := caller(ctx)
	f := &i.fuel
	units, began := f.spent(int64(stack[0])), f.resumed //nolint:gosec // an i64 of the guest
	f.cut(units, i.pause(units)-began)
	f.given = f.slice
	stack[0] = uint64(f.slice)
}

// charge bills the guest for work that the host does for it.
func (i *Instance) charge(bytes int) { i.bill(hostCallUnits + int64(bytes/bytesPerUnit)) }

// bill is charge for so many units.
func (i *Instance) bill(work int64) {
	f := &i.fuel
	f.charged += work
	if f.charged < Slice {
		return
	}
	units := uint64(f.charged)
	f.charged = 0
	i.pause(units)
}

// pause accounts for a slice, ends the guest if its time is over, lets it wait
// for its share of the processor, and lets others run after each turn. The
// collector of garbage can stop the guest at every pause. It answers when the
// pause began.
func (i *Instance) pause(units uint64) (now time.Duration) {
	now = i.engine.now()
	i.sound()
	i.spend(now, units)
	i.check(now)
	if err := i.meter.parent.Err(); err != nil { // only this goroutine sets parent
		i.meter.end(err)
		i.check(now)
	}
	if i.account.owes() {
		i.throttle(now)
	}
	if now-i.fuel.shared < i.turn() {
		return now
	}
	i.handOver(now)
	i.fuel.shared = i.engine.now()
	i.fuel.away = i.fuel.shared - now
	i.fuel.resumed = i.fuel.shared
	return now
}

// handOver lets others run, and once in a while those for whom there is input
// as well.
func (i *Instance) handOver(now time.Duration) {
	e := i.engine
	if e.computing.Load() >= e.processors && e.poller.due(now) && e.poller.wait(e.now) == nil {
		return
	}
	runtime.Gosched()
}

// turn is how long the guest may go on before others are due. A guest computes
// from the first slice that it uses up until its call is over or waits for the
// host.
func (i *Instance) turn() time.Duration {
	e := i.engine
	if !i.fuel.computing {
		i.fuel.computing = true
		e.computing.Add(1)
	}
	if e.computing.Load() < e.processors {
		return aloneTurn
	}
	return min(max(i.fuel.away/partOfOthers, crowdedTurn), aloneTurn)
}

// rests ends that the guest counts as one that computes.
func (i *Instance) rests() {
	if i.fuel.computing {
		i.fuel.computing = false
		i.engine.computing.Add(-1)
	}
}

// spend books what the guest used until now.
func (i *Instance) spend(now time.Duration, units uint64) {
	f := &i.fuel
	cpu := max(now-f.resumed, 0)
	f.resumed = now
	i.used.units.Add(units)
	i.used.cpu.Add(int64(cpu))
	if i.account != nil {
		f.due = i.account.charge(now, cpu, units)
	}
}

// sound keeps the deepest point of the guest's stack that the host has seen.
func (i *Instance) sound() {
	words := int64(i.stackLimit) - int64(i.fuel.stack.Get()) //nolint:gosec // an i64 of the guest
	words = min(max(words, 0), int64(i.stackLimit))
	if words > int64(i.deepest.Load()) {
		i.deepest.Store(uint32(words))
	}
}

// throttle waits for the account's share of the processor.
func (i *Instance) throttle(now time.Duration) {
	f := &i.fuel
	wait := i.account.debt(now, f.due)
	if wait == 0 {
		return
	}
	if now+wait > f.deadline {
		i.meter.end(errShare)
		i.check(now)
	}
	i.rests()
	f.wait(wait, i.meter.Done(), nil)
	after := i.engine.now()
	f.resumed, f.shared = after, after // others had their turn
	i.waited(after - now)
	i.check(after)
}

// waited counts a wait for the account's share.
func (i *Instance) waited(d time.Duration) {
	i.fuel.throttled += d
	i.used.throttled.Add(int64(d))
	i.account.waited(d)
}

// wait waits, unless one of the channels closes first.
func (f *fuel) wait(d time.Duration, over, other <-chan struct{}) {
	if f.timer == nil {
		f.timer = time.NewTimer(d)
	} else {
		f.timer.Reset(d)
	}
	select {
	case <-f.timer.C:
	case <-over:
		f.timer.Stop()
	case <-other:
		f.timer.Stop()
	}
}

// check ends a guest whose call is over, before it runs on.
func (i *Instance) check(now time.Duration) {
	if now >= i.fuel.deadline {
		i.meter.end(context.DeadlineExceeded)
	}
	if i.meter.stopped.Load() {
		panic(sys.NewExitError(sys.ExitCodeDeadlineExceeded))
	}
}

// returned is the end of a host call that began at since: what it waited is
// not the guest's use of the processor.
func (i *Instance) returned(since, now time.Duration) {
	i.fuel.resumed += max(now-since-hostWork, 0)
	i.check(now)
}

// queue waits for the account's share of the processor before a call. The
// guest has not begun, so that it bears whatever happens here, but for Close.
func (i *Instance) queue(ctx context.Context, entry string) error {
	m, e := &i.meter, i.engine
	now := e.now()
	wait := i.account.debt(now, i.fuel.due)
	if allowed := m.deadline.Sub(e.started) - now; wait > allowed {
		e.stats.outOfShare.Add(1)
		f := fault.New(fault.TenantCPU, "%s would have to wait %s for the tenant's share of the processor, and has %s",
			entry, wait.Round(time.Millisecond), allowed.Round(time.Millisecond))
		f.RetryAfter = wait
		return f
	}
	if wait > 0 {
		i.fuel.wait(wait, m.done, ctx.Done())
		i.waited(e.now() - now)
	}
	if err := ctx.Err(); err != nil {
		return fault.Of(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = armed
	return nil
}
