package supervisor_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// slowStore takes its time with one tenant, when it was asked to.
type slowStore struct {
	store.Store
	armed         atomic.Bool
	reached, open chan struct{}
}

func (s *slowStore) Tenant(id string) (store.Space, error) {
	if id == "slow" && s.armed.CompareAndSwap(true, false) {
		close(s.reached)
		<-s.open
	}
	return s.Store.Tenant(id)
}

// TestATenantThatOpensHoldsUpNoOther: not its steps, and not its opening. Whoever
// wants the same tenant gets the same.
func TestATenantThatOpensHoldsUpNoOther(t *testing.T) {
	slow := &slowStore{reached: make(chan struct{}), open: make(chan struct{})}
	r := newRig(t, func(r *rig) { slow.Store, r.store = r.store, slow })
	if err := r.super.AddTenant(t.Context(), "slow"); err != nil {
		t.Fatal(err)
	}
	slow.armed.Store(true)
	got := make(chan *supervisor.Tenant, 2)
	wants := func() {
		tenant, err := r.super.Tenant("slow")
		if err != nil {
			t.Error(err)
		}
		got <- tenant
	}
	go wants()
	<-slow.reached
	go wants()
	other := make(chan struct{})
	go func() {
		defer close(other)
		if tenant, err := r.super.Tenant("plant"); err != nil {
			t.Error(err)
		} else {
			tenant.Reconcile("none")
			tenant.TellLater("none", "d")
		}
	}()
	select {
	case <-other:
	case <-time.After(patience):
		t.Error("another tenant waits for the one that opens")
	}
	close(slow.open)
	if one, two := <-got, <-got; one == nil || one != two {
		t.Errorf("two callers got %p and %p", one, two)
	}
	<-other
}
