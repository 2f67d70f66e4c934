package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of named secrets.
const (
	maxSecrets    = 1000 // of one tenant
	maxSecretName = 128
)

// SecretView is what may be known of a named secret: never its value.
type SecretView struct {
	spec.SecretInfo

	Name     string
	Revision uint64
	// UsedBy are the ids of the connectors that name it; a list does not have
	// them.
	UsedBy []string
	// Warnings are what whoever set it should know.
	Warnings []string
}

func secretView(e secret.Entry) SecretView {
	return SecretView{SecretInfo: e.SecretInfo, Name: strings.TrimPrefix(e.Name, secret.NamedPrefix), Revision: e.Version}
}

// vault is where the tenant's secrets are kept.
func (t *Tenant) vault(context.Context) (*secret.Vault, error) { return t.runtime.Vault(), nil }

// Masked is what a caller of a tenant may see of an error: all but the tenant's
// secrets. A peer's or a guest's words may be in it.
func (s *Service) Masked(_ context.Context, tenant string, f *fault.Fault) *fault.Fault {
	if tenant == "" || s.cfg.Secrets == nil {
		return f
	}
	runtime, open := s.cfg.Supervisor.Known(tenant)
	if !open { // its secrets are not known either
		return fault.New(f.Kind, "what happened cannot be shown, since the tenant is not open")
	}
	return runtime.Vault().Mask().Fault(f)
}

// SetSecret keeps a value that connectors name as secret://name, in the place
// of any that is there: whatever names it uses it from now on. revision is the
// one that the caller read; 0: whatever is there, if anything.
func (t *Tenant) SetSecret(ctx context.Context, name string, value []byte, revision uint64) (v SecretView, err error) {
	if err := t.may(ctx, identity.Secrets, identity.Write); err != nil {
		return v, err
	}
	if err := checkSecret(name, value); err != nil {
		return v, err
	}
	vault, err := t.vault(ctx)
	if err != nil {
		return v, err
	}
	err = t.space.Update(ctx, func(w store.Writer) error {
		if err := t.mayReplace(w, vault, name, revision); err != nil {
			return err
		}
		if _, err := vault.Seal(w, secret.Named(name), value); err != nil {
			return err
		}
		e, err := vault.Info(w, secret.Named(name))
		if err != nil {
			return err
		}
		v = secretView(e)
		return identity.Append(w, identity.Event{
			Who: t.who, Action: identity.SecretSet, On: name, Outcome: identity.Done, Detail: "fingerprint " + v.Fingerprint,
		})
	})
	if err != nil {
		return SecretView{}, err
	}
	if len(value) < secret.MinMasked {
		v.Warnings = []string{fmt.Sprintf("a value of less than %d bytes is masked nowhere: what a connector writes into its log can show it", secret.MinMasked)}
	}
	return v, nil
}

// checkSecret looks at what is to be kept; it shows nothing of the value.
func checkSecret(name string, value []byte) error {
	var f findings
	if !isSecretName(name) {
		f.wrong("/name", "has 1 to %d of A-Z, a-z, 0-9, ., _ and -, and begins with a letter or a digit", maxSecretName)
	}
	if len(value) == 0 || len(value) > secret.MaxValue || !utf8.Valid(value) {
		f.wrong("/value", "has 1 to %d bytes of UTF-8", secret.MaxValue)
	}
	return f.of("secret")
}

func isSecretName(name string) bool {
	if name == "" || len(name) > maxSecretName || strings.IndexByte("._-", name[0]) >= 0 {
		return false
	}
	for i := range len(name) {
		if !spec.SecretNameByte(name[i]) {
			return false
		}
	}
	return true
}

// mayReplace refuses a change that was made against another revision, and one
// secret too many. One that is damaged may be set again.
func (t *Tenant) mayReplace(w store.Writer, vault *secret.Vault, name string, revision uint64) error {
	e, err := vault.Info(w, secret.Named(name))
	switch {
	case fault.Is(err, fault.Integrity):
		return nil
	case fault.Is(err, fault.SecretMissing) && revision != 0:
		return fault.New(fault.StaleRevision, "the secret %s is not there any more", name)
	case fault.Is(err, fault.SecretMissing):
		list, err := vault.List(w, secret.NamedPrefix, "", maxSecrets)
		if err == nil && len(list) >= maxSecrets {
			err = fault.New(fault.QuotaReached, "a tenant may keep %d secrets", maxSecrets)
		}
		return err
	case err == nil && revision != 0 && revision != e.Version:
		return fault.New(fault.StaleRevision, "the secret %s is at revision %d, not %d", name, e.Version, revision)
	}
	return err
}

