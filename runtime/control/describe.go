package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/spec"
)

// wasiModule is the import module of WASI preview 1.
const wasiModule = "wasi_snapshot_preview1"

// Describe says in plain sentences what a module can and cannot do, from its
// imports and its manifest. The reason that the manifest gives is quoted, since
// it is a claim of the module's author; what stands before it is not.
func Describe(m spec.Module, groups capability.Registry) (can, cannot []string) {
	imported := functionsByModule(m.Imports)
	for _, g := range groups.Groups() {
		functions := imported[abi.ImportPrefix+g.Name()]
		if len(functions) == 0 || g.Name() == abi.CoreGroup {
			continue
		}
		c := declared(m.Manifest, g.Name())
		for _, f := range g.Functions() {
			if slices.Contains(functions, f.Name) {
				can = append(can, ability(g, f, c))
			}
		}
	}
	return can, append(outside(imported[wasiModule], len(imported[abi.ImportPrefix+"file"]) > 0), limits(m, groups, imported)...)
}

// ability is one sentence for one host function.
func ability(g capability.Group, f capability.Function, c *abi.Capability) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Can %s (%s%s %s)", f.Sentence, abi.ImportPrefix, g.Name(), f.Name)
	switch {
	case capability.IsContained(g):
		b.WriteString(", without a grant")
	case c != nil && c.Optional:
		b.WriteString(", if that is granted; it works without")
	}
	if c != nil && c.Reason != "" {
		fmt.Fprintf(&b, ". Its reason: %q", strings.TrimSpace(c.Reason))
	}
	return b.String()
}

// outside says what no module can do, and which of its calls will notice.
func outside(wasi []string, files bool) []string {
	what := "files"
	if files {
		what = "any other files"
	}
	sentences := []string{
		"Cannot open " + what + " or network sockets, start programs, or read the environment of the server.",
	}
	failing := slices.DeleteFunc(slices.Clone(wasi), func(name string) bool {
		return !strings.HasPrefix(name, "path_") && !strings.HasPrefix(name, "sock_")
	})
	if len(failing) > 0 {
		sentences = append(sentences, fmt.Sprintf(
			"Its WASI calls for files and sockets are answered with an error, and reach nothing: %s.", strings.Join(failing, ", ")))
	}
	return sentences
}

// limits says what this module in particular cannot do.
func limits(m spec.Module, groups capability.Registry, imported map[string][]string) (sentences []string) {
	var unused []string
	for _, g := range groups.Groups() {
		if len(imported[abi.ImportPrefix+g.Name()]) == 0 && g.Name() != abi.CoreGroup {
			unused = append(unused, g.Name())
		}
	}
	if len(unused) > 0 {
		sentences = append(sentences, fmt.Sprintf("Cannot use these groups, because it does not import them: %s.", strings.Join(unused, ", ")))
	}
	for _, i := range Unknown(m.Imports, groups) {
		sentences = append(sentences, fmt.Sprintf("Cannot run here: it imports %s %s, which this version does not have.", i.Module, i.Function))
	}
	return sentences
}

// Unknown lists the imports that this version cannot link.
func Unknown(imports []spec.Import, groups capability.Registry) []spec.Import {
	return slices.DeleteFunc(slices.Clone(imports), func(i spec.Import) bool { return known(i, groups) })
}

// known reports whether the import is one that this version may link. The
// functions of core and of WASI are the engine's to know.
func known(i spec.Import, groups capability.Registry) bool {
	name, ours := strings.CutPrefix(i.Module, abi.ImportPrefix)
	if !ours {
		return i.Module == wasiModule
	}
	if name == abi.CoreGroup {
		return true
	}
	g, ok := groups.Group(name)
	if !ok {
		return false
	}
	_, ok = capability.Find(g, i.Function)
	return ok
}

// declared is what the manifest says of a group, or nil.
func declared(m abi.Manifest, group string) *abi.Capability {
	for i := range m.Capabilities {
		if m.Capabilities[i].Group == group {
			return &m.Capabilities[i]
		}
	}
	return nil
}

// functionsByModule sorts imports by the module they come from.
func functionsByModule(imports []spec.Import) map[string][]string {
	by := make(map[string][]string)
	for _, i := range imports {
		by[i.Module] = append(by[i.Module], i.Function)
	}
	for _, functions := range by {
		slices.Sort(functions)
	}
	return by
}
