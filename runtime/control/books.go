package control

import (
	"context"

	"github.com/snaprail/snaprail/runtime/param"
)

// book is the parameters of the tenant's connectors. It is the runtime's, so
// that what is sealed here is opened there, in this life of the tenant and in
// no other.
func (t *Tenant) book(context.Context) (*param.Book, error) { return t.runtime.Book(), nil }
