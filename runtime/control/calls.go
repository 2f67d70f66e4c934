package control

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/adapter"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The time that a caller waits for an operation.
const (
	usualCall = 10 * time.Second
	maxCall   = time.Minute
)

// CallResult is what an operation answered, and who did.
type CallResult struct {
	Result       json.RawMessage // null when it answered nothing
	Category     string
	ProviderType string
	Connector    string // id; "": a provider that is built in
	Name         string // of the connector
	Latency      time.Duration
}

// CallCategory runs an operation of a category with the tenant's default
// connector of it, else with the provider that is built in. args is a JSON
// object with the arguments that the category names; none is {}. wait is how
// long the caller waits, up to a minute; 0: ten seconds.
//
// fault.TypeUnknown: nobody offers the category, or there is none.
// fault.WrongState: its default connector does not run. fault.Unsupported: the
// category has no such operation.
func (t *Tenant) CallCategory(ctx context.Context, category, operation string, args json.RawMessage, wait time.Duration) (CallResult, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return CallResult{}, err
	}
	var c spec.Connector
	var of spec.Category
	err := t.space.View(ctx, func(r store.Reader) (err error) {
		if of, err = catalog.ReadCategory(r, category); err != nil {
			return err
		}
		c, err = defaultOf(r, category)
		if fault.Is(err, fault.NotFound) {
			c, err = spec.Connector{}, nil
		}
		return err
	})
	if err != nil {
		return CallResult{}, err
	}
	o := operationOf(of, operation)
	if o == nil {
		return CallResult{}, noOperation(of, operation)
	}
	if args, err = checkArguments(o, args); err != nil {
		return CallResult{}, err
	}
	ctx, cancel, err := waiting(ctx, wait)
	if err != nil {
		return CallResult{}, err
	}
	defer cancel()
	if c.ID == "" {
		return t.callBuiltIn(ctx, category, operation, args)
	}
	return t.call(ctx, &c, operation, args)
}

// CallConnector runs an operation of one connector: of its category, or another
// one that its module exports. See CallCategory.
func (t *Tenant) CallConnector(ctx context.Context, idOrName, operation string, args json.RawMessage, wait time.Duration) (CallResult, error) {
	if err := t.may(ctx, identity.Connectors, identity.Use); err != nil {
		return CallResult{}, err
	}
	var c spec.Connector
	var m spec.Module
	var of spec.Category
	err := t.space.View(ctx, func(r store.Reader) (err error) {
		if c, err = find(r, idOrName); err != nil {
			return err
		}
		if m, err = moduleOf(r, c.Module); err != nil {
			return err
		}
		of, err = catalog.ReadCategory(r, m.Manifest.Category)
		if fault.Is(err, fault.NotFound) { // it was there before categories were
			of, err = spec.Category{Name: m.Manifest.Category}, nil
		}
		return err
	})
	if err != nil {
		return CallResult{}, err
	}
	o := operationOf(of, operation)
	exported := isPlainName(operation) && slices.Contains(m.Exports, abi.OperationPrefix+operation)
	if o == nil && !exported {
		return CallResult{}, noOperation(of, operation)
	}
	if args, err = checkArguments(o, args); err != nil {
		return CallResult{}, err
	}
	ctx, cancel, err := waiting(ctx, wait)
	if err != nil {
		return CallResult{}, err
	}
	defer cancel()
	return t.call(ctx, &c, operation, args)
}

