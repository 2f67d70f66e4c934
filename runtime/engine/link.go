package engine

import (
	"context"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// Access says how far a group's functions reach.
type Access uint8

// The kinds of access.
const (
	// Linked: calls reach the Host.
	Linked Access = iota
	// Denied: the manifest names the group as optional and it was not
	// granted. Calls are answered denied, and counted.
	Denied
	accesses
)

// Link says which groups a guest is linked to, by name. A group that is not in
// it may not be imported. The core group is always linked.
type Link map[string]Access

// group is a group as modules are linked to it: one wazero module for each
// kind of access, made once and shared by all guests.
type group struct {
	name      string
	functions []string
	modules   [accesses]api.Module
}

// hostParams and hostResults are the signature of every host function.
const (
	hostParams  = "iiii"
	hostResults = "I"
)

// coreFunctions are the functions of the core group. The engine serves take,
// the Host the others.
func coreFunctions() []string { return []string{"emit", "health", "receive", coreTake} }

const coreTake = "take"

// link makes the modules that guests are linked to.
func (e *Engine) link(ctx context.Context, groups []capability.Group) error {
	e.offer = NewOffer(groups)
	e.groups = make(map[string]*group, len(groups)+1)
	e.groups[abi.CoreGroup] = &group{name: abi.CoreGroup, functions: coreFunctions()}
	for _, g := range groups {
		named := &group{name: g.Name()}
		for _, f := range g.Functions() {
			named.functions = append(named.functions, f.Name)
		}
		if e.groups[named.name] != nil {
			return fault.New(fault.Internal, "two groups have the name %q", named.name)
		}
		e.groups[named.name] = named
	}
	for _, g := range e.groups {
		if err := g.build(ctx, e.runtime); err != nil {
			return fault.Wrap(fault.Internal, err, "group %s cannot be linked", g.name)
		}
	}
	wasi, err := buildWASI(ctx, e.runtime)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "WASI cannot be linked")
	}
	e.wasi = wasi
	if e.meter, err = buildMeter(ctx, e.runtime); err != nil {
		return fault.Wrap(fault.Internal, err, "the meter cannot be linked")
	}
	if err := e.linkExtism(ctx, groups); err != nil {
		return fault.Wrap(fault.Internal, err, "the Extism kernel cannot be linked")
	}
	return nil
}

func (g *group) build(ctx context.Context, r wazero.Runtime) error {
	for access := range accesses {
		b := r.NewHostModuleBuilder(abi.ImportPrefix + g.name)
		for _, f := range g.functions {
			b.NewFunctionBuilder().
				WithGoModuleFunction(g.function(f, access), valueTypes(hostParams), valueTypes(hostResults)).
				Export(f)
		}
		module, err := instantiateHost(ctx, r, b)
		if err != nil {
			return err
		}
		g.modules[access] = module
	}
	return nil
}

func (g *group) function(name string, access Access) api.GoModuleFunc {
	switch {
	case access == Denied:
		return denied(g.name, name)
	case g.name == abi.CoreGroup && name == coreTake:
		return take
	}
	return served(g.name, name)
}

// instantiateHost makes a module without a name, so that only our resolver can
// find it.
func instantiateHost(ctx context.Context, r wazero.Runtime, b wazero.HostModuleBuilder) (api.Module, error) {
	code, err := b.Compile(ctx)
	if err != nil {
		return nil, err
	}
	return r.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName(""))
}

// resolver finds the modules that a guest with this link is linked to.
func (e *Engine) resolver(link Link) experimental.ImportResolver {
	return func(module string) api.Module {
		switch module {
		case WASIModule:
			return e.wasi
		case wasmbin.MeterModule:
			return e.meter
		case kernelModule:
			return e.kernel
		case userModule:
			return e.user
		}
		name, ours := strings.CutPrefix(module, abi.ImportPrefix)
		g := e.groups[name]
		access, linked := link.access(name)
		if !ours || g == nil || !linked {
			return nil
		}
		return g.modules[access]
	}
}

func (l Link) access(group string) (Access, bool) {
	if group == abi.CoreGroup {
		return Linked, true
	}
	access, ok := l[group]
	return access, ok && access < accesses
}
