package catalog

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/wasmbin"
)

// admit checks an upload: the whole binary, the manifest, then the imports and
// exports against it, all without running or compiling anything. Only then the
// module is compiled, instantiated once without any rights and asked to
// describe itself.
//
// What the first two take of the processor is charged to the tenant's costs, and
// so is the time in which its compilation keeps others waiting; what the module
// does is to its account.
func (s *Shelf) admit(ctx context.Context, in *incoming, sidecar []byte) (m spec.Module, err error) {
	began := time.Now()
	src, info, manifest, err := s.examine(ctx, in, sidecar)
	s.charge(time.Since(began))
	if err != nil {
		return m, err
	}
	compiled, cost, err := s.catalog.cfg.Engine.CompileFor(ctx, s.tenant, src)
	s.charge(cost)
	if err != nil {
		return m, err
	}
	defer func() {
		if err := compiled.Close(ctx); err != nil {
			s.catalog.cfg.Log.Warn("module not closed", "error", err)
		}
	}()
	m = spec.Module{
		Digest: in.digest, Size: in.size, Uploaded: time.Now().UTC().Truncate(time.Second),
		Imports: compiled.Imports(), Exports: compiled.Exports(),
	}
	described, err := s.describe(ctx, compiled, info, manifest)
	if err != nil {
		return m, err
	}
	if manifest == nil {
		if manifest, err = manifestFrom(described); err != nil {
			return m, err
		}
		if err := s.checkUnrun(ctx, manifest, info); err != nil {
			return m, err
		}
	}
	m.Manifest, m.Handles = *manifest, handled(described)
	return m, offers(manifest, described)
}

func (s *Shelf) charge(cost time.Duration) { s.catalog.costs.charge(s.tenant, time.Now(), cost) }

// examine checks all that can be seen of an upload; manifest is nil if it has
// none yet.
func (s *Shelf) examine(ctx context.Context, in *incoming, sidecar []byte) (src []byte, info *wasmbin.Info, manifest *abi.Manifest, err error) {
	if src, err = in.bytes(); err != nil {
		return nil, nil, nil, err
	}
	if info, err = wasmbin.Read(src); err != nil {
		return nil, nil, nil, err
	}
	if manifest, err = manifestOf(src, sidecar); err != nil {
		return nil, nil, nil, err
	}
	return src, info, manifest, s.checkUnrun(ctx, manifest, info)
}

// checkUnrun checks all that can be seen without running the module. One that
// has no manifest yet must at least be able to describe itself.
func (s *Shelf) checkUnrun(ctx context.Context, m *abi.Manifest, info *wasmbin.Info) error {
	if m == nil {
		if e, found := info.Export(abi.EntryDescribe); !found || e.Kind != wasmbin.Function {
			return missingManifest()
		}
	} else if err := s.checkManifest(ctx, m, info); err != nil {
		return err
	}
	return s.catalog.cfg.Engine.CheckImports(info, s.link(m))
}

// link denies a module everything that it says it needs; what has no manifest
// yet may need all there is.
func (s *Shelf) link(m *abi.Manifest) engine.Link {
	if m != nil {
		return engine.Declared(m.Capabilities)
	}
	link := engine.Link{}
	for _, g := range s.catalog.cfg.Groups.Groups() {
		link[g.Name()] = engine.Denied
	}
	return link
}

func missingManifest() error {
	return fault.New(fault.ManifestMissing, "the module has no section %s, came without a manifest and does not describe itself", abi.ManifestSection)
}

// manifestOf is the side-car, else the module's own section; nil: neither.
func manifestOf(src, sidecar []byte) (*abi.Manifest, error) {
	raw, where := sidecar, "the manifest beside the module"
	if raw == nil {
		section, found, err := wasmbin.Section(src, abi.ManifestSection)
		if err != nil || !found {
			return nil, err
		}
		raw, where = section, "the manifest in section "+abi.ManifestSection
	}
	m, err := abi.ParseManifest(raw)
	if err != nil {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "%s", where)
	}
	return m, nil
}

func manifestFrom(described []byte) (*abi.Manifest, error) {
	var d description
	if described == nil || json.Unmarshal(described, &d) != nil || d.ProviderType == "" {
		return nil, missingManifest()
	}
	m, err := abi.ParseManifest(described)
	if err != nil {
		return nil, fault.Wrap(fault.ManifestInvalid, err, "the manifest that describe returned")
	}
	return m, nil
}

