package catalog_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/memory"
)

func newStore() store.Store { return memory.New() }

func anyone(store.Reader) error { return nil }

func (r *rig) has(digest string) bool {
	_, err := os.Stat(r.Path(digest))
	return err == nil
}

func TestSameBytesTwiceAreOneModule(t *testing.T) {
	r := newRig(t)
	src := tiny(packed(manifest(t)))
	first, created := r.add("plant", src, nil)
	if !created {
		t.Fatal("not created")
	}
	again, created := r.add("plant", src, nil)
	if created || again.Digest != first.Digest || !again.Uploaded.Equal(first.Uploaded) {
		t.Errorf("created %v, %+v, want %+v", created, again, first)
	}
	// An equal manifest beside the module changes nothing either.
	if _, created := r.add("plant", src, manifest(t)); created {
		t.Error("a second record of the same module")
	}
}

func TestSameBytesWithAnotherManifestAreRefused(t *testing.T) {
	r := newRig(t)
	src := tiny(packed(manifest(t)))
	m, _ := r.add("plant", src, nil)
	was := r.left()
	other := manifest(t, func(m *abi.Manifest) { m.DisplayName = "Other" })
	_, created, err := r.shelf("plant").Add(t.Context(), bytes.NewReader(src), other)
	if !fault.Is(err, fault.Exists) || created || !strings.Contains(err.Error(), m.Digest) {
		t.Errorf("got %v, created %v", err, created)
	}
	if !strings.Contains(fault.Of(err).Advice(), "pack the new manifest") {
		t.Errorf("hint %q", fault.Of(err).Advice())
	}
	if now := r.left(); strings.Join(now, " ") != strings.Join(was, " ") {
		t.Errorf("there is %q now, and was %q", now, was)
	}
	kept, err := r.shelf("plant").Get(t.Context(), m.Digest)
	if err != nil || kept.Manifest.DisplayName != "Tiny" {
		t.Errorf("the record was changed: %+v, %v", kept, err)
	}
	// Another tenant may see the same bytes in another light.
	if _, created := r.add("other", src, other); !created {
		t.Error("another tenant's manifest counts")
	}
}

