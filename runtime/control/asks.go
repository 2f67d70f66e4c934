package control

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/spec"
)

// ask is what a module asks of one group.
type ask struct {
	group     string
	contained bool // reaches nothing outside of the connector, and needs no grant
	optional  bool // it says that it works without
	reason    string
	// rights are those that its manifest names, and those of the functions that
	// it imports, whatever its manifest says.
	rights    []spec.Right
	functions []capability.Function // imported, in the group's order
}

// asks is what a module asks for, by group.
func asks(m spec.Module, groups capability.Registry) []ask {
	imported := functionsByGroup(m.Imports, groups)
	var all []ask
	for _, c := range m.Manifest.Capabilities {
		a := ask{group: c.Group, optional: c.Optional, reason: strings.TrimSpace(c.Reason)}
		for _, r := range c.Rights {
			a.rights = append(a.rights, spec.Right(r))
		}
		if g, known := groups.Group(c.Group); known {
			a.contained = capability.IsContained(g)
			for _, f := range g.Functions() {
				if slices.Contains(imported[c.Group], f.Name) {
					a.functions = append(a.functions, f)
					a.rights = append(a.rights, f.Right)
				}
			}
		}
		a.rights = slices.DeleteFunc(a.rights, func(r spec.Right) bool { return r == "" })
		slices.Sort(a.rights)
		a.rights = slices.Compact(a.rights)
		all = append(all, a)
	}
	slices.SortStableFunc(all, func(x, y ask) int { return strings.Compare(x.group, y.group) })
	return all
}

// asksKey is a digest of all that consent is about: the groups, whether the
// module can do without, and the rights.
func asksKey(all []ask) string {
	h := sha256.New()
	for _, a := range all {
		if !a.contained {
			fmt.Fprintf(h, "%s %t %s\n", a.group, a.optional, a.rights) // no group's name holds a blank
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// extismUser is where a module with an Extism PDK imports the groups from, each
// function as group_function.
const extismUser = "extism:host/user"

// functionsByGroup sorts imports by the group that they reach.
func functionsByGroup(imports []spec.Import, groups capability.Registry) map[string][]string {
	by := make(map[string][]string)
	for _, i := range imports {
		if group, function, ok := reaches(i, groups); ok {
			by[group] = append(by[group], function)
		}
	}
	for _, functions := range by {
		slices.Sort(functions)
	}
	return by
}

// reaches is the group and the function that an import names, whether they
// exist or not; ok is false for imports of other kinds.
func reaches(i spec.Import, groups capability.Registry) (group, function string, ok bool) {
	if name, ours := strings.CutPrefix(i.Module, abi.ImportPrefix); ours {
		return name, i.Function, true
	}
	if i.Module != extismUser {
		return "", "", false
	}
	for _, g := range groups.Groups() {
		if f, of := strings.CutPrefix(i.Function, g.Name()+"_"); of {
			return g.Name(), f, true
		}
	}
	return "", "", false
}
