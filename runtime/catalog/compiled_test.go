package catalog_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store/memory"
	w "github.com/snaprail/snaprail/runtime/wasmbin/wasmtest"
)

// newOutsideRig is a catalog whose engine compiles in processes of its own,
// into a cache of its own.
func newOutsideRig(t *testing.T) (*rig, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(t.TempDir(), "cache")
	groups := capability.NewRegistry(clock.New())
	e, err := engine.New(t.Context(), engine.Config{
		CacheDir: cache, Worker: []string{self, "compile-worker"}, Groups: groups.Groups(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "modules"), store: memory.New()}
	r.cfg = catalog.Config{Dir: r.dir, Store: r.store, Engine: e, Groups: groups}
	r.open()
	return r, cache
}

// cached is every file in a cache of compiled modules.
func cached(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestNothingIsCompiledThatIsRefusedBefore: what the bytes and the manifest
// show needs no compiler.
func TestNothingIsCompiledThatIsRefusedBefore(t *testing.T) {
	r, cache := newOutsideRig(t)
	for name, tt := range map[string]struct {
		src  []byte
		kind fault.Kind
	}{
		"import":   {tiny(packed(manifest(t)), imports("env", "abort")), fault.ImportUnknown},
		"group":    {tiny(packed(manifest(t)), imports("snaprail:clock", "now")), fault.ImportUndeclared},
		"export":   {tiny(packed(manifest(t)), without(abi.EntryOnEvents)), fault.EntryPointMissing},
		"manifest": {tiny(packed([]byte("{}"))), fault.ManifestInvalid},
		"none":     {tiny(), fault.ManifestMissing},
	} {
		t.Run(name, func(t *testing.T) {
			_ = r.refused(bytes.NewReader(tt.src), nil, tt.kind)
			if all := cached(t, cache); len(all) > 0 {
				t.Errorf("compiled: %q", all)
			}
		})
	}
}

// TestRefusedImportsAreListedAtOnce, unknown and undeclared ones.
func TestRefusedImportsAreListedAtOnce(t *testing.T) {
	r, _ := newOutsideRig(t)
	src := tiny(packed(manifest(t)), imports(
		"env", "abort", "snaprail:clock", "now", "snaprail:clock", "warp", "snaprail:serial", "open",
		"wasi_snapshot_preview1", "fd_frobnicate"))
	f := r.refused(bytes.NewReader(src), nil, fault.ImportUnknown)
	says(t, f, "env.abort (no module of this name)", "snaprail:clock.now (the manifest does not name", "snaprail:clock.warp (the group has now",
		"snaprail:serial.open (no group of this name", "fd_frobnicate (no function of WASI")
}

// TestRefusedModuleLeavesNoCode: one that compiles and then fails.
func TestRefusedModuleLeavesNoCode(t *testing.T) {
	r, cache := newOutsideRig(t)
	bad := tiny(packed(manifest(t)), starts(w.Unreachable()))
	_ = r.refused(bytes.NewReader(bad), nil, fault.ModuleRejected)
	if all := cached(t, cache); len(all) > 0 {
		t.Errorf("left: %q", all)
	}
	// What another tenant has is not touched by a refusal of the same bytes.
	good := tiny(packed(manifest(t)))
	r.add("other", good, nil)
	was := cached(t, cache)
	if len(was) != 4 { // the metered module, its code, a sum of each
		t.Errorf("the cache holds %q", was)
	}
	if _, _, err := r.shelf("plant").Add(t.Context(), bytes.NewReader(good), []byte("{}")); !fault.Is(err, fault.ManifestInvalid) {
		t.Fatal(err)
	}
	if now := cached(t, cache); strings.Join(now, " ") != strings.Join(was, " ") {
		t.Errorf("the cache holds %q, and held %q", now, was)
	}
}

// TestDeletedModuleTakesItsCodeAlong, with the last tenant that has it.
func TestDeletedModuleTakesItsCodeAlong(t *testing.T) {
	r, cache := newOutsideRig(t)
	src := tiny(packed(manifest(t)))
	m, _ := r.add("plant", src, nil)
	r.add("other", src, nil)
	if err := r.shelf("plant").Delete(t.Context(), m.Digest, anyone); err != nil {
		t.Fatal(err)
	}
	if all := cached(t, cache); len(all) != 4 {
		t.Errorf("another tenant's code went: %q", all)
	}
	if err := r.shelf("other").Delete(t.Context(), m.Digest, anyone); err != nil {
		t.Fatal(err)
	}
	if all := cached(t, cache); len(all) != 0 {
		t.Errorf("left: %q", all)
	}
}

// TestCodeOfSeveralModulesStays: the manifest is not compiled, so modules that
// differ in it alone have one piece of code.
func TestCodeOfSeveralModulesStays(t *testing.T) {
	r, cache := newOutsideRig(t)
	newer := manifest(t, func(m *abi.Manifest) { m.Version = "1.0.1" })
	first, _ := r.add("plant", tiny(packed(manifest(t))), nil)
	second, _ := r.add("plant", tiny(packed(newer)), nil)
	for _, step := range []struct {
		delete string
		left   int
	}{{first.Digest, 4}, {second.Digest, 0}} {
		if err := r.shelf("plant").Delete(t.Context(), step.delete, anyone); err != nil {
			t.Fatal(err)
		}
		if all := cached(t, cache); len(all) != step.left {
			t.Errorf("left, instead of %d files: %q", step.left, all)
		}
	}
}

// TestPruneKeepsWhatATenantHas and nothing else.
func TestPruneKeepsWhatATenantHas(t *testing.T) {
	r, cache := newOutsideRig(t)
	r.add("plant", tiny(packed(manifest(t))), nil)
	was := cached(t, cache)
	stray, err := r.cfg.Engine.Compile(t.Context(), tiny(starts()))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Prune(t.Context()); err != nil || len(cached(t, cache)) != 8 {
		t.Errorf("what is loaded went: %v, %q", err, cached(t, cache))
	}
	_ = stray.Close(t.Context())
	if err := r.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := cached(t, cache); strings.Join(now, " ") != strings.Join(was, " ") {
		t.Errorf("the cache holds %q, want %q", now, was)
	}
}

// TestWhatIsNoModuleIsNotReadOn: eight bytes are enough.
func TestWhatIsNoModuleIsNotReadOn(t *testing.T) {
	r := newRig(t)
	for name, tt := range map[string]struct {
		head string
		kind fault.Kind
	}{
		"zip":       {"PK\x03\x04\x14\x00\x00\x00", fault.NotWasm},
		"component": {"\x00asm\x0d\x00\x01\x00", fault.WasmComponent},
		"version":   {"\x00asm\x02\x00\x00\x00", fault.WasmMalformed},
	} {
		body := &counting{Reader: io.MultiReader(strings.NewReader(tt.head), zeros{})}
		if _ = r.refused(body, nil, tt.kind); body.n > 8 {
			t.Errorf("%s: %d bytes were read", name, body.n)
		}
	}
}

// counting counts what is read.
type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// TestUploadsOfATenantAreBounded, and other tenants are not held up by them.
func TestUploadsOfATenantAreBounded(t *testing.T) {
	r := newRig(t)
	src := tiny(packed(manifest(t)))
	var pipes []*io.PipeWriter
	done := make(chan error)
	for range 4 {
		body, pipe := io.Pipe()
		pipes = append(pipes, pipe)
		s := r.shelf("plant")
		go func() {
			_, _, err := s.Add(t.Context(), body, nil)
			done <- err
		}()
		if _, err := pipe.Write(src); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := r.shelf("plant").Add(t.Context(), bytes.NewReader(src), nil)
	if f := fault.Of(err); f == nil || f.Kind != fault.Exhausted || f.RetryAfter <= 0 {
		t.Errorf("a fifth upload: %v", err)
	}
	r.add("other", src, nil)
	for _, p := range pipes {
		_ = p.Close()
	}
	for range pipes {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	r.add("plant", src, nil)
}

// TestAbuse08AdmissionsHaveABudget: a tenant whose uploads are compiled and then
// refused, one after the other, is soon told to wait, without a byte of the next
// one being read. Others are not, and it may go on when the time has come.
func TestAbuse08AdmissionsHaveABudget(t *testing.T) {
	r, _ := newOutsideRig(t)
	r.SetSaved(50 * time.Millisecond)
	bad := func(n int) []byte { return tiny(packed(manifest(t)), starts(w.Repeat(n, w.Nop()), w.Unreachable())) }
	var refused *fault.Fault
	for n := 0; refused == nil; n++ {
		if n == 50 {
			t.Fatal("50 modules were compiled")
		}
		_, _, err := r.shelf("plant").Add(t.Context(), bytes.NewReader(bad(n)), nil)
		if refused = fault.Of(err); refused.Kind == fault.ModuleRejected {
			refused = nil
		}
	}
	if refused.Kind != fault.RateLimited || refused.RetryAfter < time.Second || refused.Advice() == "" {
		t.Fatalf("%+v", refused)
	}
	says(t, refused, "processor time")
	body := &counting{Reader: bytes.NewReader(tiny(packed(manifest(t))))}
	if _, _, err := r.shelf("plant").Add(t.Context(), body, nil); !fault.Is(err, fault.RateLimited) || body.n > 0 {
		t.Errorf("%v, and %d bytes were read", err, body.n)
	}
	r.add("other", tiny(packed(manifest(t))), nil)
	for deadline := time.Now().Add(time.Minute); ; {
		_, created, err := r.shelf("plant").Add(t.Context(), bytes.NewReader(tiny(packed(manifest(t)))), nil)
		if created {
			break
		}
		if !fault.Is(err, fault.RateLimited) || time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(50 * time.Millisecond)
	}
}
