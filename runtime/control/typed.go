package control

import (
	"context"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of a type's names, in bytes.
const maxType = 64

// typed puts a module in where the caller names a type alone: the version that
// was asked for, or the newest.
func (t *Tenant) typed(ctx context.Context, in *ConnectorInput) error {
	if in.Module != "" || in.Category == "" && in.ProviderType == "" {
		return nil
	}
	var bad []fault.Field
	for _, p := range []struct{ at, name string }{{"/category", in.Category}, {"/provider_type", in.ProviderType}} {
		if len(p.name) < 1 || len(p.name) > maxType {
			bad = append(bad, fault.Field{Pointer: p.at, Detail: "has 1 to 64 bytes"})
		}
	}
	if len(bad) > 0 {
		return invalid(bad)
	}
	m, err := t.shelf.Resolve(ctx, in.Category, in.ProviderType, in.Version)
	if err != nil {
		return err
	}
	in.Module = m.Digest
	return nil
}

// typed sees that the module is of the type that was named, and names it where
// it was not.
func (f *findings) typed(in *ConnectorInput) {
	if f.module == nil {
		return
	}
	m := &f.module.Manifest
	for _, p := range []struct {
		at    string
		named *string
		is    string
	}{
		{"/category", &in.Category, m.Category},
		{"/provider_type", &in.ProviderType, m.ProviderType},
		{"/version", &in.Version, m.Version},
	} {
		if *p.named != "" && *p.named != p.is {
			f.wrong(p.at, "is %q for this module: leave one of the two out", p.is)
		}
		*p.named = p.is
	}
}
