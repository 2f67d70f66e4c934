package control

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of a category.
const (
	maxDescription = 1000 // characters
	maxOperations  = 50
	maxArguments   = 30 // of one operation
)

func sortTypes(list []TypeView) {
	slices.SortStableFunc(list, func(a, b TypeView) int {
		return cmp.Or(strings.Compare(a.Category, b.Category), strings.Compare(a.ProviderType, b.ProviderType))
	})
}

// Categories is a page of those that are built in and the tenant's own, by
// name.
func (t *Tenant) Categories(ctx context.Context, p Page) (list []spec.Category, next string, err error) {
	if err := t.may(ctx, identity.Categories, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		list, err = catalog.ListCategories(r)
		return err
	})
	list = slices.DeleteFunc(list, func(c spec.Category) bool { return c.Name <= p.After })
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].Name
	}
	return list, next, err
}

// Category is one of them.
func (t *Tenant) Category(ctx context.Context, name string) (c spec.Category, err error) {
	if err := t.may(ctx, identity.Categories, identity.Read); err != nil {
		return c, err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		c, err = catalog.ReadCategory(r, name)
		return err
	})
	return c, err
}

// AddCategory adds a category of the tenant's own: from now on its modules may
// be of it, and connectors of them are called through it.
func (t *Tenant) AddCategory(ctx context.Context, c spec.Category) (spec.Category, error) {
	if err := t.may(ctx, identity.Categories, identity.Write); err != nil {
		return spec.Category{}, err
	}
	if err := checkCategory(&c); err != nil {
		return spec.Category{}, err
	}
	err := t.space.Update(ctx, func(w store.Writer) error {
		all, err := catalog.ListCategories(w)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all, func(x spec.Category) bool { return x.Name == c.Name }) {
			return fault.New(fault.Exists, "there is a category %s already", c.Name)
		}
		if len(all)-len(catalog.BuiltInCategories()) >= catalog.MaxCategories {
			return fault.New(fault.QuotaReached, "a tenant may add %d categories", catalog.MaxCategories)
		}
		c.Revision = 1
		return t.putCategory(w, &c, identity.CategoryCreate)
	})
	return c, err
}

// UpdateCategory replaces a category of the tenant's own. Each of its modules
// must offer the operations that are asked for now. revision is the one that
// the caller read; 0: whichever there is.
func (t *Tenant) UpdateCategory(ctx context.Context, name string, c spec.Category, revision uint64) (spec.Category, error) {
	if err := t.may(ctx, identity.Categories, identity.Write); err != nil {
		return spec.Category{}, err
	}
	if c.Name == "" {
		c.Name = name
	}
	if c.Name != name {
		f := findings{}
		f.wrong("/name", "cannot be changed: add a category of the new name")
		return spec.Category{}, f.of("category")
	}
	if err := checkCategory(&c); err != nil {
		return spec.Category{}, err
	}
	err := t.space.Update(ctx, func(w store.Writer) error {
		have, err := ownCategory(w, name, revision)
		if err != nil {
			return err
		}
		c.Revision = have.Revision + 1
		if err := stillOffered(w, c); err != nil {
			return err
		}
		return t.putCategory(w, &c, identity.CategoryUpdate)
	})
	return c, err
}

// RemoveCategory removes a category of the tenant's own that no module is of.
func (t *Tenant) RemoveCategory(ctx context.Context, name string, revision uint64) error {
	if err := t.may(ctx, identity.Categories, identity.Write); err != nil {
		return err
	}
	return t.space.Update(ctx, func(w store.Writer) error {
		have, err := ownCategory(w, name, revision)
		if err != nil {
			return err
		}
		by, err := modulesIn(w, name)
		if err != nil {
			return err
		}
		if len(by) > 0 {
			return fault.New(fault.ModuleInUse, "the category %s is that of %s", name, titles(by)).
				WithHint("Delete those modules first.")
		}
		if err := identity.Append(w, t.categoryEvent(identity.CategoryDelete, &have)); err != nil {
			return err
		}
		return w.Delete(store.Categories, name)
	})
}

func (t *Tenant) putCategory(w store.Writer, c *spec.Category, action identity.Action) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "category %s", c.Name)
	}
	if _, err := w.Put(store.Categories, c.Name, raw); err != nil {
		return err
	}
	return identity.Append(w, t.categoryEvent(action, c))
}

