package catalog_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

func says(t *testing.T, f *fault.Fault, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(f.Text, word) {
			t.Errorf("%q does not say %q", f.Text, word)
		}
	}
}

// TestShippedModulesAreAdmitted: all of them; what is known of a module
// afterwards comes out of its bytes and its manifest.
func TestShippedModulesAreAdmitted(t *testing.T) {
	r := newRig(t)
	for name, want := range shipped(t) {
		src := built(t, name)
		m, created := r.add("plant", src, nil)
		if !created || m.Size != int64(len(src)) || len(m.Digest) != 64 || m.Uploaded.IsZero() {
			t.Errorf("%s: created %v, %+v", name, created, m)
		}
		got := m.Manifest
		if got.Category != want.Category || got.ProviderType != want.ProviderType || got.DisplayName != want.DisplayName ||
			got.Kind != want.Kind || got.Mode != want.Mode || !bytes.Equal(got.ConfigSchema, want.ConfigSchema) || (got.OAuth == nil) != (want.OAuth == nil) {
			t.Errorf("%s: manifest %+v", name, got)
		}
		if !slices.Contains(m.Exports, abi.EntryOpen) || len(m.Imports) == 0 {
			t.Errorf("%s: imports %v, exports %v", name, m.Imports, m.Exports)
		}
		for _, entry := range want.EntryPoints {
			if !slices.Contains(m.Exports, entry) {
				t.Errorf("%s does not export %s", name, entry)
			}
		}
		kept, err := r.shelf("plant").Get(t.Context(), m.Digest)
		if err != nil || kept.Manifest.ProviderType != want.ProviderType || kept.Digest != m.Digest {
			t.Errorf("%s: kept as %+v, %v", name, kept, err)
		}
		loaded, err := r.Load(m.Digest)
		if err != nil || !bytes.Equal(loaded, src) {
			t.Errorf("%s: loaded %d bytes, %v", name, len(loaded), err)
		}
	}
}

// shipped are the manifests of the modules that come with the host, by name.
func shipped(t *testing.T) map[string]*abi.Manifest {
	t.Helper()
	files, err := filepath.Glob("../../connectors-wasm/*/manifest.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("%v, %v", files, err)
	}
	all := map[string]*abi.Manifest{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := abi.ParseManifest(raw)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(filepath.Dir(file))] = m
	}
	return all
}

func TestWhatIsNoModuleIsRefused(t *testing.T) {
	r := newRig(t)
	for name, src := range map[string]string{
		"nothing": "", "text": "hello", "a program": "\x7fELF\x02\x01\x01\x00", "half a magic": "\x00as",
	} {
		f := r.refused(strings.NewReader(src), nil, fault.NotWasm)
		if f.Advice() != fault.NotWasm.Info().Hint {
			t.Errorf("%s: hint %q", name, f.Advice())
		}
	}
	f := r.refused(strings.NewReader("\x00asm\x0d\x00\x01\x00"), nil, fault.WasmComponent)
	if !strings.Contains(f.Advice(), "core module") {
		t.Errorf("hint %q", f.Advice())
	}
}

func TestDamagedModulesAreRefused(t *testing.T) {
	r := newRig(t)
	whole := built(t, "textframe")
	for _, cut := range []int{9, 2000, len(whole) / 3, len(whole) - 1} {
		f := r.refused(bytes.NewReader(whole[:cut]), nil, fault.WasmMalformed)
		if f.Offset < 8 || f.Offset > int64(cut) {
			t.Errorf("cut at %d: offset %d", cut, f.Offset)
		}
	}
	says(t, r.refused(strings.NewReader("\x00asm\x01\x00"), nil, fault.WasmMalformed), "version")
	// Its frame is right, and its code is not.
	bad := tiny(packed(manifest(t)), with(w.Function{Export: "broken", Results: "i", Body: w.I64(1)}))
	says(t, r.refused(bytes.NewReader(bad), nil, fault.WasmInvalid), "i64 where i32 is needed")
}

