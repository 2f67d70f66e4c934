package engine_test

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestAccountsWithinAccounts: what a connector uses is its tenant's use as
// well, and the tenant's budget binds whatever is left of the connector's.
func TestAccountsWithinAccounts(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tiny())
	const mib = 1 << 20
	e.SetBudget("tenant", engine.Budget{MemoryBytes: 12 * mib})
	e.SetBudget("tenant/a", engine.Budget{MemoryBytes: 4 * mib, Within: "tenant"})
	e.SetBudget("tenant/b", engine.Budget{Within: "tenant"})
	on := func(account string) engine.InstanceConfig {
		return engine.InstanceConfig{Link: allLinked(), Account: account, MemoryBytes: 4 * mib}
	}
	a := instantiate(t, e, m, on("tenant/a"))
	if _, err := e.Instantiate(t.Context(), m, on("tenant/a")); !fault.Is(err, fault.TenantMemory) {
		t.Errorf("beyond the connector's own: %v", err)
	}
	instantiate(t, e, m, on("tenant/b"))
	instantiate(t, e, m, on("tenant/b"))
	if _, err := e.Instantiate(t.Context(), m, on("tenant/b")); !fault.Is(err, fault.TenantMemory) {
		t.Errorf("beyond the tenant's: %v", err)
	}
	if _, err := a.Call(t.Context(), "echo", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for account, want := range map[string]uint64{"tenant": 12 * mib, "tenant/a": 4 * mib, "tenant/b": 8 * mib} {
		if u := e.Usage(account); u.MemoryBytes != want || u.CPU <= 0 {
			t.Errorf("%s: %+v, want %d bytes and some time", account, u, want)
		}
	}
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u := e.Usage("tenant"); u.MemoryBytes != 8*mib || u.Instances != 2 {
		t.Errorf("after the end of one: %+v", u)
	}
}

// TestShareOfAnAccountWithinAnother: the smaller share holds a guest back, and
// both accounts show the wait.
func TestShareOfAnAccountWithinAnother(t *testing.T) {
	e := newEngine(t)
	m := compile(t, e, tiny())
	e.SetBudget("tenant", engine.Budget{CPU: 2})
	e.SetBudget("tenant/a", engine.Budget{CPU: 0.0001, Within: "tenant"})
	a := instantiate(t, e, m, engine.InstanceConfig{Link: allLinked(), Account: "tenant/a", CallTimeout: 20 * time.Millisecond})
	b := instantiate(t, e, m, engine.InstanceConfig{Link: allLinked(), Account: "tenant", CallTimeout: time.Minute})
	_, err := a.Call(t.Context(), "spin", nil)
	if err == nil {
		t.Fatal("an endless loop ended")
	}
	next := instantiateOn(e, m)
	if _, err := next(t, "tenant/a"); !fault.Is(err, fault.TenantCPU) {
		t.Errorf("the connector's next: %v", err)
	}
	if _, err := b.Call(t.Context(), "echo", []byte("x")); err != nil {
		t.Errorf("another's of the tenant: %v", err)
	}
}

func instantiateOn(e *engine.Engine, m *engine.Module) func(*testing.T, string) (*engine.Instance, error) {
	return func(t *testing.T, account string) (*engine.Instance, error) {
		t.Helper()
		return e.Instantiate(t.Context(), m, engine.InstanceConfig{Link: allLinked(), Account: account, CallTimeout: 20 * time.Millisecond})
	}
}