func TestTenantsShareBytesAndNothingElse(t *testing.T) {
	r := newRig(t)
	src := tiny(packed(manifest(t)))
	m, _ := r.add("plant", src, nil)
	if _, err := r.shelf("other").Get(t.Context(), m.Digest); !fault.Is(err, fault.NotFound) {
		t.Errorf("another tenant sees the module: %v", err)
	}
	if list, err := r.shelf("other").List(t.Context(), "", 10); err != nil || len(list) != 0 {
		t.Errorf("another tenant lists %v, %v", list, err)
	}
	if err := r.shelf("other").Delete(t.Context(), m.Digest, anyone); !fault.Is(err, fault.NotFound) || !r.has(m.Digest) {
		t.Errorf("another tenant's delete: %v", err)
	}
	if _, created := r.add("other", src, nil); !created {
		t.Error("the other tenant has no record of its own")
	}
	if err := r.shelf("plant").Delete(t.Context(), m.Digest, anyone); err != nil {
		t.Fatal(err)
	}
	if !r.has(m.Digest) {
		t.Fatal("the file went with the first of two tenants")
	}
	if _, err := r.shelf("plant").Get(t.Context(), m.Digest); !fault.Is(err, fault.NotFound) {
		t.Errorf("a deleted module is still there: %v", err)
	}
	if _, err := r.Load(m.Digest); !fault.Is(err, fault.NotFound) {
		t.Errorf("a tenant without a record reads the file: %v", err)
	}
	if got, _, err := r.shelf("other").Load(t.Context(), m.Digest); err != nil || !bytes.Equal(got, src) {
		t.Errorf("the other tenant's module: %v", err)
	}
	if err := r.shelf("other").Delete(t.Context(), m.Digest, anyone); err != nil {
		t.Fatal(err)
	}
	if left := r.left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestDeleteMayBeRefused(t *testing.T) {
	r := newRig(t)
	m, _ := r.add("plant", tiny(packed(manifest(t))), nil)
	refuse := func(store.Reader) error { return fault.New(fault.ModuleInUse, "in use") }
	if err := r.shelf("plant").Delete(t.Context(), m.Digest, refuse); !fault.Is(err, fault.ModuleInUse) {
		t.Errorf("got %v", err)
	}
	if _, err := r.shelf("plant").Get(t.Context(), m.Digest); err != nil || !r.has(m.Digest) {
		t.Errorf("deleted all the same: %v", err)
	}
}

func TestDamagedFileIsNotHandedOut(t *testing.T) {
	r := newRig(t)
	src := tiny(packed(manifest(t)))
	m, _ := r.add("plant", src, nil)
	path := r.Path(m.Digest)
	for name, spoil := range map[string]func() error{
		"one bit": func() error {
			bad := bytes.Clone(src)
			bad[len(bad)/2] ^= 1
			return os.WriteFile(path, bad, 0o600)
		},
		"cut off": func() error { return os.Truncate(path, 20) },
		"missing": func() error { return os.Remove(path) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		got, err := r.Load(m.Digest)
		if !fault.Is(err, fault.Integrity) || got != nil || !strings.Contains(err.Error(), m.Digest) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		// Uploading it again mends it.
		if _, created := r.add("plant", src, nil); created {
			t.Errorf("%s: a second record", name)
		}
		if got, err := r.Load(m.Digest); err != nil || !bytes.Equal(got, src) {
			t.Errorf("%s: not mended: %v", name, err)
		}
	}
}

func TestLoadNeedsARecord(t *testing.T) {
	r := newRig(t)
	for _, digest := range []string{"", "../../etc/passwd", "abc", strings.Repeat("zz", 32), strings.Repeat("a", 65)} {
		if _, err := r.Load(digest); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", digest, err)
		}
	}
}

func TestModuleIsFoundByItsFirstDigits(t *testing.T) {
	r := newRig(t)
	m, _ := r.add("plant", tiny(packed(manifest(t))), nil)
	s := r.shelf("plant")
	for _, digest := range []string{m.Digest, m.Digest[:8], m.Digest[:40]} {
		if got, err := s.Get(t.Context(), digest); err != nil || got.Digest != m.Digest {
			t.Errorf("%q: %+v, %v", digest, got, err)
		}
	}
	for _, digest := range []string{"", m.Digest[:7], m.Digest + "0", strings.Repeat("0", 64)} {
		if _, err := s.Get(t.Context(), digest); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", digest, err)
		}
	}
	// Two that start alike, which uploads will not give us.
	alike := m.Digest[:10] + strings.Repeat("f", 54)
	r.put("plant", alike, []byte(`{"digest":"`+alike+`"}`))
	if _, err := s.Get(t.Context(), m.Digest[:10]); !fault.Is(err, fault.Invalid) {
		t.Errorf("two modules start so: %v", err)
	}
	if got, err := s.Get(t.Context(), m.Digest); err != nil || got.Digest != m.Digest {
		t.Errorf("the whole digest is not enough: %v", err)
	}
}

