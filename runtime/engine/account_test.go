package engine_test

import (
	"context"
	"encoding/binary"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestMemoryIsReservedForTheTenant(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tiny())
	e.SetBudget("acme", engine.Budget{MemoryBytes: 24 << 20})
	cfg := engine.InstanceConfig{Link: allLinked(), Host: &host{}, MemoryBytes: 8 << 20, Account: "acme"}
	var all []*engine.Instance
	for range 3 {
		all = append(all, instantiate(t, e, m, cfg))
	}
	_, err := e.Instantiate(t.Context(), m, cfg)
	wantFault(t, err, fault.TenantMemory, "needs 8 MiB", "24 MiB of the tenant's 24 MiB", "3 others")
	if u := e.Usage("acme"); u.Instances != 3 || u.MemoryBytes != 24<<20 || u.Budget.MemoryBytes != 24<<20 {
		t.Errorf("usage: %+v", u)
	}
	other := cfg
	other.Account = "other"
	instantiate(t, e, m, other) // has no budget, and is not bounded

	_, err = all[0].Call(t.Context(), "trap", nil) // gives its memory back, as Close does
	wantFault(t, err, fault.GuestTrap)
	if err := all[1].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u := e.Usage("acme"); u.Instances != 1 || u.MemoryBytes != 8<<20 {
		t.Errorf("usage after a death and a close: %+v", u)
	}
	cfg.MemoryBytes = 1 << 20 // does not start
	_, err = e.Instantiate(t.Context(), m, cfg)
	wantFault(t, err, fault.GuestMemory)
	cfg.MemoryBytes = 16 << 20
	instantiate(t, e, m, cfg)
	if u := e.Usage("acme"); u.Instances != 2 || u.MemoryBytes != 24<<20 {
		t.Errorf("usage at the end: %+v", u)
	}
	e.SetBudget("acme", engine.Budget{MemoryBytes: 1 << 20}) // those that live keep what they have
	cfg.MemoryBytes = 3 << 20
	_, err = e.Instantiate(t.Context(), m, cfg)
	wantFault(t, err, fault.TenantMemory)
}

func TestAccountIsForgottenWithItsLastInstance(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tiny())
	i := instantiate(t, e, m, engine.InstanceConfig{Link: allLinked(), Account: "gone"})
	e.DropAccount("gone")
	if u := e.Usage("gone"); u.Instances != 1 {
		t.Errorf("an account in use was forgotten: %+v", u)
	}
	if err := i.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.SetBudget("idle", engine.Budget{CPU: 1})
	e.DropAccount("idle")
	e.DropAccount("never was")
	if n := e.Accounts(); n != 0 {
		t.Errorf("%d accounts are left", n)
	}
}

// busy is a guest whose host calls take a while, all of which counts as its
// work: 1,000 of them are 40 ms.
func busy(t *testing.T, e *engine.Engine, m *engine.Module, timeout time.Duration) *engine.Instance {
	t.Helper()
	return instantiate(t, e, m, engine.InstanceConfig{
		Link: allLinked(), CallTimeout: timeout, Account: "acme",
		Host: &host{serve: func(_ context.Context, _, out []byte) ([]byte, error) {
			<-time.After(40 * time.Microsecond)
			return out, nil
		}},
	})
}

func work(ctx context.Context, i *engine.Instance, calls int) error {
	_, err := i.Call(ctx, "calls", binary.LittleEndian.AppendUint32(nil, uint32(calls)))
	return err
}

func TestTenantsShareOfTheProcessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := compile(t, e, tiny())
		e.SetBudget("acme", engine.Budget{CPU: 0.25})
		i := busy(t, e, m, time.Hour)
		<-time.After(time.Second)
		begin := time.Now()
		if err := work(t.Context(), i, 10_000); err != nil { // 400 ms of work
			t.Fatal(err)
		}
		took, u := time.Since(begin), e.Usage("acme")
		// 400 ms at a quarter of a core are 1,600 ms, less a burst of 100 ms.
		if took < 1490*time.Millisecond || took > 1520*time.Millisecond {
			t.Errorf("400 ms of work took %v", took)
		}
		if u.CPU < 399*time.Millisecond || u.CPU > 410*time.Millisecond {
			t.Errorf("400 ms of work are counted as %v", u.CPU)
		}
		if w := took - u.CPU - u.Throttled; w < -time.Millisecond || w > time.Millisecond {
			t.Errorf("%v passed, %v of it working and %v throttled", took, u.CPU, u.Throttled)
		}
		if own := i.Usage(); own.CPU != u.CPU || own.Throttled != u.Throttled || own.Fuel != u.Fuel || own.Fuel < 10_000_000 {
			t.Errorf("the instance has used %+v, the account %+v", own, u)
		}
		e.SetBudget("acme", engine.Budget{})
		begin = time.Now()
		if err := work(t.Context(), i, 1000); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 50*time.Millisecond {
			t.Errorf("without a bound, 40 ms of work took %v", took)
		}
		if s := e.Stats(); s.CPU != i.Usage().CPU || s.Throttled != i.Usage().Throttled || s.Fuel != i.Usage().Fuel {
			t.Errorf("stats: %+v", s)
		}
	})
}