// Secrets is a page of what may be known of the tenant's secrets, by name.
func (t *Tenant) Secrets(ctx context.Context, p Page) (list []SecretView, next string, err error) {
	if err := t.may(ctx, identity.Secrets, identity.Read); err != nil {
		return nil, "", err
	}
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	vault, err := t.vault(ctx)
	if err != nil {
		return nil, "", err
	}
	var found []secret.Entry
	err = t.space.View(ctx, func(r store.Reader) error {
		after := p.After
		if after != "" {
			after = secret.Named(after)
		}
		found, err = vault.List(r, secret.NamedPrefix, after, limit)
		return err
	})
	for _, e := range found {
		list = append(list, secretView(e))
	}
	if len(list) == limit {
		next = list[limit-1].Name
	}
	return list, next, err
}

// Secret is what may be known of one. It looks whether the value opens:
// fault.Integrity.
func (t *Tenant) Secret(ctx context.Context, name string) (v SecretView, err error) {
	if err := t.may(ctx, identity.Secrets, identity.Read); err != nil {
		return v, err
	}
	vault, err := t.vault(ctx)
	if err != nil {
		return v, err
	}
	err = t.space.View(ctx, func(r store.Reader) error {
		e, err := readSecret(r, vault, name)
		if err != nil {
			return err
		}
		v = secretView(e)
		v.UsedBy, err = secretUsers(r, vault, name)
		return err
	})
	return v, err
}

// DeleteSecret forgets a secret that no connector names. revision is the one
// that the caller read; 0: whatever is there.
func (t *Tenant) DeleteSecret(ctx context.Context, name string, revision uint64) error {
	if err := t.may(ctx, identity.Secrets, identity.Write); err != nil {
		return err
	}
	vault, err := t.vault(ctx)
	if err != nil {
		return err
	}
	return t.space.Update(ctx, func(w store.Writer) error {
		e, err := readSecret(w, vault, name)
		if err != nil && !fault.Is(err, fault.Integrity) { // a damaged one may go
			return err
		}
		if err == nil && revision != 0 && revision != e.Version {
			return fault.New(fault.StaleRevision, "the secret %s is at revision %d, not %d", name, e.Version, revision)
		}
		users, err := secretUsers(w, vault, name)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			for i, id := range users {
				if c, err := find(w, id); err == nil {
					users[i] = c.Name + " (" + id + ")"
				}
			}
			return fault.New(fault.SecretInUse, "the secret %s is named by %s", name, strings.Join(users, ", "))
		}
		if err := identity.Append(w, identity.Event{
			Who: t.who, Action: identity.SecretDelete, On: name, Outcome: identity.Done,
		}); err != nil {
			return err
		}
		return vault.Drop(w, secret.Named(name))
	})
}

func readSecret(r store.Reader, vault *secret.Vault, name string) (secret.Entry, error) {
	e, err := vault.Info(r, secret.Named(name))
	if fault.Is(err, fault.SecretMissing) {
		return e, fault.New(fault.NotFound, "no secret is named %.200q", name)
	}
	return e, err
}

// secretUsers are the ids of the connectors that name a secret in their config,
// their parameters, sealed ones too, or their grants.
func secretUsers(r store.Reader, vault *secret.Vault, name string) (ids []string, err error) {
	for e, err := range store.All(r, store.Connectors, "") {
		if err != nil {
			return nil, err
		}
		if slices.Contains(spec.SecretNames(e.Value), name) {
			ids = append(ids, e.ID)
		}
	}
	for e, err := range store.All(r, store.Secrets, secret.ConnectorPrefix) {
		if err != nil {
			return nil, err
		}
		value, _, err := vault.Unseal(r, e.ID)
		if fault.Is(err, fault.Integrity) {
			continue // it says so where it is used
		}
		if err != nil {
			return nil, err
		}
		if slices.Contains(spec.SecretNames(value), name) {
			id, _, _ := strings.Cut(strings.TrimPrefix(e.ID, secret.ConnectorPrefix), "/")
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