// put writes a record past the catalog.
func (r *rig) put(tenant, digest string, raw []byte) {
	r.t.Helper()
	space, err := r.store.Tenant(tenant)
	if err == nil {
		err = space.Update(r.t.Context(), func(w store.Writer) error {
			_, err := w.Put(store.Modules, digest, raw)
			return err
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func TestListIsAPageByDigest(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"one", "two", "three"} {
		r.add("plant", tiny(packed(manifest(t, func(m *abi.Manifest) { m.ProviderType = name }))), nil)
	}
	var all []string
	for after := ""; ; {
		page, err := r.shelf("plant").List(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page {
			all = append(all, m.Digest)
			after = m.Digest
		}
		if len(page) < 2 {
			break
		}
	}
	if len(all) != 3 || all[0] >= all[1] || all[1] >= all[2] {
		t.Errorf("listed %q", all)
	}
}

// TestInterruptedUploadIsSwept: what a kill left of an upload goes with the
// next start, and the kept modules stay.
func TestInterruptedUploadIsSwept(t *testing.T) {
	r := newRig(t)
	m, _ := r.add("plant", tiny(packed(manifest(t))), nil)
	left := filepath.Join(r.dir, "incoming", "module-123")
	if err := os.WriteFile(left, []byte("half a mod"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.open()
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
	if _, err := r.Load(m.Digest); err != nil {
		t.Errorf("a kept module went too: %v", err)
	}
	if _, created := r.add("plant", tiny(packed(manifest(t, func(m *abi.Manifest) { m.ProviderType = "next" }))), nil); !created {
		t.Error("nothing can be uploaded")
	}
}

func TestFilesAreForTheServerAlone(t *testing.T) {
	r := newRig(t)
	m, _ := r.add("plant", tiny(packed(manifest(t))), nil)
	for path, want := range map[string]os.FileMode{
		filepath.Join(r.dir, "incoming"): 0o700, filepath.Dir(r.Path(m.Digest)): 0o700, r.Path(m.Digest): 0o600,
	} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

// full is a store whose tenants have no room.
type full struct{ store.Store }

func (f full) Tenant(id string) (store.Space, error) {
	s, err := f.Store.Tenant(id)
	return fullSpace{s}, err
}

type fullSpace struct{ store.Space }

func (fullSpace) Update(context.Context, func(store.Writer) error) error {
	return fault.New(fault.DiskFull, "no room")
}

// TestModuleThatCannotBeRecordedIsNotKept: the file is there already when the
// record fails.
func TestModuleThatCannotBeRecordedIsNotKept(t *testing.T) {
	ground := memory.New()
	src := tiny(packed(manifest(t)))
	r := newRigOn(t, full{ground}, 0)
	says(t, r.refused(bytes.NewReader(src), nil, fault.DiskFull), "no room")

	// But what another tenant keeps stays.
	r.cfg.Store = ground
	r.open()
	m, _ := r.add("other", src, nil)
	r.cfg.Store = full{ground}
	r.open()
	if _, _, err := r.shelf("plant").Add(t.Context(), bytes.NewReader(src), nil); !fault.Is(err, fault.DiskFull) {
		t.Fatal(err)
	}
	if !r.has(m.Digest) {
		t.Error("another tenant's file is gone")
	}
}

// TestHammerAdd: many upload the same module at once; one makes the record,
// all get it, and the file is whole throughout.
func TestHammerAdd(t *testing.T) {
	r := newRig(t)
	src := tiny(packed(manifest(t)))
	const many = 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	made := map[string]int{}
	var got []spec.Module
	for i := range many {
		tenant := []string{"plant", "other"}[i%2]
		s := r.shelf(tenant)
		wg.Go(func() {
			m, created, err := s.Add(t.Context(), bytes.NewReader(src), nil)
			if err != nil {
				t.Error(err)
				return
			}
			if loaded, _, err := s.Load(t.Context(), m.Digest); err != nil || !bytes.Equal(loaded, src) {
				t.Errorf("%d bytes, %v", len(loaded), err)
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, m)
			if created {
				made[tenant]++
			}
		})
	}
	wg.Wait()
	if len(got) != many || made["plant"] != 1 || made["other"] != 1 {
		t.Errorf("%d of %d added, made %v", len(got), many, made)
	}
	if left := r.left(); len(left) != 5 { // a file, two records, two references
		t.Errorf("there is %q", left)
	}
}

// TestHammerAddAndDelete: while some upload and others delete, a record always
// has its file.
func TestHammerAddAndDelete(t *testing.T) {
	r := newRig(t)
	src := tiny(packed(manifest(t)))
	var wg sync.WaitGroup
	for _, tenant := range []string{"plant", "other"} {
		s := r.shelf(tenant)
		wg.Go(func() {
			for range 20 {
				m, _, err := s.Add(t.Context(), bytes.NewReader(src), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, err := s.Load(t.Context(), m.Digest); err != nil {
					t.Errorf("%s has the record and not the file: %v", tenant, err)
				}
				if err := s.Delete(t.Context(), m.Digest, anyone); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if left := r.left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