func (t *Tenant) categoryEvent(action identity.Action, c *spec.Category) identity.Event {
	names := make([]string, len(c.Operations))
	for i, o := range c.Operations {
		names[i] = o.Name
	}
	return identity.Event{
		Who: t.who, Action: action, On: c.Name, Outcome: identity.Done,
		Detail: fault.Clip("operations: "+orNone(strings.Join(names, ", ")), identity.MaxDetail),
	}
}

// ownCategory reads a category that the tenant may change.
func ownCategory(r store.Reader, name string, revision uint64) (spec.Category, error) {
	c, err := catalog.ReadCategory(r, name)
	switch {
	case err != nil:
		return c, err
	case c.BuiltIn:
		return c, fault.New(fault.WrongState, "the category %s is built in and stays as it is", name).
			WithHint("Add a category of your own.")
	case revision != 0 && revision != c.Revision:
		return c, fault.New(fault.StaleRevision, "category %s is at revision %d, not %d", name, c.Revision, revision)
	}
	return c, nil
}

// modulesIn are the modules of a category.
func modulesIn(r store.Reader, category string) (of []spec.Module, err error) {
	for e, err := range store.All(r, store.Modules, "") {
		if err != nil {
			return nil, err
		}
		var m spec.Module
		if err := json.Unmarshal(e.Value, &m); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "module %s", e.ID)
		}
		if m.Manifest.Category == category {
			of = append(of, m)
		}
	}
	return of, nil
}

// stillOffered refuses operations that a module of the category does not have.
func stillOffered(r store.Reader, c spec.Category) error {
	of, err := modulesIn(r, c.Name)
	if err != nil {
		return err
	}
	for _, m := range of {
		if m.Manifest.Kind != abi.KindConnector {
			continue
		}
		if missing := catalog.Missing(c, m.Exports); len(missing) > 0 {
			return fault.New(fault.OperationMissing, "%s does not export %s", titles([]spec.Module{m}), strings.Join(missing, ", ")).
				WithHint("Delete that module first, or leave the operations out.")
		}
	}
	return nil
}

// titles names modules, a few of them.
func titles(of []spec.Module) string {
	const most = 5
	var names []string
	for _, m := range of[:min(len(of), most)] {
		names = append(names, fmt.Sprintf("%s %s (%.12s)", m.Manifest.ProviderType, m.Manifest.Version, m.Digest))
	}
	if more := len(of) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// checkCategory refuses a category that is not well formed, and fills in what
// may be left out.
func checkCategory(c *spec.Category) error {
	var f findings
	c.BuiltIn, c.Revision = false, 0
	if c.DisplayName == "" {
		c.DisplayName = c.Name
	}
	f.name("/name", c.Name)
	f.text("/display_name", c.DisplayName, maxName)
	f.text("/description", c.Description, maxDescription)
	if len(c.Operations) > maxOperations {
		f.wrong("/operations", "has at most %d elements", maxOperations)
		return f.of("category")
	}
	seen := map[string]bool{}
	for i, o := range c.Operations {
		at := fmt.Sprintf("/operations/%d", i)
		f.name(at+"/name", o.Name)
		f.text(at+"/description", o.Description, maxDescription)
		if seen[o.Name] {
			f.wrong(at+"/name", "comes a second time")
		}
		seen[o.Name] = true
		f.arguments(at, o)
	}
	return f.of("category")
}

func (f *findings) arguments(at string, o spec.Operation) {
	if len(o.Parameters)+len(o.Optional) > maxArguments {
		f.wrong(at+"/parameters", "and optional have at most %d elements together", maxArguments)
		return
	}
	seen := map[string]bool{}
	for _, list := range []struct {
		at    string
		names []string
	}{{at + "/parameters", o.Parameters}, {at + "/optional", o.Optional}} {
		for i, name := range list.names {
			element := fmt.Sprintf("%s/%d", list.at, i)
			f.name(element, name)
			if seen[name] {
				f.wrong(element, "comes a second time")
			}
			seen[name] = true
		}
	}
}

// of refuses what is wrong of something that is no connector; nil: nothing is.
func (f *findings) of(what string) error {
	if len(f.bad) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "the %s is not valid: %s", what, summary(f.bad)).WithFields(f.bad...)
}

// name sees that a name is one: it becomes a part of an export's name and of a
// path.
func (f *findings) name(pointer, s string) {
	if !isPlainName(s) {
		f.wrong(pointer, "has 1 to %d characters of a-z, 0-9 and _", maxType)
	}
}

func isPlainName(s string) bool {
	return s != "" && len(s) <= maxType && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_'
	})
}

func (f *findings) text(pointer, s string, most int) {
	if utf8.RuneCountInString(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		f.wrong(pointer, "has at most %d characters, none of them a control character", most)
	}
}
