package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// Offer is every function that modules may import here. It is the one place
// that knows; it is immutable.
type Offer struct {
	modules map[string]map[string]offered // by import module and name
}

// offered is one function, with types as wasmbin writes them.
type offered struct {
	params, results string
	group           string // that has to be linked; "": none
}

// NewOffer is what a host with these groups offers: them, the core group and
// WASI.
func NewOffer(groups []capability.Group) Offer {
	o := Offer{modules: map[string]map[string]offered{WASIModule: {}}}
	for _, f := range wasiFunctions() {
		o.modules[WASIModule][f.name] = offered{f.params, f.results(), ""}
	}
	o.addExtism(groups)
	o.add(abi.CoreGroup, coreFunctions())
	for _, g := range groups {
		var names []string
		for _, f := range g.Functions() {
			names = append(names, f.Name)
		}
		o.add(g.Name(), names)
	}
	return o
}

func (o Offer) add(group string, names []string) {
	functions := make(map[string]offered, len(names))
	for _, n := range names {
		functions[n] = offered{hostParams, hostResults, group}
	}
	o.modules[abi.ImportPrefix+group] = functions
}

// Has reports whether there is a function of this name, of whatever type.
func (o Offer) Has(module, function string) bool {
	_, ok := o.modules[module][function]
	return ok
}

// Check looks at everything that a module imports before anything is compiled
// or linked. One fault names all that it cannot have: ImportUnknown if any of
// it does not exist here, else ImportUndeclared.
func (o Offer) Check(imports []wasmbin.Import, link Link) error {
	var unknown, undeclared refusals
	for _, i := range imports {
		f, why := o.find(i)
		if why != "" {
			unknown.add(i, why)
			continue
		}
		if _, linked := link.access(f.group); f.group != "" && !linked {
			undeclared.add(i, "the manifest does not name the capability "+f.group)
		}
	}
	if unknown.total+undeclared.total == 0 {
		return nil
	}
	kind := fault.ImportUndeclared
	if unknown.total > 0 {
		kind = fault.ImportUnknown
	}
	return fault.New(kind, "the module imports what it cannot have: %s", strings.Join(slices.Concat(unknown.list(), undeclared.list()), "; "))
}

// find is the function that an import names, or why there is none.
func (o Offer) find(i wasmbin.Import) (f offered, why string) {
	if i.Kind != wasmbin.Function {
		return f, "a " + i.Kind.String() + ", and only functions can be imported"
	}
	functions, found := o.modules[i.Module]
	_, ours := strings.CutPrefix(i.Module, abi.ImportPrefix)
	switch {
	case !found && ours:
		return f, "no group of this name; there are " + o.groups()
	case !found:
		return f, "no module of this name"
	}
	f, found = functions[i.Name]
	switch {
	case !found && ours:
		return f, "the group has " + strings.Join(slices.Sorted(maps.Keys(functions)), ", ")
	case !found && i.Module == WASIModule:
		return f, "no function of WASI preview 1"
	case !found && i.Module == userModule:
		return f, "functions here are named <group>_<function>, and there are " + strings.Join(slices.Sorted(maps.Keys(functions)), ", ")
	case !found:
		return f, "no function of this module"
	case f.params != i.Params || f.results != i.Results:
		return f, "its type must be " + typeText(f.params, f.results)
	}
	return f, ""
}

func (o Offer) groups() string {
	var names []string
	for module := range o.modules {
		if name, ours := strings.CutPrefix(module, abi.ImportPrefix); ours {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// typeText is a function's type as people write it: (i32, i32) -> i64.
func typeText(params, results string) string {
	names := func(types string) string {
		var all []string
		for _, t := range types {
			all = append(all, map[rune]string{'i': "i32", 'I': "i64", 'f': "f32", 'F': "f64"}[t])
		}
		return strings.Join(all, ", ")
	}
	if results == "" {
		results = "nothing"
	} else {
		results = names(results)
	}
	return "(" + names(params) + ") -> " + results
}

// refusals is a list of imports with a reason each, of bounded length.
type refusals struct {
	total int
	first []string
}

func (r *refusals) add(i wasmbin.Import, why string) {
	const most = 50
	if r.total++; r.total <= most {
		r.first = append(r.first, fmt.Sprintf("%s.%s (%s)", fault.Clip(i.Module, 100), fault.Clip(i.Name, 100), why))
	}
}

func (r *refusals) list() []string {
	if more := r.total - len(r.first); more > 0 {
		return append(r.first, fmt.Sprintf("and %d more", more))
	}
	return r.first
}

// Declared is the link of a module that is asked what it is, and may reach
// nothing: every group that its manifest names, denied.
func Declared(capabilities []abi.Capability) Link {
	link := make(Link, len(capabilities))
	for _, c := range capabilities {
		link[c.Group] = Denied
	}
	return link
}

// CheckImports is Offer.Check for what this engine offers.
func (e *Engine) CheckImports(info *wasmbin.Info, link Link) error {
	return e.offer.Check(info.Imports, link)
}
