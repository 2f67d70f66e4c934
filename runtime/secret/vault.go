package secret

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/mask"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// The bounds of a vault.
const (
	MaxValue  = 64 << 10     // bytes of a value
	MaxName   = 500          // bytes of a name with its prefix
	MinMasked = mask.MinSize // bytes: a shorter value is kept, and masked nowhere
)

// The prefixes of names.
const (
	NamedPrefix     = "named/"     // what secret://name means
	ConnectorPrefix = "connector/" // parameters: connector/<id>/<key>
	HostPrefix      = "host/"      // what the host made for a connector: host/<id>/<key>
)

// Named is the name in a vault of what secret://name means.
func Named(name string) string { return NamedPrefix + name }

// OfConnector is the name in a vault of a connector's parameter, by its key or
// its JSON Pointer; with "" it is the prefix of all of them.
func OfConnector(id, key string) string { return ConnectorPrefix + id + "/" + key }

// OfHost is the name in a vault of what the host made for a connector and keeps to
// itself, by its key; with "" it is the prefix of all of it.
func OfHost(id, key string) string { return HostPrefix + id + "/" + key }

// Masked stands in a text where a secret was.
const Masked = mask.Masked

// Mask masks a tenant's secrets.
type Mask = mask.Mask

// Vault is where a tenant's secrets are kept. Its methods that take a reader or
// a writer belong into a transaction of the tenant's space; it is safe for use
// by several goroutines. A nil one has no key and refuses everything.
type Vault struct {
	sealer
	mask *Mask

	settling sync.Mutex // of what transactions did, one after the other
}

// Entry is what may be known of a secret.
type Entry struct {
	Name    string // with its prefix
	Version uint64 // of the store
	spec.SecretInfo
}

func newVault(tenant string, key []byte) *Vault {
	return &Vault{sealer: newSealer(tenant, key), mask: mask.New()}
}

// Mask masks the tenant's secrets. That of a nil vault changes nothing.
func (v *Vault) Mask() *Mask {
	if v == nil {
		return nil
	}
	return v.mask
}

// Learn opens every secret of the space, so that all are masked from then on.
// One that does not open is passed over: it says so where it is used.
func (v *Vault) Learn(ctx context.Context, space store.Space) error {
	if v == nil {
		return nil
	}
	return space.View(ctx, func(r store.Reader) error {
		for e, err := range store.All(r, store.Secrets, "") {
			if err != nil {
				return err
			}
			if strings.HasPrefix(e.ID, HostPrefix) {
				continue
			}
			if value, err := v.open(e.ID, e.Value); err == nil {
				v.mask.Learn(e.ID, value)
			}
		}
		return nil
	})
}

// Seal keeps a value under a name, in the place of any that is there. It is
// masked from now on. Through a writer of Space, it is what the name stands for
// once the transaction has happened; through another one it counts as done. A
// value is at most MaxValue bytes (fault.TooLarge); one shorter
// than MinMasked is not masked, which whoever sets it should be told.
func (v *Vault) Seal(w store.Writer, name string, value []byte) (spec.SecretInfo, error) {
	if err := v.fits(name, value); err != nil {
		return spec.SecretInfo{}, err
	}
	if tx := v.transaction(w); tx != nil {
		tx.touched[name] = true
		v.mask.Pass(value)
	} else {
		v.mask.Learn(name, value)
	}
	sealed := v.seal(name, value, time.Now())
	if _, err := w.Put(store.Secrets, name, sealed); err != nil {
		return spec.SecretInfo{}, err
	}
	return infoOf(name, sealed)
}

func (v *Vault) fits(name string, value []byte) error {
	switch {
	case v == nil:
		return noKeys()
	case name == "" || len(name) > MaxName:
		return fault.New(fault.Invalid, "a secret's name has 1 to %d bytes", MaxName)
	case len(value) > MaxValue:
		return fault.New(fault.TooLarge, "a secret has at most %d bytes, and this one has %d", MaxValue, len(value))
	}
	return nil
}