func moduleOf(r store.Reader, digest string) (m spec.Module, err error) {
	e, err := r.Get(store.Modules, digest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(e.Value, &m); err != nil {
		return m, fault.Wrap(fault.Integrity, err, "module %s", digest)
	}
	return m, nil
}

func (t *Tenant) call(ctx context.Context, c *spec.Connector, operation string, args json.RawMessage) (CallResult, error) {
	result := CallResult{Category: c.Category, ProviderType: c.ProviderType, Connector: c.ID, Name: c.Name}
	if !c.Enabled {
		return result, fault.New(fault.WrongState, "the connector %s is not active", c.Name).WithHint("Activate it first.")
	}
	began := time.Now()
	out, err := t.runtime.Call(ctx, c.ID, abi.OperationPrefix+operation, args)
	if err != nil {
		return result, asSaid(err)
	}
	if len(out) == 0 {
		out = []byte("null")
	}
	if !json.Valid(out) {
		return result, fault.New(fault.Guest, "the operation %s of %s answered what is not JSON", operation, c.Name)
	}
	result.Result, result.Latency = out, time.Since(began)
	return result, nil
}

// asSaid takes a provider at its word about what the caller did wrong, which is
// no failure of the provider's.
func asSaid(err error) error {
	kinds := map[abi.FaultKind]fault.Kind{
		abi.FaultNotFound: fault.NotFound, abi.FaultInvalid: fault.Invalid, abi.FaultConflict: fault.Exists,
	}
	f := fault.Of(err)
	kind, ok := kinds[f.Said]
	if !ok || f.Kind != fault.Guest {
		return err
	}
	said := *f
	said.Kind = kind
	if said.Hint == "" {
		said.Hint = "This is what the provider says."
	}
	return &said
}

func (t *Tenant) callBuiltIn(ctx context.Context, category, operation string, args json.RawMessage) (CallResult, error) {
	a, ok := adapter.Of(category)
	if !ok || t.adapters() == nil {
		return CallResult{}, fault.New(fault.TypeUnknown, "the category %s has no default connector, and nothing for it is built in", category).
			WithHint("Make a connector of the category, and set is_default on it.")
	}
	began := time.Now()
	out, err := t.adapters().Call(ctx, category, operation, args)
	if err != nil {
		return CallResult{}, err
	}
	return CallResult{Result: out, Category: category, ProviderType: a.ProviderType, Latency: time.Since(began)}, nil
}

// waiting bounds a call by how long its caller waits.
func waiting(ctx context.Context, wait time.Duration) (context.Context, context.CancelFunc, error) {
	switch {
	case wait < 0 || wait > maxCall:
		return nil, nil, fault.New(fault.Invalid, "a caller waits 1ms to %s for an operation", maxCall)
	case wait == 0:
		wait = usualCall
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	return ctx, cancel, nil
}

// operationOf is the operation of a category, or nil.
func operationOf(c spec.Category, operation string) *spec.Operation {
	if i := slices.IndexFunc(c.Operations, func(o spec.Operation) bool { return o.Name == operation }); i >= 0 {
		return &c.Operations[i]
	}
	return nil
}

func noOperation(c spec.Category, operation string) error {
	names := make([]string, len(c.Operations))
	for i, o := range c.Operations {
		names[i] = o.Name
	}
	return fault.New(fault.Unsupported, "the category %s has no operation %.64q", c.Name, operation).
		WithHint("It has: %s.", orNone(strings.Join(names, ", ")))
}

// checkArguments sees that args is one JSON object, and that it has what the
// operation asks for and nothing else. Of an operation that no category names,
// o is nil and the guest alone can tell.
func checkArguments(o *spec.Operation, args json.RawMessage) (json.RawMessage, error) {
	if len(bytes.TrimSpace(args)) == 0 {
		args = json.RawMessage("{}")
	}
	names, err := fieldNames(args)
	if err != nil {
		return nil, err
	}
	if o == nil {
		return args, nil
	}
	var f findings
	for _, p := range o.Parameters {
		if !slices.Contains(names, p) {
			f.wrong("/"+p, "is required by %s", o.Name)
		}
	}
	for _, n := range names {
		if !slices.Contains(o.Parameters, n) && !slices.Contains(o.Optional, n) {
			f.wrong("/"+pointerPart(fault.Clip(n, maxType)), "is no argument of %s: it takes %s", o.Name,
				orNone(strings.Join(slices.Concat(o.Parameters, o.Optional), ", ")))
		}
		if len(f.bad) > maxArguments {
			break
		}
	}
	return args, f.of("call")
}

func pointerPart(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }

// fieldNames are the names of an object's fields, each of which comes once.
func fieldNames(object json.RawMessage) (names []string, err error) {
	notOne := fault.New(fault.Invalid, "the arguments are not one JSON object")
	if !json.Valid(object) {
		return nil, notOne
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, notOne
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, notOne
		}
		text, _ := name.(string)
		if slices.Contains(names, text) {
			return nil, fault.New(fault.Invalid, "the argument %.64q is given twice", text)
		}
		if names = append(names, text); len(names) > maxArguments*2 {
			return nil, fault.New(fault.Invalid, "an operation takes at most %d arguments", maxArguments)
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return nil, notOne
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, notOne
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, notOne
	}
	return names, nil
}
