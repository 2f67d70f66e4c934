package engine

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine/extism"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A guest with an Extism PDK calls our groups through blocks of its kernel:
// <group>_<function>(block) -> block, with the bytes that the direct contract
// has for the request and the reply. An empty reply is no block; so is an
// error, and coreError then makes a block of it.
const (
	coreError   = "core_error"
	userParams  = "I"
	userResults = "I"
)

// userFunction is one function of a group as these guests import it.
type userFunction struct{ group, function string }

func (f userFunction) name() string { return f.group + "_" + f.function }

// userFunctions lists those of the groups. Nobody has to take a reply here.
func userFunctions(groups []capability.Group) []userFunction {
	var all []userFunction
	for _, name := range coreFunctions() {
		if name != coreTake {
			all = append(all, userFunction{abi.CoreGroup, name})
		}
	}
	for _, g := range groups {
		for _, f := range g.Functions() {
			all = append(all, userFunction{g.Name(), f.Name})
		}
	}
	return all
}

// addExtism offers what guests with an Extism PDK may import.
func (o Offer) addExtism(groups []capability.Group) {
	functions := make(map[string]offered)
	for _, f := range kernelFunctions() {
		functions[f.name] = offered{f.params, f.results, ""}
	}
	o.modules[kernelModule] = functions
	functions = map[string]offered{coreError: {"", userResults, abi.CoreGroup}}
	for _, f := range userFunctions(groups) {
		functions[f.name()] = offered{userParams, userResults, f.group}
	}
	o.modules[userModule] = functions
}

// buildUser makes the module that all guests import our groups from. What of it
// a guest may import is checked before it is linked, and whether a group's
// calls reach the Host is settled then too.
func buildUser(ctx context.Context, r wazero.Runtime, groups []capability.Group) (api.Module, error) {
	b := r.NewHostModuleBuilder(userModule)
	export := func(name, params string, call api.GoModuleFunc) {
		b.NewFunctionBuilder().WithGoModuleFunction(call, valueTypes(params), valueTypes(userResults)).Export(name)
	}
	for _, f := range userFunctions(groups) {
		export(f.name(), userParams, user(f.group, f.function))
	}
	export(coreError, "", userError)
	return instantiateHost(ctx, r, b)
}

// user is one function of a group.
func user(group, function string) api.GoModuleFunc {
	refused := encodeError(nil, notGranted(group))
	return func(ctx context.Context, _ api.Module, stack []uint64) {
		i := caller(ctx)
		k := i.kernel
		k.failure = k.failure[:0]
		if access, _ := k.link.access(group); access != Linked {
			i.deny(group, function)
			i.charge(0)
			k.failure = append(k.failure, refused...)
			stack[0] = 0
			return
		}
		i.used.hostCalls.Add(1)
		in := k.Block(stack[0])
		began := i.engine.now()
		i.rests()
		reply, err := i.serve(group, function, in, k.reply[:0]) //nolint:contextcheck // the Host's is the meter
		i.returned(began, i.wasi.clock.tick(i.engine.started))
		i.charge(len(in) + len(reply))
		stack[0] = i.hand(reply, err)
	}
}

// hand gives a reply to the guest as a block.
func (i *Instance) hand(reply []byte, err error) (at uint64) {
	k := i.kernel
	if err == nil && len(reply) > MaxCrossing {
		err = fault.New(fault.TooLarge, "a reply of %d bytes, and %d are allowed", len(reply), MaxCrossing)
	}
	if err != nil {
		k.failure = encodeError(k.failure[:0], err)
		return 0
	}
	if cap(reply) <= MaxCrossing {
		k.reply = reply // its room is used again
	}
	at, ok := k.Put(reply)
	if !ok {
		i.refuse(extism.ErrNoRoom)
	}
	return at
}

// userError () -> block: why the last function answered no block; 0: it did not
// fail.
func userError(ctx context.Context, _ api.Module, stack []uint64) {
	i := caller(ctx)
	i.bill(kernelUnits)
	at, ok := i.kernel.Put(i.kernel.failure)
	if !ok {
		i.refuse(extism.ErrNoRoom)
	}
	stack[0] = at
}

// linkExtism makes the modules that guests with an Extism PDK are linked to.
func (e *Engine) linkExtism(ctx context.Context, groups []capability.Group) (err error) {
	if e.kernel, err = buildKernel(ctx, e.runtime); err != nil {
		return err
	}
	e.user, err = buildUser(ctx, e.runtime, groups)
	return err
}
