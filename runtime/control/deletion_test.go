package control_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

// withSecret makes a tenant's connector that has a secret, and runs it.
func (r *rig) withSecret() control.ConnectorView {
	r.t.Helper()
	module := r.tiny(abi.KindConnector, "one", `{"type":"object","properties":{"k":{"type":"string","x-secret":true}}}`)
	v := r.create(control.ConnectorInput{Name: "a", Module: module, Params: []spec.Param{{Key: "k", Value: "topsecretvalue"}}})
	if result, err := r.TestConnector(r.t.Context(), v.ID); err != nil || !result.Success {
		r.t.Fatalf("%+v, %v", result, err)
	}
	if _, err := r.Activate(r.t.Context(), v.ID); err != nil {
		r.t.Fatal(err)
	}
	return v
}

// raw is the record of a tenant's data key.
func (r *rig) dataKey(id string) (raw string) {
	r.t.Helper()
	err := r.store.System().View(r.t.Context(), func(reader store.Reader) error {
		e, err := reader.Get(store.DataKeys, id)
		raw = string(e.Value)
		return err
	})
	if err != nil && !fault.Is(err, fault.NotFound) {
		r.t.Fatal(err)
	}
	return raw
}

// TestASecondLifeOfATenant has keys of its own, which open what it seals, and
// nothing of the first life in it.
func TestASecondLifeOfATenant(t *testing.T) {
	r := newNode(t)
	operator := r.Tenant
	r.Tenant = r.tenant("other")
	r.withSecret()
	first := r.dataKey("other")
	if err := operator.DeleteTenant(t.Context(), "other", 0); err != nil {
		t.Fatal(err)
	}
	if key := r.dataKey("other"); key != "" || first == "" {
		t.Fatal("the data key outlives its tenant")
	}
	if _, err := operator.CreateTenant(t.Context(), "other", spec.Ceiling{}); err != nil {
		t.Fatal(err)
	}
	// Whoever holds the first life reaches the second one in no way.
	if _, _, err := r.Connectors(t.Context(), control.ConnectorFilter{}, control.Page{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("the first life still reads: %v", err)
	}
	if _, err := r.CreateConnector(t.Context(), control.ConnectorInput{Name: "ghost"}); err == nil {
		t.Error("the first life still writes")
	}
	r.Tenant = r.tenant("other")
	if list, _, err := r.Connectors(t.Context(), control.ConnectorFilter{}, control.Page{}); err != nil || len(list) != 0 {
		t.Errorf("%d connectors of the first life, %v", len(list), err)
	}
	r.withSecret()
	if key := r.dataKey("other"); key == "" || key == first {
		t.Error("what the second life sealed cannot be opened after a restart")
	}
}

// TestNobodyOpensWhatIsNoTenant: an id without a record leaves nothing behind.
func TestNobodyOpensWhatIsNoTenant(t *testing.T) {
	r := newNode(t)
	for range 2 {
		_, err := r.service.Tenant("ghost")
		wantFault(t, err, fault.NotFound)
	}
	if _, open := r.super.Tenants()["ghost"]; open || r.dataKey("ghost") != "" {
		t.Error("it was opened all the same")
	}
}

// broken is a store that fails where a test says so.
type broken struct {
	store.Store
	drops   atomic.Bool // Drop fails
	tenants atomic.Bool // what tenants write is not kept
}

func (b *broken) Drop(ctx context.Context, id string) error {
	if b.drops.Load() {
		return fault.New(fault.DiskFull, "the disk is full")
	}
	return b.Store.Drop(ctx, id)
}

func (b *broken) Tenant(id string) (store.Space, error) {
	space, err := b.Store.Tenant(id)
	return brokenSpace{space, b}, err
}

type brokenSpace struct {
	store.Space
	of *broken
}

func (s brokenSpace) Update(ctx context.Context, fn func(store.Writer) error) error {
	if s.of.tenants.Load() {
		return fault.New(fault.DiskFull, "the disk is full")
	}
	return s.Space.Update(ctx, fn)
}

// deletions are the details of the server's events about deletions, the newest
// first.
func (r *rig) deletions() (details []string) {
	r.t.Helper()
	err := r.store.System().View(r.t.Context(), func(reader store.Reader) error {
		events, _, err := identity.List(reader, identity.Query{Limit: 100, Action: string(identity.TenantDelete)})
		for _, e := range events {
			details = append(details, e.Detail)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return details
}

// TestADeletionThatIsCutOff: from its first moment nobody opens the tenant, the
// trail says that it has begun, and the next start finishes it.
func TestADeletionThatIsCutOff(t *testing.T) {
	b := &broken{Store: memory.New()}
	r := newNodeOn(t, b)
	operator := r.Tenant
	r.Tenant = r.tenant("other")
	r.withSecret()
	token, _, err := r.CreateToken(t.Context(), control.TokenInput{Name: "t"})
	if err != nil {
		t.Fatal(err)
	}
	b.drops.Store(true)
	wantFault(t, operator.DeleteTenant(t.Context(), "other", 0), fault.DiskFull)
	if got := r.deletions(); len(got) != 1 || got[0] != "begun" {
		t.Errorf("the trail says %q", got)
	}
	for name, do := range map[string]func() error{
		"open":    func() error { _, err := r.service.Tenant("other"); return err },
		"open it": func() error { _, err := r.super.Tenant("other"); return err },
		"limit":   func() error { _, err := operator.SetCeiling(t.Context(), "other", spec.Ceiling{}, 0); return err },
		"invite": func() error {
			_, _, _, err := operator.InviteUser(t.Context(), "other", "eve", identity.Admin)
			return err
		},
		"make": func() error { _, err := operator.CreateTenant(t.Context(), "other", spec.Ceiling{}); return err },
	} {
		if err := do(); err == nil {
			t.Errorf("%s: done to a tenant that is being deleted", name)
		}
	}
	if _, err := identity.New(b.System()).Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("its token still holds: %v", err)
	}
	if v, err := operator.ShowTenant(t.Context(), "other"); err != nil || v.Deleting.IsZero() {
		t.Errorf("%+v, %v", v, err)
	}
	if err := r.super.Start(t.Context()); err != nil { // as the next start does
		t.Fatal(err)
	}
	wantFault(t, r.service.FinishDeletions(t.Context()), fault.DiskFull)
	b.drops.Store(false)
	if err := r.service.FinishDeletions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.deletions(); len(got) != 2 || got[0] != "finished after it was cut off" {
		t.Errorf("the trail says %q", got)
	}
	_, err = operator.ShowTenant(t.Context(), "other")
	wantFault(t, err, fault.NotFound)
	if err := r.service.FinishDeletions(t.Context()); err != nil { // there is none left
		t.Error(err)
	}
}

// TestHammerDeletion: whatever opens a tenant while it is deleted, nothing of it
// is left, and nothing is in the way of the next.
func TestHammerDeletion(t *testing.T) {
	r := newNode(t)
	operator := r.Tenant
	for range 5 {
		r.Tenant = r.tenant("other")
		r.withSecret()
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					if of, err := r.service.Tenant("other"); err == nil {
						_, _ = of.By(identity.OfServer("other")).SetSecret(ctx, "s", []byte("another secret"), 0)
					} else if !fault.Is(err, fault.NotFound) {
						t.Error(err)
					}
				}
			})
		}
		var ends [3]error
		var deleting sync.WaitGroup
		for i := range ends {
			deleting.Go(func() { ends[i] = operator.DeleteTenant(t.Context(), "other", 0) })
		}
		deleting.Wait()
		cancel()
		wg.Wait()
		done := 0
		for _, err := range ends {
			if err == nil {
				done++
			} else if !fault.Is(err, fault.WrongState) && !fault.Is(err, fault.NotFound) {
				t.Error(err)
			}
		}
		if _, open := r.super.Known("other"); open || done != 1 || r.dataKey("other") != "" {
			t.Fatalf("open %t, %d times, key %t", open, done, r.dataKey("other") != "")
		}
		space, err := r.store.Tenant("other")
		if err != nil {
			t.Fatal(err)
		}
		if err := space.View(t.Context(), func(reader store.Reader) error {
			for _, b := range store.Buckets() {
				if list, err := reader.List(b, "", "", 1); err != nil || len(list) > 0 {
					t.Errorf("%s: %v, %v", b, list, err)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDoneIsNoError: when what was done cannot be written into the tenant's own
// trail, it is done all the same: the caller has what they were given, and the
// event follows.
func TestDoneIsNoError(t *testing.T) {
	b := &broken{Store: memory.New()}
	r := newNodeOn(t, b)
	tokens := identity.New(b.System())
	b.tenants.Store(true)
	token, info, err := r.CreateToken(t.Context(), control.TokenInput{Name: "t"})
	if err != nil {
		t.Fatal(err)
	}
	if who, err := tokens.Verify(t.Context(), token); err != nil || who.ID != info.ID {
		t.Errorf("%+v, %v", who, err)
	}
	if _, link, _, err := r.CreateUser(t.Context(), "ada", identity.Viewer); err != nil || link == "" {
		t.Errorf("link %t, %v", link != "", err)
	}
	if _, link, _, err := r.InviteUser(t.Context(), "other", "eve", identity.Admin); err != nil || link == "" {
		t.Errorf("link %t, %v", link != "", err)
	}
	if link, _, err := r.LinkUser(t.Context(), "ada"); err != nil || link == "" {
		t.Errorf("link %t, %v", link != "", err)
	}
	role := identity.Operator
	if u, err := r.ChangeUser(t.Context(), "ada", identity.UserChange{Role: &role}, 0); err != nil || u.Role != role {
		t.Errorf("%+v, %v", u, err)
	}
	if v, err := r.SetCeiling(t.Context(), "other", spec.Ceiling{CPU: 1}, 0); err != nil || v.Ceiling.CPU != 1 {
		t.Errorf("%+v, %v", v, err)
	}
	for what, err := range map[string]error{
		"password": r.SetUserPassword(t.Context(), "ada", "correct horse battery"),
		"revoke":   r.RevokeToken(t.Context(), info.ID),
		"delete":   r.DeleteUser(t.Context(), "ada", 0),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	b.tenants.Store(false)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.audit.Close(ctx); err != nil {
		t.Fatal(err)
	}
	events, _, err := r.Audit(ctx, control.AuditQuery{Action: "token"}, control.Page{})
	if err != nil || len(events) != 2 {
		t.Errorf("%+v, %v", events, err)
	}
}