// Keep seals a value under a name of OfHost, in the place of any that is there.
// Nothing but the host ever gets it, so that it is masked nowhere.
func (v *Vault) Keep(w store.Writer, name string, value []byte) error {
	if err := v.fits(name, value); err != nil {
		return err
	}
	_, err := w.Put(store.Secrets, name, v.seal(name, value, time.Now()))
	return err
}

// Kept gives back what Keep has sealed; the faults are Unseal's.
func (v *Vault) Kept(r store.Reader, name string) ([]byte, error) {
	e, err := v.get(r, name)
	if err != nil {
		return nil, err
	}
	return v.open(name, e.Value)
}

// Unseal gives a value back, or fault.SecretMissing when there is none, or
// fault.Integrity when what is there was not sealed here as this.
func (v *Vault) Unseal(r store.Reader, name string) ([]byte, spec.SecretInfo, error) {
	e, err := v.get(r, name)
	if err != nil {
		return nil, spec.SecretInfo{}, err
	}
	value, err := v.open(name, e.Value)
	if err != nil {
		return nil, spec.SecretInfo{}, err
	}
	v.mask.Pass(value) // unless it is known, as what is stored is
	info, err := infoOf(name, e.Value)
	return value, info, err
}

// Info is what may be known of a secret, or the faults of Unseal: it looks
// whether the value opens.
func (v *Vault) Info(r store.Reader, name string) (Entry, error) {
	e, err := v.get(r, name)
	if err != nil {
		return Entry{}, err
	}
	if _, err := v.open(name, e.Value); err != nil {
		return Entry{}, err
	}
	info, err := infoOf(name, e.Value)
	return Entry{name, e.Version, info}, err
}

// List is what may be known of the secrets whose names begin with prefix and
// come after one, by name, at most limit (1 to store.MaxList). It opens none.
func (v *Vault) List(r store.Reader, prefix, after string, limit int) ([]Entry, error) {
	if v == nil {
		return nil, noKeys()
	}
	found, err := r.List(store.Secrets, prefix, after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]Entry, len(found))
	for i, e := range found {
		info, err := infoOf(e.ID, e.Value)
		if err != nil {
			return nil, err
		}
		list[i] = Entry{e.ID, e.Version, info}
	}
	return list, nil
}

// Drop forgets a secret, or returns fault.SecretMissing. See Seal for when it is
// masked no more.
func (v *Vault) Drop(w store.Writer, name string) error {
	if v == nil {
		return noKeys()
	}
	err := w.Delete(store.Secrets, name)
	if fault.Is(err, fault.NotFound) {
		return missing(name)
	}
	if err != nil {
		return err
	}
	if tx := v.transaction(w); tx != nil {
		tx.touched[name] = true
	} else {
		v.mask.Drop(name)
	}
	return nil
}

// DropAll forgets the secrets whose names begin with prefix.
func (v *Vault) DropAll(w store.Writer, prefix string) error {
	if v == nil {
		return nil // it has kept none
	}
	var names []string
	for e, err := range store.All(w, store.Secrets, prefix) {
		if err != nil {
			return err
		}
		names = append(names, e.ID)
	}
	for _, name := range names {
		if err := v.Drop(w, name); err != nil {
			return err
		}
	}
	return nil
}

func (v *Vault) get(r store.Reader, name string) (store.Entry, error) {
	if v == nil {
		return store.Entry{}, noKeys()
	}
	e, err := r.Get(store.Secrets, name)
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		return e, missing(name)
	}
	return e, err
}

func missing(name string) error {
	if named, ok := strings.CutPrefix(name, NamedPrefix); ok {
		return fault.New(fault.SecretMissing, "no secret is named %.200q", named).
			WithHint("Set it with `snaprail secret set %.200s`.", named)
	}
	return fault.New(fault.SecretMissing, "the secret %.200q is not set", name).
		WithHint("Set it with the connector's parameters.")
}

func noKeys() error {
	return fault.New(fault.Internal, "the server was started without a key for secrets")
}
