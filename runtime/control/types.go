package control

import (
	"context"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/adapter"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TypeView is a type that connectors can be made of, or a provider that is
// always there.
type TypeView struct {
	catalog.Type

	BuiltIn  bool // it has no module, and no connector is made of it
	Delivers bool // its module takes records out
}

// TypeDetail is one type with what a connector of it needs.
type TypeDetail struct {
	TypeView

	Manifest abi.Manifest // of the version that is used unless another is named; zero of one that is built in
	Needs    []Need
	Can      []string
	Cannot   []string
}

// Types lists the types of a category, or of all when it is "", by category and
// name; those that are built in are among them. A category that there is not
// has none.
func (t *Tenant) Types(ctx context.Context, category string) ([]TypeView, error) {
	if err := t.may(ctx, identity.Categories, identity.Read); err != nil {
		return nil, err
	}
	if len(category) > maxType {
		return []TypeView{}, nil
	}
	types, err := t.shelf.Types(ctx, category)
	if err != nil {
		return nil, err
	}
	list := []TypeView{}
	for _, a := range adapter.Infos() {
		if t.adapters() != nil && (category == "" || category == a.Category) {
			list = append(list, builtIn(a))
		}
	}
	for _, one := range types {
		m, err := t.named(ctx, one.Module)
		if err != nil && !fault.Is(err, fault.NotFound) { // it may have been deleted meanwhile
			return nil, err
		}
		list = append(list, TypeView{Type: one, Delivers: err == nil && m.Manifest.Delivers()})
	}
	sortTypes(list)
	return list, nil
}

// Type is one type. fault.TypeUnknown says which there are.
func (t *Tenant) Type(ctx context.Context, category, providerType string) (d TypeDetail, err error) {
	if err := t.may(ctx, identity.Categories, identity.Read); err != nil {
		return d, err
	}
	one, err := t.shelf.Type(ctx, category, providerType)
	if a, ok := adapter.Of(category); ok && t.adapters() != nil && a.ProviderType == providerType && fault.Is(err, fault.TypeUnknown) {
		return TypeDetail{TypeView: builtIn(a)}, nil
	}
	if err != nil {
		return d, err
	}
	m, err := t.shelf.Get(ctx, one.Module)
	if err != nil {
		return d, err
	}
	return t.detail(one, m), nil
}

func (t *Tenant) detail(one catalog.Type, m spec.Module) TypeDetail {
	d := TypeDetail{TypeView: TypeView{Type: one, Delivers: m.Manifest.Delivers()}, Manifest: m.Manifest, Needs: Needs(m, t.cfg.Groups)}
	d.Can, d.Cannot = Describe(m, t.cfg.Groups)
	return d
}

func builtIn(a adapter.Info) TypeView {
	return TypeView{BuiltIn: true, Type: catalog.Type{
		Category: a.Category, ProviderType: a.ProviderType, DisplayName: a.DisplayName, Kind: abi.KindConnector,
		Versions: []catalog.Version{},
	}}
}

// adapters are the tenant's providers that are always there; nil: this service
// has none.
func (t *Tenant) adapters() *adapter.Tenant {
	if t.cfg.Adapters == nil {
		return nil
	}
	return t.cfg.Adapters.Tenant(t.id)
}
