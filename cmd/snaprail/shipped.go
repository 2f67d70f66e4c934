package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/snaprail/snaprail/api/client"
	connectorswasm "github.com/snaprail/snaprail/connectors-wasm"
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// shippedModule is a module that this binary carries.
type shippedModule struct {
	Name        string         `json:"name"`
	Type        string         `json:"type"`
	Version     string         `json:"version"`
	Kind        abi.ModuleKind `json:"kind"`
	Delivers    bool           `json:"delivers"`
	Description string         `json:"description"`
}

// shippedModules are all of them, by name.
func shippedModules() (list []shippedModule, err error) {
	for _, name := range connectorswasm.Names() {
		_, m, err := shippedModuleOf(name)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// shippedModuleOf is one of them, by its name or its type.
func shippedModuleOf(name string) (src []byte, m shippedModule, err error) {
	_, provider, typed := strings.Cut(name, "/")
	if !typed {
		provider = name
	}
	if src, err = connectorswasm.Module(provider); err != nil {
		return nil, m, notShipped(name)
	}
	section, _, err := wasmbin.Section(src, abi.ManifestSection)
	if err != nil {
		return nil, m, fault.Wrap(fault.Internal, err, "the module %s that is shipped", name)
	}
	manifest, err := parseManifest(section)
	if err != nil {
		return nil, m, err
	}
	m = shippedModule{
		Name: provider, Type: manifest.Category + "/" + manifest.ProviderType, Version: manifest.Version, Kind: manifest.Kind,
		Delivers: manifest.Delivers(), Description: manifest.Description,
	}
	if typed && m.Type != name {
		return nil, m, notShipped(name)
	}
	return src, m, nil
}

func notShipped(name string) error {
	return fault.New(fault.Usage, "this binary carries no module %q", name).
		WithHint("It carries: %s.", strings.Join(connectorswasm.Names(), ", "))
}

func (a *app) printShipped() error {
	list, err := shippedModules()
	if err != nil {
		return err
	}
	return a.show(list, func() {
		rows := make([][]string, len(list))
		for i, m := range list {
			rows[i] = []string{m.Name, m.Type, m.Version, kindText(m.Kind, m.Delivers), m.Description}
		}
		a.rows([]string{"NAME", "TYPE", "VERSION", "KIND", "WHAT IT IS"}, rows)
	})
}

// kindText is what a module is for, and whether it takes records out.
func kindText(kind abi.ModuleKind, delivers bool) string {
	if delivers && kind != abi.KindSink {
		return string(kind) + ", sink"
	}
	return string(kind)
}

// pushShipped uploads modules that the binary carries.
func (a *app) pushShipped(ctx context.Context, api *client.Client, names []string, manifest string) error {
	if manifest != "" {
		return fault.New(fault.Usage, "--shipped takes names of modules that this binary carries, and no --manifest").
			WithHint("`snaprail modules push --shipped` lists them.")
	}
	sources := make([][]byte, len(names))
	for i, name := range names {
		src, _, err := shippedModuleOf(name)
		if err != nil {
			return err
		}
		sources[i] = src
	}
	for i := range names {
		m, created, err := api.PushModule(ctx, bytes.NewReader(sources[i]), nil)
		if err := a.pushed(m, created, err); err != nil {
			return err
		}
	}
	return nil
}

// moduleOf is a module of the server by its digest, its type, or the name of one
// that is shipped.
func moduleOf(ctx context.Context, api *client.Client, name string) (client.Module, error) {
	m, err := api.Module(ctx, name)
	if err == nil || !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Invalid) {
		return m, err
	}
	typed := name
	if _, shipped, none := shippedModuleOf(name); none == nil {
		typed = shipped.Type
	}
	category, provider, ok := strings.Cut(typed, "/")
	if !ok {
		return m, err
	}
	t, missing := api.Type(ctx, category, provider)
	switch {
	case missing == nil && t.Module != "":
		return api.Module(ctx, t.Module)
	case fault.Is(missing, fault.TypeUnknown) && typed != name:
		return m, fault.New(fault.NotFound, "the server does not have %s yet", typed).
			WithHint("`snaprail modules push --shipped %s` uploads it; `snaprail inspect %s` shows it without.", name, name)
	case missing != nil && !fault.Is(missing, fault.NotFound):
		return m, missing
	}
	return m, err
}

// versionLine says what a module is: the type and version that connectors are made
// of.
func versionLine(m *client.Module) string {
	return fmt.Sprintf("%s/%s %s", m.Manifest.Category, m.Manifest.ProviderType, m.Manifest.Version)
}
