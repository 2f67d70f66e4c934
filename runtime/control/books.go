package control

import (
	"context"
	"sync"

	"github.com/snaprail/snaprail/runtime/param"
)

// books keeps the book of each tenant, which knows the schemas that it has
// read.
type books struct {
	mu  sync.Mutex
	all map[string]*param.Book
}

// book is the parameters of the tenant's connectors.
func (t *Tenant) book(ctx context.Context) (*param.Book, error) {
	vault, err := t.cfg.Secrets.Vault(ctx, t.id)
	if err != nil {
		return nil, err
	}
	t.books.mu.Lock()
	defer t.books.mu.Unlock()
	if t.books.all == nil {
		t.books.all = map[string]*param.Book{}
	}
	b := t.books.all[t.id]
	if b == nil {
		b = param.NewBook(vault)
		t.books.all[t.id] = b
	}
	return b, nil
}