func TestModuleBeyondTheBoundIsRefused(t *testing.T) {
	src := tiny(packed(manifest(t)))
	r := newRigOn(t, newStore(), int64(len(src)))
	more := append(slices.Clone(src), 0, 1, 0) // an empty custom section
	says(t, r.refused(bytes.NewReader(more), nil, fault.ModuleTooLarge), "bytes")
	endless := io.MultiReader(bytes.NewReader(src), zeros{})
	says(t, r.refused(endless, nil, fault.ModuleTooLarge), "bytes")
	if _, created := r.add("plant", src, nil); !created {
		t.Error("a module of exactly the bound is not kept")
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestBrokenUploadIsRefused(t *testing.T) {
	r := newRig(t)
	half := bytes.NewReader(tiny(packed(manifest(t))))
	lost := iotest.ErrReader(errors.New("connection reset"))
	says(t, r.refused(io.MultiReader(half, lost), nil, fault.BodyInvalid), "broke off after", "connection reset")
	// Whoever hands the body in may know better what broke it.
	known := iotest.ErrReader(fault.New(fault.TooLarge, "the request is too long"))
	says(t, r.refused(known, nil, fault.TooLarge), "the request is too long")
}

func TestModuleWithoutManifestIsRefused(t *testing.T) {
	r := newRig(t)
	for name, src := range map[string][]byte{
		"no describe":                         tiny(),
		"describe says nothing":               tiny(describes("")),
		"describe says no more than handlers": tiny(describes(`{"entry_points":["open","on_events"]}`)),
		"describe says no JSON":               tiny(describes("hello")),
	} {
		f := r.refused(bytes.NewReader(src), nil, fault.ManifestMissing)
		if says(t, f, "manifest"); !strings.Contains(f.Advice(), "snaprail pack") {
			t.Errorf("%s: hint %q", name, f.Advice())
		}
	}
}

func TestInvalidManifestIsRefusedWithAllThatIsWrong(t *testing.T) {
	r := newRig(t)
	all := []string{"category", "provider_type", "display_name", "version", "abi.major", "kind"}
	empty := []byte(`{}`)
	f := r.refused(bytes.NewReader(tiny(packed(empty))), nil, fault.ManifestInvalid)
	says(t, f, append(all, "section "+abi.ManifestSection)...)
	f = r.refused(bytes.NewReader(tiny(packed(manifest(t)))), empty, fault.ManifestInvalid)
	says(t, f, append(all, "beside the module")...)
	f = r.refused(bytes.NewReader(tiny(describes(`{"provider_type":"tiny"}`))), nil, fault.ManifestInvalid)
	says(t, f, "category", "describe")
	for name, raw := range map[string]string{"no JSON": "{", "a field twice": `{"category":"a","category":"b"}`, "empty": ""} {
		if f := r.refused(bytes.NewReader(tiny(packed([]byte(raw)))), nil, fault.ManifestInvalid); f.Text == "" {
			t.Error(name)
		}
	}
}

// TestManifestNamesWhatEveryTypeNeeds: category, type and name are required,
// and a type's name is made of few characters.
func TestManifestNamesWhatEveryTypeNeeds(t *testing.T) {
	r := newRig(t)
	for field, spoil := range map[string]func(*abi.Manifest){
		"category":      func(m *abi.Manifest) { m.Category = "" },
		"provider_type": func(m *abi.Manifest) { m.ProviderType = "" },
		"display_name":  func(m *abi.Manifest) { m.DisplayName = "" },
	} {
		f := r.refused(bytes.NewReader(tiny(packed(manifest(t, spoil)))), nil, fault.ManifestInvalid)
		says(t, f, field)
	}
	f := r.refused(bytes.NewReader(tiny(packed(manifest(t, func(m *abi.Manifest) { m.ProviderType = "Google Drive" })))), nil, fault.ManifestInvalid)
	says(t, f, "provider_type")
}

func TestVersionsOfTheContract(t *testing.T) {
	r := newRig(t)
	for _, v := range []abi.Version{{Major: abi.Major, Minor: abi.Minor + 1}, {Major: abi.Major + 1}} {
		src := tiny(packed(manifest(t, func(m *abi.Manifest) { m.ABI = v })))
		f := r.refused(bytes.NewReader(src), nil, fault.ABIUnsupported)
		if says(t, f, "update the host"); !strings.Contains(f.Advice(), "Update the server") {
			t.Errorf("hint %q", f.Advice())
		}
	}
}

// TestMissingExportsAreNamed: the module lacks what its kind and mode need.
func TestMissingExportsAreNamed(t *testing.T) {
	r := newRig(t)
	change := func(f func(*abi.Manifest)) func(*w.Module) { return packed(manifest(t, f)) }
	same := func(*abi.Manifest) {}
	for name, tt := range map[string]struct {
		src  []byte
		want []string
	}{
		"event mode":  {tiny(change(same), without(abi.EntryOnEvents)), []string{abi.EntryOnEvents, "kind connector", "mode event"}},
		"poll mode":   {tiny(change(func(m *abi.Manifest) { m.Mode = abi.ModePoll })), []string{abi.EntryPoll}},
		"run mode":    {tiny(change(func(m *abi.Manifest) { m.Mode = abi.ModeRun })), []string{abi.EntryRun}},
		"converter":   {tiny(change(func(m *abi.Manifest) { m.Kind, m.Mode = abi.KindConverter, "" })), []string{abi.EntryConvert}},
		"sink":        {tiny(change(func(m *abi.Manifest) { m.Kind, m.Mode = abi.KindSink, "" })), []string{abi.EntryDeliver}},
		"claimed too": {tiny(change(func(m *abi.Manifest) { m.EntryPoints = []string{"close", "test"} })), []string{"close, test"}},
		"allocator":   {tiny(change(same), without(abi.ExportAlloc)), []string{abi.ExportAlloc}},
		"all at once": {
			tiny(change(same), without(abi.EntryOpen), without(abi.EntryOnEvents), func(m *w.Module) { m.Pages = 0 }),
			[]string{abi.ExportMemory, abi.EntryOpen, abi.EntryOnEvents},
		},
		"another type": {
			tiny(change(same), without(abi.EntryOpen), with(w.Function{Export: abi.EntryOpen, Params: "i", Results: "i", Body: w.I32(0)})),
			[]string{"open as (i32, i32) -> i64"},
		},
		"a function for a memory": {
			tiny(change(same), func(m *w.Module) { m.Pages = 0 }, with(w.Function{Export: abi.ExportMemory})),
			[]string{abi.ExportMemory},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := r.refused(bytes.NewReader(tt.src), nil, fault.EntryPointMissing)
			says(t, f, tt.want...)
			if !strings.Contains(f.Advice(), "Export the named functions") {
				t.Errorf("hint %q", f.Advice())
			}
		})
	}
}

// TestHandlersBehindExportsAreAsked: an SDK exports every entry point, so only
// describe tells which ones do something.
func TestHandlersBehindExportsAreAsked(t *testing.T) {
	r := newRig(t)
	src := tiny(packed(manifest(t)), describes(`{"entry_points":["open"]}`))
	says(t, r.refused(bytes.NewReader(src), nil, fault.EntryPointMissing), "no handler for on_events")

	poll := manifest(t, func(m *abi.Manifest) {
		m.Mode = abi.ModePoll
		m.Capabilities = []abi.Capability{{Group: "serial", Reason: "Reads."}, {Group: "log", Reason: "Says."}}
	})
	says(t, r.refused(bytes.NewReader(built(t, "serialline")), poll, fault.EntryPointMissing), "no handler for poll")

	ok := tiny(packed(manifest(t)), describes(`{"entry_points":["open","on_events"]}`))
	if _, created := r.add("plant", ok, nil); !created {
		t.Error("a module with its handlers is not kept")
	}
}

func TestUnknownImportsAreNamed(t *testing.T) {
	r := newRig(t)
	src := tiny(packed(manifest(t, func(m *abi.Manifest) { m.Capabilities = []abi.Capability{{Group: "log", Reason: "x"}} })),
		imports("env", "exec", "snaprail:teleport", "beam", "snaprail:log", "shout", "wasi_snapshot_preview1", "fly", "snaprail:serial", "open"))
	f := r.refused(bytes.NewReader(src), nil, fault.ImportUnknown)
	says(t, f, "env.exec", "snaprail:teleport.beam", "snaprail:log.shout", "wasi_snapshot_preview1.fly", "snaprail:serial.open")
	if !strings.Contains(f.Advice(), "snaprail inspect") {
		t.Errorf("hint %q", f.Advice())
	}
}

func TestCapabilityOfNoServerIsRefusedUnlessOptional(t *testing.T) {
	r := newRig(t)
	needs := func(optional bool) []byte {
		return tiny(packed(manifest(t, func(m *abi.Manifest) {
			m.Capabilities = []abi.Capability{{Group: "teleport", Optional: optional, Reason: "Beams."}}
		})))
	}
	says(t, r.refused(bytes.NewReader(needs(false)), nil, fault.ImportUnknown), "teleport")
	if _, created := r.add("plant", needs(true), nil); !created {
		t.Error("a module that can do without is not kept")
	}
}

// TestImportsAreDeclared: no grant, no import (I2) begins with the manifest.
func TestImportsAreDeclared(t *testing.T) {
	r := newRig(t)
	src := func(capabilities ...abi.Capability) []byte {
		return tiny(packed(manifest(t, func(m *abi.Manifest) { m.Capabilities = capabilities })),
			imports("snaprail:serial", "open", "snaprail:kv", "get", "snaprail:core", "take"))
	}
	serial, kv := abi.Capability{Group: "serial", Reason: "x"}, abi.Capability{Group: "kv", Optional: true, Reason: "x"}
	f := r.refused(bytes.NewReader(src()), nil, fault.ImportUndeclared)
	if says(t, f, "snaprail:serial.open", "snaprail:kv.get"); strings.Contains(f.Text, "core") {
		t.Errorf("core needs no mention: %q", f.Text)
	}
	if f := r.refused(bytes.NewReader(src(serial)), nil, fault.ImportUndeclared); strings.Contains(f.Text, "serial.open") {
		t.Errorf("serial is named: %q", f.Text)
	}
	if _, created := r.add("plant", src(serial, kv), nil); !created {
		t.Error("a module that names its imports is not kept")
	}
}

// TestModulesThatFailWhenStartedAreRefused: whatever a module does while it is
// admitted, it ends, within bounds, and the server goes on.
func TestModulesThatFailWhenStartedAreRefused(t *testing.T) {
	if catalog.DescribeTimeout > 10*time.Second {
		t.Errorf("a module may take %s", catalog.DescribeTimeout)
	}
	r := newRig(t)
	describe := func(body ...[]byte) func(*w.Module) {
		return with(w.Function{Export: abi.EntryDescribe, Params: "ii", Results: "I", Body: w.Join(body...)})
	}
	hoard := w.While(w.I32(16), w.Grow(), w.I32(-1), w.Op(0x47)) // until no more is given
	for name, tt := range map[string]struct {
		change func(*w.Module)
		want   string
	}{
		"trap at the start":    {starts(w.Unreachable()), "trapped"},
		"trap in describe":     {describe(w.Unreachable()), "trapped"},
		"spin at the start":    {starts(w.Forever()), "did not return within"},
		"spin in describe":     {describe(w.Forever(), w.Unreachable()), "did not return within"},
		"hoard at the start":   {starts(hoard, w.Unreachable()), "memory"},
		"hoard in describe":    {describe(hoard, w.Unreachable()), "memory"},
		"garbage in describe":  {describe(w.I64(-1<<32 | 8)), "describe"},
		"too much memory":      {func(m *w.Module) { m.Pages = 60000 }, "memory"},
		"an error in describe": {describe(w.I64(0x400<<32 | 1<<31)), "started to describe itself"},
	} {
		t.Run(name, func(t *testing.T) {
			r.SetPatience(catalog.DescribeTimeout)
			if strings.HasPrefix(name, "spin") {
				r.SetPatience(300 * time.Millisecond)
			}
			f := r.refused(bytes.NewReader(tiny(packed(manifest(t)), tt.change)), nil, fault.ModuleRejected)
			if says(t, f, tt.want); f.Advice() != fault.ModuleRejected.Info().Hint {
				t.Errorf("hint %q", f.Advice())
			}
		})
	}
	r.SetPatience(catalog.DescribeTimeout)
	if _, created := r.add("plant", tiny(packed(manifest(t))), nil); !created {
		t.Error("the catalog does not work any more")
	}
}

// TestAdmissionIsOnTheTenantsAccount: what a module uses while it is admitted,
// and the memory that it is given for that, are its tenant's.
func TestAdmissionIsOnTheTenantsAccount(t *testing.T) {
	r := newRig(t)
	r.cfg.Engine.SetBudget("plant", engine.Budget{CPU: 0.01})
	spin := tiny(packed(manifest(t)), starts(w.Forever()))
	_, _, err := r.shelf("plant").Add(t.Context(), bytes.NewReader(spin), nil)
	u := r.cfg.Engine.Usage("plant")
	refused := fault.Is(err, fault.TenantCPU) || fault.Is(err, fault.ModuleRejected) // whichever is seen first
	if !refused || u.CPU <= 0 || u.CPU > time.Second || u.Instances != 0 {
		t.Errorf("an endless loop is refused with %v, and has used %+v", err, u)
	}
	const page = 64 << 10
	hoard := w.While(w.I32(1), w.Grow(), w.I32(-1), w.Op(0x47)) // until no more is given
	hoarder := tiny(packed(manifest(t)), starts(hoard, w.Unreachable()))
	for _, tt := range []struct {
		pages uint64
		src   []byte
		want  fault.Kind
	}{
		{1, tiny(packed(manifest(t))), fault.TenantMemory},
		{8, hoarder, fault.TenantMemory},
		{1024, hoarder, fault.ModuleRejected},
	} {
		r.cfg.Engine.SetBudget("plant", engine.Budget{MemoryBytes: tt.pages * page})
		_, _, err := r.shelf("plant").Add(t.Context(), bytes.NewReader(tt.src), nil)
		if !fault.Is(err, tt.want) {
			t.Errorf("a tenant of %d pages: %v", tt.pages, err)
		}
	}
	r.cfg.Engine.SetBudget("plant", engine.Budget{MemoryBytes: 2 * page})
	r.add("plant", tiny(packed(manifest(t))), nil)
}

// TestOneTenantLeavesPlacesToOthers: modules of one tenant that take long to
// admit do not hold up those of another.
func TestOneTenantLeavesPlacesToOthers(t *testing.T) {
	r := newRig(t)
	r.SetPatience(10 * time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	for n := range 4 {
		spin := tiny(packed(manifest(t)), starts(w.Forever()), func(m *w.Module) { m.Pages = uint32(3 + n) })
		s := r.shelf("plant")
		go func() {
			_, _, err := s.Add(ctx, bytes.NewReader(spin), nil)
			done <- err
		}()
	}
	for until := time.Now().Add(time.Minute); r.cfg.Engine.Usage("plant").Instances < 2; runtime.Gosched() {
		if time.Now().After(until) {
			t.Fatal("no module is being admitted")
		}
	}
	r.add("other", tiny(packed(manifest(t))), nil)
	if u := r.cfg.Engine.Usage("plant"); u.Instances != 2 {
		t.Errorf("of one tenant %d are admitted at once", u.Instances)
	}
	cancel()
	for range 4 {
		if err := <-done; !fault.Is(err, fault.Canceled) {
			t.Error(err)
		}
	}
}

// TestNothingIsGrantedDuringAdmission: a module that calls out while it is
// described gets a refusal, and may go on.
func TestNothingIsGrantedDuringAdmission(t *testing.T) {
	r := newRig(t)
	src := tiny(
		packed(manifest(t, func(m *abi.Manifest) { m.Capabilities = []abi.Capability{{Group: "serial", Reason: "x"}} })),
		imports("snaprail:serial", "open"),
		// Traps unless the reply has its top bit set: an error.
		starts(w.I32(0x400), w.I32(0), w.I32(0x800), w.I32(64), w.Call(0), w.I64(63), w.Op(0x88, 0xa7, 0x45), w.If(w.Unreachable())),
	)
	if _, created := r.add("plant", src, nil); !created {
		t.Error("not kept")
	}
}

// TestWhereAManifestComesFrom: beside the module, else out of it, else from
// describe.
func TestWhereAManifestComesFrom(t *testing.T) {
	named := func(name string) []byte { return manifest(t, func(m *abi.Manifest) { m.ProviderType = name }) }
	r := newRig(t)
	for want, tt := range map[string]struct{ src, sidecar []byte }{
		"section":  {tiny(packed(named("section")), describes(string(named("described")))), nil},
		"sidecar":  {tiny(packed(named("section")), starts()), named("sidecar")},
		"bare":     {tiny(), named("bare")},
		"describe": {tiny(describes(string(named("describe")))), nil},
	} {
		m, _ := r.add("plant", tt.src, tt.sidecar)
		if m.Manifest.ProviderType != want {
			t.Errorf("the manifest is that of %q, want %q", m.Manifest.ProviderType, want)
		}
	}
}

// TestDescribedManifestIsChecked as one is that was there before.
func TestDescribedManifestIsChecked(t *testing.T) {
	r := newRig(t)
	poll := manifest(t, func(m *abi.Manifest) { m.Mode = abi.ModePoll })
	says(t, r.refused(bytes.NewReader(tiny(describes(string(poll)))), nil, fault.EntryPointMissing), abi.EntryPoll)
	undeclared := tiny(describes(string(manifest(t))), imports("snaprail:serial", "open"))
	says(t, r.refused(bytes.NewReader(undeclared), nil, fault.ImportUndeclared), "snaprail:serial.open")
	needs := manifest(t, func(m *abi.Manifest) { m.Capabilities = []abi.Capability{{Group: "teleport", Reason: "Beams."}} })
	says(t, r.refused(bytes.NewReader(tiny(describes(string(needs)))), nil, fault.ImportUnknown), "teleport")
}