// What a host call waits is not the guest's work.
func TestWaitingInTheHostIsNotWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.SetBudget("acme", engine.Budget{CPU: 0.25})
		i := instantiate(t, e, compile(t, e, tiny()), engine.InstanceConfig{
			Link: allLinked(), Account: "acme", CallTimeout: time.Hour,
			Host: &host{serve: func(_ context.Context, _, out []byte) ([]byte, error) {
				<-time.After(10 * time.Millisecond)
				return out, nil
			}},
		})
		if err := work(t.Context(), i, 1000); err != nil { // 10 s
			t.Fatal(err)
		}
		if u := e.Usage("acme"); u.CPU > 51*time.Millisecond || u.Throttled != 0 {
			t.Errorf("waiting was charged: %+v", u)
		}
	})
}

func TestGuestsOfATenantTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := compile(t, e, tiny())
		e.SetBudget("acme", engine.Budget{CPU: 0.5})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var group sync.WaitGroup
		guests := make([]*engine.Instance, 4)
		for n := range guests {
			guests[n] = busy(t, e, m, time.Hour)
			group.Go(func() {
				calls := math.MaxInt32
				if n == 0 {
					calls = 200 // one makes short calls
				}
				for work(ctx, guests[n], calls) == nil {
				}
			})
		}
		group.Wait()
		var all time.Duration
		for n, i := range guests {
			used := i.Usage().CPU
			all += used
			if used < 530*time.Millisecond || used > 720*time.Millisecond {
				t.Errorf("guest %d had %v of 5 s at half a core for four", n, used)
			}
		}
		if all < 2450*time.Millisecond || all > 2600*time.Millisecond {
			t.Errorf("in 5 s at half a core they had %v", all)
		}
	})
}

func TestCallThatCannotWaitForItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := compile(t, e, tiny())
		i, hog := busy(t, e, m, 200*time.Millisecond), busy(t, e, m, time.Hour)
		e.SetBudget("acme", engine.Budget{CPU: 0.001})
		for _, guest := range []*engine.Instance{i, hog} {
			if err := work(t.Context(), guest, 45); err != nil { // 1.8 s at this share, and no pause
				t.Fatal(err)
			}
		}
		begin := time.Now()
		err := work(t.Context(), i, 1)
		wantFault(t, err, fault.TenantCPU, "calls would have to wait 1.6", "has 200ms")
		if f := fault.Of(err); f.RetryAfter < 1600*time.Millisecond || f.RetryAfter > 1800*time.Millisecond {
			t.Errorf("retry after %v", f.RetryAfter)
		}
		if i.State() != engine.Idle || time.Since(begin) != 0 || e.Stats().OutOfShare != 1 {
			t.Errorf("a guest that had not begun is %v after %v", i.State(), time.Since(begin))
		}
		// A caller who gives up while the guest waits does not hurt it, and Close
		// ends the wait.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err = work(ctx, hog, 1)
		wantFault(t, err, fault.TenantCPU)
		ctx, cancel = context.WithCancel(t.Context())
		stop := time.AfterFunc(50*time.Millisecond, cancel)
		defer stop.Stop()
		err = work(ctx, hog, 1)
		wantFault(t, err, fault.Canceled)
		if hog.State() != engine.Idle {
			t.Errorf("the guest is %v", hog.State())
		}
		done := make(chan error)
		go func() { done <- work(t.Context(), hog, 1) }()
		synctest.Wait()
		if err := hog.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantFault(t, <-done, fault.Canceled)

		// In the middle of a call there is no way but to end the guest.
		<-time.After(time.Hour) // all is paid
		e.SetBudget("acme", engine.Budget{CPU: 0.01})
		err = work(t.Context(), i, 100_000)
		wantFault(t, err, fault.TenantCPU, "calls may take 200ms")
		if i.State() != engine.Dead {
			t.Errorf("the guest is %v", i.State())
		}
	})
}

