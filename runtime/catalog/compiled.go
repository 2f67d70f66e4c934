package catalog

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// Prune removes compiled code of modules that no tenant has any more. It is for
// the start of a server; while it runs, what goes takes its code along.
func (c *Catalog) Prune(ctx context.Context) error {
	known := make(map[string]bool)
	err := c.cfg.Store.System().View(ctx, func(r store.Reader) error {
		for e, err := range store.All(r, store.ModuleRefs, "") {
			if err != nil {
				return err
			}
			digest, _, _ := strings.Cut(e.ID, "/")
			known[digest] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.cfg.Engine.Prune(ctx, func(digest string) bool { return known[digest] })
}

// unload removes the compiled code of a refused module, unless a tenant has it
// from before.
func (c *Catalog) unload(ctx context.Context, digest string) {
	c.blobs.Lock()
	defer c.blobs.Unlock()
	kept := false
	err := c.cfg.Store.System().View(ctx, func(r store.Reader) error {
		refs, err := r.List(store.ModuleRefs, digest+"/", "", 1)
		kept = len(refs) > 0
		return err
	})
	if err == nil && !kept {
		c.cfg.Engine.Forget(digest)
	}
}

// uploads counts what each tenant is uploading.
type uploads struct {
	mu sync.Mutex
	of map[string]*tenantUploads
}

// tenantUploads are those of one tenant.
type tenantUploads struct {
	count int
	turns chan struct{} // the places that its admissions may take at once
}

// begin counts an upload in, and answers its tenant's places.
func (u *uploads) begin(tenant string) (turns chan struct{}, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.of[tenant]
	if one == nil {
		one = &tenantUploads{turns: make(chan struct{}, admissionsOfOne)}
	}
	if one.count >= uploadsAtOnce {
		return nil, fault.New(fault.Exhausted, "%d modules are being uploaded already", uploadsAtOnce).
			WithRetryAfter(time.Second).WithHint("Upload one after the other.")
	}
	if u.of == nil {
		u.of = make(map[string]*tenantUploads)
	}
	u.of[tenant] = one
	one.count++
	return one.turns, nil
}

func (u *uploads) end(tenant string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.of[tenant]
	if one.count--; one.count == 0 {
		delete(u.of, tenant)
	}
}
