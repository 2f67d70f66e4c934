package supervisor

import (
	"context"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/store"
)

// sealed is what a group keeps for one connector.
type sealed struct {
	*Tenant
	id    string // the connector's
	group string
}

var _ capability.Sealed = sealed{}

// sealedOf is where groups keep what they need for a connector; nil: without keys
// nothing can be kept.
func (t *Tenant) sealedOf(id string) func(group string) capability.Sealed {
	if t.vault == nil {
		return nil
	}
	return func(group string) capability.Sealed { return sealed{t, id, group} }
}

func (s sealed) name(key string) string { return secret.OfHost(s.id, s.group+"/"+key) }

// Kept implements capability.Sealed.
func (s sealed) Kept(ctx context.Context, key string) (value []byte, found bool, err error) {
	err = s.space.View(ctx, func(r store.Reader) error {
		value, err = s.vault.Kept(r, s.name(key))
		return err
	})
	if fault.Is(err, fault.SecretMissing) {
		return nil, false, nil
	}
	return value, err == nil, err
}

// Keep implements capability.Sealed. Of a connector that is not stored, or not any
// more, nothing is kept: nobody would ever delete it.
func (s sealed) Keep(ctx context.Context, key string, value []byte) error {
	return s.space.Update(ctx, func(w store.Writer) error {
		_, err := w.Get(store.Connectors, s.id)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.vault.Keep(w, s.name(key), value)
	})
}