// checkManifest checks what can be seen without running the module.
func (s *Shelf) checkManifest(ctx context.Context, m *abi.Manifest, info *wasmbin.Info) error {
	if err := m.ABI.Served(); err != nil {
		return fault.Wrap(fault.ABIUnsupported, err, "the module")
	}
	if err := checkType(m); err != nil {
		return err
	}
	if err := s.admitSchema(m.ConfigSchema); err != nil {
		return err
	}
	if m.Extism != nil && !info.HasExtism {
		return fault.New(fault.ManifestInvalid, "the manifest has the field extism, and the module was not made with an Extism PDK")
	}
	var missing []string
	for name, kind := range buffers(info) {
		if e, found := info.Export(name); !found || e.Kind != kind {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	for _, entry := range m.Required() {
		if e, found := info.Export(entry); !found || e.Kind != wasmbin.Function {
			missing = append(missing, entry)
		} else if !engine.IsEntryPoint(info, e) {
			missing = append(missing, entry+" as "+engine.EntryType(info))
		}
	}
	if len(missing) > 0 {
		return fault.New(fault.EntryPointMissing, "the module does not export %s, which its manifest (kind %s, mode %s) claims",
			strings.Join(missing, ", "), m.Kind, m.Mode)
	}
	for _, c := range m.Capabilities {
		if _, known := s.catalog.cfg.Groups.Group(c.Group); !known && !c.Optional {
			return fault.New(fault.ImportUnknown, "the manifest needs the group %q, which this server does not have", c.Group)
		}
	}
	return s.space.View(ctx, func(r store.Reader) error { return checkCategory(r, m, entryPoints(info)) })
}

// entryPoints are the exports that can be called as one.
func entryPoints(info *wasmbin.Info) (names []string) {
	for _, e := range info.Exports {
		if e.Kind == wasmbin.Function && engine.IsEntryPoint(info, e) {
			names = append(names, e.Name)
		}
	}
	return names
}

// buffers are the exports that crossing the wall needs, whatever else a module
// has. One with an Extism PDK has the kernel for it.
func buffers(info *wasmbin.Info) map[string]wasmbin.Kind {
	if info.HasExtism {
		return nil
	}
	return map[string]wasmbin.Kind{abi.ExportMemory: wasmbin.Memory, abi.ExportAlloc: wasmbin.Function}
}

// describe instantiates the module once, linked to refusals and within the
// tenant's budget, and calls its describe; nil: it has none.
func (s *Shelf) describe(
	ctx context.Context, compiled *engine.Module, info *wasmbin.Info, m *abi.Manifest,
) (out []byte, err error) {
	memory := s.trialMemory(info)
	defer func() {
		if fault.Is(err, fault.GuestMemory) && memory < engine.DefaultMemoryBytes {
			err = fault.Wrap(fault.TenantMemory, err, "the module was started to describe itself in what the tenant's memory has left")
		}
		err = rejected(err)
	}()
	inst, err := s.catalog.cfg.Engine.Instantiate(ctx, compiled, engine.InstanceConfig{
		Link: s.link(m), Host: denyAll{}, CallTimeout: s.catalog.patience, Account: s.tenant, MemoryBytes: memory,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := inst.Close(context.WithoutCancel(ctx)); err != nil {
			s.catalog.cfg.Log.Warn("instance not closed", "error", err)
		}
	}()
	if !inst.Has(abi.EntryDescribe) {
		return nil, nil
	}
	out, err = inst.Call(ctx, abi.EntryDescribe, nil)
	if fault.Is(err, fault.Unsupported) {
		return nil, nil
	}
	return slices.Clone(out), err
}

// trialMemory is how much memory a module is tried with: what any guest has, or
// what its tenant has left, if that is enough to begin with. A tenant whose
// connectors hold nearly all can still upload.
func (s *Shelf) trialMemory(info *wasmbin.Info) uint64 {
	const page = 64 << 10
	u := s.catalog.cfg.Engine.Usage(s.tenant)
	most := u.Budget.MemoryBytes
	if most == 0 {
		return engine.DefaultMemoryBytes
	}
	least := max(uint64(info.MemoryMin), 1) * page
	return min(max(most-min(u.MemoryBytes, most), least), engine.DefaultMemoryBytes)
}

// rejected makes a guest's failure a refusal of the module; what linking
// refuses keeps its own kind.
func rejected(err error) error {
	for _, k := range []fault.Kind{
		fault.GuestTrap, fault.GuestDeadline, fault.GuestMemory, fault.GuestStack, fault.GuestTable, fault.GuestOutput, fault.Guest,
	} {
		if fault.Is(err, k) {
			return fault.Wrap(fault.ModuleRejected, err, "the module failed when it was started to describe itself")
		}
	}
	return err
}

// maxHandles bounds how many entry points are kept of what a module says.
const maxHandles = 256

// handled are the entry points that a module says it has something behind; nil:
// it does not say.
func handled(described []byte) []string {
	var d description
	if described == nil || json.Unmarshal(described, &d) != nil {
		return nil
	}
	d.EntryPoints = slices.DeleteFunc(d.EntryPoints, func(e string) bool { return len(e) > store.MaxID })
	return d.EntryPoints[:min(len(d.EntryPoints), maxHandles)]
}

// offers checks the manifest's claims against the entry points that the module
// says it handles.
func offers(m *abi.Manifest, described []byte) error {
	var d description
	if described == nil || json.Unmarshal(described, &d) != nil || d.EntryPoints == nil {
		return nil //nolint:nilerr // exports are all there is to go by
	}
	var missing []string
	for _, e := range m.Required() {
		if !slices.Contains(d.EntryPoints, e) && e != abi.EntryOpen && !operates(d.EntryPoints, e) {
			missing = append(missing, e)
		}
	}
	if len(missing) > 0 {
		return fault.New(fault.EntryPointMissing, "the module has no handler for %s, which its manifest (kind %s, mode %s) claims",
			strings.Join(missing, ", "), m.Kind, m.Mode)
	}
	return nil
}

// operates reports whether e is an operation and the module answers all that it
// exports.
func operates(entries []string, e string) bool {
	return strings.HasPrefix(e, abi.OperationPrefix) && slices.Contains(entries, abi.DescribeOperations)
}
