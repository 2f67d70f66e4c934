package control

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Export is the tenant's desired state as documents that Apply takes: categories
// of its own, the names of its secrets, and its connectors. No secret's value
// is in it, so that on another server those have to be set again.
func (t *Tenant) Export(ctx context.Context) (documents []json.RawMessage, err error) {
	if err := t.may(ctx, identity.Connectors, identity.Read); err != nil {
		return nil, err
	}
	add := func(v any) error {
		raw, err := json.Marshal(v)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "export")
		}
		documents = append(documents, raw)
		return nil
	}
	if err := t.exportCategories(ctx, add); err != nil {
		return nil, err
	}
	if err := t.exportSecrets(ctx, add); err != nil {
		return nil, err
	}
	all, err := t.everyConnector(ctx)
	if err != nil {
		return nil, err
	}
	views, err := t.views(ctx, all)
	if err != nil {
		return nil, err
	}
	for i := range views {
		if views[i].Owner != "" {
			continue // its deployment makes it
		}
		d := documentOf(&views[i].Connector)
		d.DeviceManager = managerName(views, d.DeviceManager)
		if err := add(d); err != nil {
			return nil, err
		}
	}
	return documents, t.exportDeployments(ctx, add)
}

// exportDeployments adds the documents of the devices that are deployed. They
// stand behind the connectors that deploy them.
func (t *Tenant) exportDeployments(ctx context.Context, add func(any) error) error {
	return t.space.View(ctx, func(r store.Reader) error {
		for after := ""; ; {
			page, next, err := deploy.List(r, after, pageOfDeployments)
			if err != nil {
				return err
			}
			for i := range page {
				doc, err := ReadDeviceDocument(page[i].Document)
				if err != nil {
					return err
				}
				if page[i].State == deploy.TornDown {
					continue
				}
				if err := add(struct {
					Kind string `json:"kind"`
					DeviceDocument
				}{kindDevice, doc}); err != nil {
					return err
				}
			}
			if after = next; after == "" {
				return nil
			}
		}
	})
}

func (t *Tenant) exportCategories(ctx context.Context, add func(any) error) error {
	categories, err := t.everyCategory(ctx)
	if err != nil {
		return err
	}
	for _, c := range categories {
		if c.BuiltIn {
			continue
		}
		c.Revision = 0
		if err := add(struct {
			Kind string `json:"kind"`
			spec.Category
		}{kindCategory, c}); err != nil {
			return err
		}
	}
	return nil
}

// exportSecrets names the secrets, if the caller may know of them.
func (t *Tenant) exportSecrets(ctx context.Context, add func(any) error) error {
	if !t.as.May(identity.Secrets, identity.Read, t.operates()) {
		return nil
	}
	for after := ""; ; {
		list, next, err := t.Secrets(ctx, Page{After: after, Limit: 500})
		if err != nil {
			return err
		}
		for _, s := range list {
			if err := add(struct {
				Kind string `json:"kind"`
				Name string `json:"name"`
			}{kindSecret, s.Name}); err != nil {
				return err
			}
		}
		if after = next; next == "" {
			return nil
		}
	}
}

// connectorDocument is a connector's document, as short as it can be.
type connectorDocument struct {
	Kind         string        `json:"kind"`
	Name         string        `json:"name"`
	Category     string        `json:"category,omitempty"`
	ProviderType string        `json:"provider_type,omitempty"`
	Module       string        `json:"module,omitempty"`
	Remote       bool          `json:"remote,omitempty"`
	Set          string        `json:"set,omitempty"`
	OnChange     spec.OnChange `json:"on_change,omitempty"`
	// DeviceManager names a connector where it is the user's own.
	DeviceManager spec.DeviceManager `json:"device_manager,omitempty"`
	Mapping       []spec.Mapping     `json:"mapping,omitempty"`
	Feed          spec.Feed          `json:"feed,omitzero"`
	Enabled       bool               `json:"is_enabled"`
	Default       bool               `json:"is_default,omitempty"`
	Params        []spec.Param       `json:"params,omitempty"`
	Config        json.RawMessage    `json:"config,omitempty"`
	Converter     *spec.Converter    `json:"converter,omitempty"`
	Grants        []spec.Grant       `json:"grants,omitempty"`
	Limits        spec.Limits        `json:"limits,omitzero"`
	Poll          spec.Poll          `json:"poll,omitzero"`
}

// documentOf leaves out what only this server knows: who granted, and when,
// and what may be known of secrets beyond that they are set.
func documentOf(c *spec.Connector) connectorDocument {
	d := connectorDocument{
		Kind: kindConnector, Name: c.Name, Category: c.Category, ProviderType: c.ProviderType, Module: c.Module,
		Remote: c.Remote, Set: c.Set, DeviceManager: c.DeviceManager, Mapping: c.Mapping, Feed: c.Feed, OnChange: c.OnChange, Enabled: c.Enabled, Default: c.Default, Limits: c.Limits, Poll: c.Poll,
		Config: param.Bare(c.Config),
	}
	d.Feed.IDs = nil // which are this server's
	if c.Converter != nil {
		bare := *c.Converter
		bare.Config = param.Bare(bare.Config)
		d.Converter = &bare
	}
	for _, row := range c.Params {
		if row.Secret != nil {
			row.Secret = nil
		}
		d.Params = append(d.Params, row)
	}
	for _, g := range c.Grants {
		g.GrantedBy, g.GrantedAt = "", time.Time{}
		d.Grants = append(d.Grants, g)
	}
	return d
}

// everyCategory is all categories, by name.
func (t *Tenant) everyCategory(ctx context.Context) (all []spec.Category, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		all, err = catalog.ListCategories(r)
		return err
	})
	return all, err
}

// everyConnector is all connectors of the tenant, by name.
func (t *Tenant) everyConnector(ctx context.Context) (all []spec.Connector, err error) {
	err = t.space.View(ctx, func(r store.Reader) error {
		all = nil
		for e, err := range store.All(r, store.Connectors, "") {
			if err != nil {
				return err
			}
			var c spec.Connector
			if err := json.Unmarshal(e.Value, &c); err != nil {
				return fault.Wrap(fault.Integrity, err, "connector %s", e.ID)
			}
			all = append(all, c)
		}
		slices.SortFunc(all, func(a, b spec.Connector) int { return strings.Compare(a.Name, b.Name) })
		return nil
	})
	return all, err
}