// TestDebtOutlivesANewBudget: an account that is given its budget again, as at
// each start of its connector, has not paid for what it used before.
func TestDebtOutlivesANewBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := compile(t, e, tiny())
		i := busy(t, e, m, 50*time.Millisecond)
		e.SetBudget("acme", engine.Budget{CPU: 0.001})
		if err := work(t.Context(), i, 45); err != nil { // 1.8 s at this share, and no pause
			t.Fatal(err)
		}
		for _, tt := range []struct {
			share float64
			owed  time.Duration
		}{{0.001, 1700 * time.Millisecond}, {0.002, 800 * time.Millisecond}, {0.0005, 3500 * time.Millisecond}} {
			e.SetBudget("acme", engine.Budget{CPU: tt.share})
			_, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{
				Link: allLinked(), CallTimeout: 50 * time.Millisecond, Account: "acme",
			})
			f := fault.Of(err)
			if f == nil || f.Kind != fault.TenantCPU || f.RetryAfter < tt.owed-20*time.Millisecond || f.RetryAfter > tt.owed+20*time.Millisecond {
				t.Errorf("with a share of %v: %v, want a wait of %v", tt.share, f, tt.owed)
			}
		}
		e.SetBudget("acme", engine.Budget{})
		e.SetBudget("acme", engine.Budget{CPU: 0.001})
		if err := work(t.Context(), i, 1); err != nil {
			t.Errorf("after a time without a bound: %v", err)
		}
	})
}

// TestDebtOutlivesItsAccount: a connector that is stopped and started anew owes
// what it owed, for a minute at most.
func TestDebtOutlivesItsAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := compile(t, e, tiny())
		const share = 0.001
		begin := func(calls int) error {
			e.SetBudget("acme", engine.Budget{CPU: share})
			defer e.DropAccount("acme")
			i, err := e.Instantiate(t.Context(), m, engine.InstanceConfig{
				Link: allLinked(), CallTimeout: 50 * time.Millisecond, Account: "acme",
				Host: &host{serve: func(_ context.Context, _, out []byte) ([]byte, error) {
					<-time.After(40 * time.Microsecond)
					return out, nil
				}},
			})
			if err != nil {
				return err
			}
			defer func() { _ = i.Close(t.Context()) }()
			return work(t.Context(), i, calls)
		}
		owes := func(least, most time.Duration) {
			t.Helper()
			f := fault.Of(begin(1))
			if f == nil || f.Kind != fault.TenantCPU || f.RetryAfter < least || f.RetryAfter > most {
				t.Errorf("%v, want a wait of %v to %v", f, least, most)
			}
		}
		if err := begin(45); err != nil { // 1.8 s at this share, and no pause
			t.Fatal(err)
		}
		owes(1650*time.Millisecond, 1720*time.Millisecond)
		owes(1650*time.Millisecond, 1720*time.Millisecond) // what was refused has used nothing
		e.SetBudget("acme", engine.Budget{CPU: share / 2})
		e.DropAccount("acme")
		owes(1650*time.Millisecond, 1720*time.Millisecond) // under any share
		<-time.After(2 * time.Second)
		if err := begin(45); err != nil {
			t.Fatal(err)
		}
		e.SetBudget("acme", engine.Budget{CPU: share / 100}) // owes 3 min now
		e.DropAccount("acme")
		if n := e.Accounts(); n != 0 || e.Debts() != 1 {
			t.Errorf("%d accounts and %d debts are left", n, e.Debts())
		}
		<-time.After(time.Minute)
		if err := begin(1); err != nil {
			t.Errorf("after a minute: %v", err)
		}
		<-time.After(time.Minute)
		e.SetBudget("other", engine.Budget{})
		if e.DropAccount("other"); e.Debts() != 0 {
			t.Errorf("%d debts are left", e.Debts())
		}
	})
}

func TestDeadlineSaysWhatWasThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.SetBudget("acme", engine.Budget{CPU: 0.5})
		i := busy(t, e, compile(t, e, tiny()), time.Second)
		err := work(t.Context(), i, math.MaxInt32)
		if !fault.Is(err, fault.GuestDeadline) {
			wantFault(t, err, fault.TenantCPU)
		}
		wantFault(t, err, fault.Of(err).Kind, "of which 4", "tenant's share of the processor")
	})
}

func TestTimeoutsOfEntryPoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		m := compile(t, e, tiny())
		for entry, want := range map[string]time.Duration{
			"call": 30 * time.Millisecond, "call_wide": 2 * time.Second, "call_take": time.Second,
		} {
			i := instantiate(t, e, m, engine.InstanceConfig{
				Link: allLinked(), CallTimeout: time.Second,
				Timeouts: map[string]time.Duration{
					"call": 30 * time.Millisecond, "call_wide": 2 * time.Second, "call_take": 0, "no such entry": time.Hour,
				},
				Host: &host{serve: func(ctx context.Context, _, _ []byte) ([]byte, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}},
			})
			begin := time.Now()
			_, err := i.Call(t.Context(), entry, nil)
			wantFault(t, err, fault.GuestDeadline, want.String())
			if took := time.Since(begin); took != want {
				t.Errorf("%s took %v, want %v", entry, took, want)
			}
		}
	})
}
