package main

import (
	"errors"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// parseManifest reads a manifest; each mistake becomes a field.
func parseManifest(text []byte) (*abi.Manifest, error) {
	m, err := abi.ParseManifest(text)
	if err == nil {
		return m, nil
	}
	f := fault.New(fault.ManifestInvalid, "the manifest is wrong")
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "the manifest is wrong")
	}
	for _, e := range many.Unwrap() {
		name, detail, _ := strings.Cut(e.Error(), ": ")
		f.Fields = append(f.Fields, fault.Field{Pointer: pointer(name), Detail: detail})
	}
	return nil, f
}

// pointer is "capabilities[0].group" as a JSON Pointer.
func pointer(field string) string {
	return "/" + strings.NewReplacer("[", "/", "].", "/", "]", "", ".", "/").Replace(field)
}

// fits checks that a module has what its manifest claims, and that the
// manifest names what the module imports.
func fits(info *wasmbin.Info, m *abi.Manifest) error {
	if err := hasExports(info, m); err != nil {
		return err
	}
	declared := map[string]bool{abi.CoreGroup: true}
	for _, c := range m.Capabilities {
		declared[c.Group] = true
	}
	for _, i := range info.Imports {
		group, ours := strings.CutPrefix(i.Module, abi.ImportPrefix)
		if ours && !declared[group] {
			return fault.New(fault.ImportUndeclared, "the module imports %s %s, and its manifest does not name the group %q",
				i.Module, i.Name, group)
		}
	}
	return nil
}

// hasExports checks that the entry points that the manifest claims are there,
// with their type. Those of an Extism module need no memory of ours to talk in.
func hasExports(info *wasmbin.Info, m *abi.Manifest) error {
	var missing []string
	if e, ok := info.Export(abi.ExportMemory); !info.HasExtism && (!ok || e.Kind != wasmbin.Memory) {
		missing = append(missing, abi.ExportMemory)
	}
	if e, ok := info.Export(abi.ExportAlloc); !info.HasExtism && (!ok || e.Kind != wasmbin.Function) {
		missing = append(missing, abi.ExportAlloc)
	}
	for _, name := range m.Required() {
		if e, ok := info.Export(name); !ok || e.Kind != wasmbin.Function {
			missing = append(missing, name)
		} else if !engine.IsEntryPoint(info, e) {
			missing = append(missing, name+" as "+engine.EntryType(info))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fault.New(fault.EntryPointMissing, "the module does not export %s, which its manifest (kind %s, mode %s) claims",
		strings.Join(missing, ", "), m.Kind, m.Mode)
}

// admissible checks whatever a server checks before it compiles a module. It
// names all imports that are refused.
func admissible(info *wasmbin.Info, m *abi.Manifest) error {
	if err := m.ABI.Served(); err != nil {
		return fault.Wrap(fault.ABIUnsupported, err, "the contract")
	}
	if _, err := catalog.CompileSchema(m.ConfigSchema); err != nil {
		return err
	}
	if err := hasExports(info, m); err != nil {
		return err
	}
	return engine.NewOffer(offer().Groups()).Check(info.Imports, engine.Declared(m.Capabilities))
}
