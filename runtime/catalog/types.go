package catalog

import (
	"context"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of what names a type, in bytes.
const (
	maxProviderType = 64
	maxVersion      = 64
)

// Type is a provider of a category, with the versions of it that there are.
type Type struct {
	Category     string
	ProviderType string
	DisplayName  string // of the version that is used unless another is named
	Kind         abi.ModuleKind
	Module       string    // digest of that version
	Versions     []Version // newest first
}

// Version is one version of a type.
type Version struct {
	Version string
	Module  string // digest
}

// typeKey is where the index has a module. None of its parts holds a slash.
func typeKey(category, providerType, version string) string {
	return category + "/" + providerType + "/" + version
}

// checkType refuses what the index could not hold.
func checkType(m *abi.Manifest) error {
	switch {
	case len(m.ProviderType) > maxProviderType:
		return fault.New(fault.ManifestInvalid, "/provider_type: has more than %d bytes", maxProviderType)
	case len(m.Version) > maxVersion:
		return fault.New(fault.ManifestInvalid, "/version: has more than %d bytes", maxVersion)
	}
	return nil
}

// index makes a module the one of its type and version, and refuses it when
// another is.
func index(w store.Writer, m *spec.Module) error {
	key := typeKey(m.Manifest.Category, m.Manifest.ProviderType, m.Manifest.Version)
	have, err := w.Get(store.Types, key)
	switch {
	case fault.Is(err, fault.NotFound):
		_, err = w.Put(store.Types, key, []byte(m.Digest))
		return err
	case err != nil:
		return err
	case string(have.Value) != m.Digest:
		return fault.New(fault.ProviderExists, "%s/%s %s is here already, as module %s",
			m.Manifest.Category, m.Manifest.ProviderType, m.Manifest.Version, have.Value).
			WithHint("raise `version` in its manifest, build it again, and point connectors at the new one; or delete module %.12s first", have.Value)
	}
	return nil
}

// unindex takes a module that goes away out of the index.
func unindex(w store.Writer, digest string) error {
	e, err := w.Get(store.Modules, digest)
	if err != nil {
		return err
	}
	var m spec.Module
	if err := decode(e.Value, &m); err != nil {
		return err
	}
	key := typeKey(m.Manifest.Category, m.Manifest.ProviderType, m.Manifest.Version)
	have, err := w.Get(store.Types, key)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil || string(have.Value) != digest {
		return err
	}
	return w.Delete(store.Types, key)
}

// Reindex adds modules to the index of types that are not there: those of a
// data directory from before there were types. Of several with one type and
// version the one that was uploaded last is taken, and the others stay usable
// by their digest.
func (s *Shelf) Reindex(ctx context.Context) error {
	missing := map[string]spec.Module{}
	err := s.space.View(ctx, func(r store.Reader) error {
		for e, err := range store.All(r, store.Modules, "") {
			if err != nil {
				return err
			}
			var m spec.Module
			if err := decode(e.Value, &m); err != nil {
				return err
			}
			key := typeKey(m.Manifest.Category, m.Manifest.ProviderType, m.Manifest.Version)
			if strings.Count(key, "/") != 2 || len(key) > store.MaxID {
				continue // only by its digest
			}
			if _, err := r.Get(store.Types, key); err == nil {
				continue
			} else if !fault.Is(err, fault.NotFound) {
				return err
			}
			if other, ok := missing[key]; !ok || other.Uploaded.Before(m.Uploaded) {
				missing[key] = m
			}
		}
		return nil
	})
	for key, m := range missing {
		if err != nil {
			break
		}
		err = s.space.Update(ctx, func(w store.Writer) error {
			_, err := w.PutIf(store.Types, key, []byte(m.Digest), 0)
			if fault.Is(err, fault.Exists) {
				return nil
			}
			return err
		})
	}
	return err
}

// versions are those of one type, newest first.
func versions(r store.Reader, category, providerType string) (list []Version, err error) {
	prefix := typeKey(category, providerType, "")
	for e, err := range store.All(r, store.Types, prefix) {
		if err != nil {
			return nil, err
		}
		list = append(list, Version{strings.TrimPrefix(e.ID, prefix), string(e.Value)})
	}
	slices.SortFunc(list, func(a, b Version) int { return newer(b.Version, a.Version) })
	return list, nil
}

// usual is the version that is used when none is named: the newest release,
// else the newest of all.
func usual(list []Version) Version {
	if i := slices.IndexFunc(list, func(v Version) bool { return isRelease(v.Version) }); i >= 0 {
		return list[i]
	}
	return list[0]
}

// Resolve is the module of a type: of this version, or of the newest when
// version is "". fault.TypeUnknown says which types or versions there are.
func (s *Shelf) Resolve(ctx context.Context, category, providerType, version string) (m spec.Module, err error) {
	err = s.space.View(ctx, func(r store.Reader) error {
		list, err := named(r, category, providerType)
		if err != nil {
			return err
		}
		chosen := usual(list)
		if version != "" {
			i := slices.IndexFunc(list, func(v Version) bool { return v.Version == version })
			if i < 0 {
				return fault.New(fault.TypeUnknown, "%s/%s has no version %.80q; there are %s", category, providerType, version, versionList(list))
			}
			chosen = list[i]
		}
		e, err := r.Get(store.Modules, chosen.Module)
		if err != nil {
			return err
		}
		return decode(e.Value, &m)
	})
	return m, err
}

// named are the versions of a type, of which there is at least one.
func named(r store.Reader, category, providerType string) ([]Version, error) {
	if strings.Contains(category, "/") || strings.Contains(providerType, "/") || len(category)+len(providerType) > 2*maxProviderType+64 {
		return nil, fault.New(fault.TypeUnknown, "no type %.80q in the category %.80q", providerType, category)
	}
	list, err := versions(r, category, providerType)
	if err != nil || len(list) > 0 {
		return list, err
	}
	others, err := providers(r, category)
	if err != nil {
		return nil, err
	}
	f := fault.New(fault.TypeUnknown, "no type %.80q in the category %.80q", providerType, category)
	if len(others) == 0 {
		return nil, f.WithHint("upload a module of the category %.80q first", category)
	}
	return nil, f.WithHint("the category has %s", strings.Join(others, ", "))
}

// providers are the provider types of a category, by name.
func providers(r store.Reader, category string) (list []string, err error) {
	for e, err := range store.All(r, store.Types, category+"/") {
		if err != nil {
			return nil, err
		}
		if p := strings.Split(e.ID, "/")[1]; !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list, nil
}

func versionList(list []Version) string {
	const most = 10
	var texts []string
	for _, v := range list[:min(len(list), most)] {
		texts = append(texts, v.Version)
	}
	if len(list) > most {
		texts = append(texts, "…")
	}
	return strings.Join(texts, ", ")
}

// Type is one type; fault.TypeUnknown when there is none.
func (s *Shelf) Type(ctx context.Context, category, providerType string) (t Type, err error) {
	err = s.space.View(ctx, func(r store.Reader) error {
		list, err := named(r, category, providerType)
		if err == nil {
			t, err = typeOf(r, category, providerType, list)
		}
		return err
	})
	return t, err
}

// Types are the types of a category, or of all when it is "", by name.
func (s *Shelf) Types(ctx context.Context, category string) (list []Type, err error) {
	prefix := ""
	if category != "" {
		prefix = category + "/"
	}
	err = s.space.View(ctx, func(r store.Reader) error {
		list = []Type{}
		last := ""
		for e, err := range store.All(r, store.Types, prefix) {
			if err != nil {
				return err
			}
			parts := strings.SplitN(e.ID, "/", 3)
			name := parts[0] + "/" + parts[1]
			if name == last {
				continue
			}
			last = name
			of, err := versions(r, parts[0], parts[1])
			if err != nil {
				return err
			}
			t, err := typeOf(r, parts[0], parts[1], of)
			if err != nil {
				return err
			}
			list = append(list, t)
		}
		return nil
	})
	return list, err
}

func typeOf(r store.Reader, category, providerType string, list []Version) (Type, error) {
	chosen := usual(list)
	e, err := r.Get(store.Modules, chosen.Module)
	if err != nil {
		return Type{}, err
	}
	var m spec.Module
	if err := decode(e.Value, &m); err != nil {
		return Type{}, err
	}
	return Type{
		Category: category, ProviderType: providerType, DisplayName: m.Manifest.DisplayName,
		Kind: m.Manifest.Kind, Module: chosen.Module, Versions: list,
	}, nil
}
