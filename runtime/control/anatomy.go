package control

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// Anatomy is what a module's binary shows of it, without its running.
type Anatomy struct {
	Toolchain   []string // who made it, as it says itself
	MemoryStart uint64   // bytes that it has from the start
	MemoryMost  uint64   // bytes that it may ask for
	Bounds      []Bound  // of what is taken in, the nearest first
	StartsCode  bool     // when it is instantiated, before any entry point is called
	Extism      bool     // made with an Extism PDK
}

// Bound is a bound of what is taken in, and how much of it a module uses.
type Bound struct {
	What       string
	Used, Most uint64
}

// Share is how much of the bound is used, in percent.
func (b Bound) Share() uint64 { return b.Used * 100 / max(b.Most, 1) }

// Dissect reads a module's anatomy out of what the check found.
func Dissect(info *wasmbin.Info) Anatomy {
	const page = 64 << 10
	a := Anatomy{Toolchain: info.Toolchain, StartsCode: info.HasStart, Extism: info.HasExtism}
	if info.HasMemory {
		a.MemoryStart, a.MemoryMost = uint64(info.MemoryMin)*page, uint64(info.MemoryMax)*page
	}
	for _, b := range []struct {
		what       string
		used, most int
	}{
		{"functions", info.Functions, wasmbin.MaxFunctions},
		{"bytes of the largest function", info.LargestBody, wasmbin.MaxBody},
		{"imports", len(info.Imports), wasmbin.MaxImports},
		{"exports", len(info.Exports), wasmbin.MaxExports},
		{"globals", info.Globals, wasmbin.MaxGlobals},
		{"data segments", info.Segments, wasmbin.MaxSegments},
		{"table entries", int(info.TableMin), wasmbin.MaxTable},
		{"custom sections", len(info.Custom), wasmbin.MaxCustom},
	} {
		a.Bounds = append(a.Bounds, Bound{b.what, uint64(b.used), uint64(b.most)})
	}
	slices.SortStableFunc(a.Bounds, func(x, y Bound) int { return cmp.Compare(y.Share(), x.Share()) })
	return a
}

// near is the share of a bound, in percent, from which it is worth a word.
const near = 75

// Sentences say it to a person.
func (a Anatomy) Sentences() []string {
	var s []string
	if len(a.Toolchain) > 0 {
		s = append(s, "It says that it was made with "+strings.Join(a.Toolchain, ", ")+".")
	}
	if a.Extism {
		s = append(s, "It was made with an Extism PDK, and runs unmodified.")
	}
	if a.MemoryMost > 0 {
		s = append(s, fmt.Sprintf("It starts with %s of memory, and may ask for %s; the connector's memory limit holds in any case.",
			bytesText(a.MemoryStart), bytesText(a.MemoryMost)))
	}
	if a.StartsCode {
		s = append(s, "It runs code as soon as it is loaded, before it is opened; its deadline and its limits hold there too.")
	}
	var tight []string
	for _, b := range a.Bounds {
		if b.Share() >= near {
			tight = append(tight, fmt.Sprintf("%s, %d of %d", b.What, b.Used, b.Most))
		}
	}
	switch {
	case len(tight) > 0:
		s = append(s, "It comes near a bound of what is taken in: "+strings.Join(tight, "; ")+".")
	case len(a.Bounds) > 0:
		b := a.Bounds[0]
		s = append(s, fmt.Sprintf("It is within every bound of what is taken in; the nearest is %s, %d of %d.", b.What, b.Used, b.Most))
	}
	return append(s, "Its instructions are counted as it runs: it cannot outlast a deadline, and its share of the processor can be bounded.")
}

func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// Need is a grant that a module has a use for.
type Need struct {
	Grant    spec.Grant // its resources are for the operator to name
	Optional bool
}

// AnyResource stands in a Need's grant where a resource has to be named. As a
// pattern it covers nothing.
const AnyResource = "…"

// Needs are the grants that a module needs, then those that it can do without,
// in a form to put into a connector. The reason is the module's own.
func Needs(m spec.Module, groups capability.Registry) (needs []Need) {
	for _, a := range asks(m, groups) {
		if a.contained {
			continue
		}
		needs = append(needs, Need{spec.Grant{
			Group: a.group, Resources: []string{AnyResource}, Rights: a.rights, Reason: a.reason,
		}, a.optional})
	}
	slices.SortStableFunc(needs, func(x, y Need) int {
		switch {
		case x.Optional == y.Optional:
			return 0
		case y.Optional:
			return -1
		}
		return 1
	})
	return needs
}
