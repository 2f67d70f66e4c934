package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Describe says in plain sentences what a module can and cannot do, from its
// imports and its manifest. The reason that the manifest gives is quoted, since
// it is a claim of the module's author; what stands before it is not.
func Describe(m spec.Module, groups capability.Registry) (can, cannot []string) {
	imported := functionsByGroup(m.Imports, groups)
	for _, g := range groups.Groups() {
		functions := imported[g.Name()]
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
	if sentence := tokenSentence(&m.Manifest); sentence != "" {
		can = append(can, sentence)
	}
	wasi := wasiOf(m.Imports)
	if sentence := through(wasi); sentence != "" {
		can = append(can, sentence)
	}
	cannot = outside(wasi, len(imported["file"]) > 0)
	for _, g := range groups.Groups() {
		if b, ok := g.(capability.Bounded); ok && len(imported[g.Name()]) > 0 {
			cannot = append(cannot, b.Cannot()...)
		}
	}
	return can, append(cannot, limits(m, groups, imported)...)
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
	failing := slices.DeleteFunc(slices.Clone(wasi), func(name string) bool { return !failsHere(name) })
	if len(failing) > 0 {
		sentences = append(sentences, fmt.Sprintf(
			"Its WASI calls for files and sockets are answered with an error, and reach nothing: %s.", strings.Join(failing, ", ")))
	}
	return sentences
}

// failsHere reports whether a function of WASI is there for programs that import
// it without a need, and always fails.
func failsHere(name string) bool {
	return strings.HasPrefix(name, "path_") || strings.HasPrefix(name, "sock_") ||
		(strings.HasPrefix(name, "fd_") && name != "fd_write") || name == "proc_raise"
}

// through says what a module reaches through WASI; "": nothing.
func through(wasi []string) string {
	var can []string
	for _, w := range []struct{ name, can string }{
		{"clock_time_get", "read the time"},
		{"random_get", "draw random numbers"},
		{"poll_oneoff", "sleep until its call's deadline"},
		{"fd_write", "write lines into its own log"},
		{"proc_exit", "end itself"},
	} {
		if slices.Contains(wasi, w.name) {
			can = append(can, w.can)
		}
	}
	if len(can) == 0 {
		return ""
	}
	text := can[len(can)-1]
	if len(can) > 1 {
		text = strings.Join(can[:len(can)-1], ", ") + " and " + text
	}
	return "Can " + text + ", through WASI and without a grant"
}

// limits says what this module in particular cannot do.
func limits(m spec.Module, groups capability.Registry, imported map[string][]string) (sentences []string) {
	var unused []string
	for _, g := range groups.Groups() {
		if len(imported[g.Name()]) == 0 && g.Name() != abi.CoreGroup {
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
	offer := engine.NewOffer(groups.Groups())
	return slices.DeleteFunc(slices.Clone(imports), func(i spec.Import) bool { return offer.Has(i.Module, i.Function) })
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

// wasiOf are the functions of WASI among the imports, by name.
func wasiOf(imports []spec.Import) (names []string) {
	for _, i := range imports {
		if i.Module == engine.WASIModule {
			names = append(names, i.Function)
		}
	}
	slices.Sort(names)
	return names
}
