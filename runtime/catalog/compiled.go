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
	mu    sync.Mutex
	count map[string]int
}

func (u *uploads) begin(tenant string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count[tenant] >= uploadsAtOnce {
		return fault.New(fault.Exhausted, "%d modules are being uploaded already", uploadsAtOnce).
			WithRetryAfter(time.Second).WithHint("Upload one after the other.")
	}
	if u.count == nil {
		u.count = make(map[string]int)
	}
	u.count[tenant]++
	return nil
}

func (u *uploads) end(tenant string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count[tenant]--; u.count[tenant] == 0 {
		delete(u.count, tenant)
	}
}
