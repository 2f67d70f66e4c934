package secret

import (
	"context"
	"maps"
	"strings"
	"sync"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// Space is the tenant's space, whose transactions tell the mask what has become
// of secrets: a change that is taken back changes nothing of what is masked. With
// a nil vault it is s itself.
func (v *Vault) Space(s store.Space) store.Space {
	if v == nil {
		return s
	}
	return space{s, v}
}

type space struct {
	store.Space

	vault *Vault
}

// transaction is a writer that remembers which secrets it has touched.
type transaction struct {
	store.Writer

	vault   *Vault
	touched map[string]bool
}

// transaction is the one that a writer belongs to, if it is one of this vault's.
func (v *Vault) transaction(w store.Writer) *transaction {
	if tx, ok := w.(*transaction); ok && tx.vault == v {
		return tx
	}
	return nil
}

// Update implements store.Space.
func (s space) Update(ctx context.Context, fn func(store.Writer) error) error {
	return s.watched(ctx, s.Space.Update, fn)
}

// UpdateAhead implements store.Space.
func (s space) UpdateAhead(ctx context.Context, fn func(store.Writer) error) error {
	return s.watched(ctx, s.Space.UpdateAhead, fn)
}

func (s space) watched(ctx context.Context, update func(context.Context, func(store.Writer) error) error, fn func(store.Writer) error) error {
	var mu sync.Mutex // fn may run beside itself
	var runs []*transaction
	err := update(ctx, func(w store.Writer) error {
		tx := &transaction{Writer: w, vault: s.vault, touched: map[string]bool{}}
		mu.Lock()
		runs = append(runs, tx)
		mu.Unlock()
		return fn(tx)
	})
	if err != nil && !fault.Is(err, fault.Internal) { // after that one alone nobody knows whether it has happened
		return err
	}
	touched := map[string]bool{}
	for _, tx := range runs { // of one that did not count, too: what is stored is read
		maps.Copy(touched, tx.touched)
	}
	if len(touched) > 0 {
		s.vault.settle(context.WithoutCancel(ctx), s.Space, touched)
	}
	return err
}

// Finally implements store.Writer.
func (tx *transaction) Finally(fn func(store.Writer) error) {
	tx.Writer.Finally(func(w store.Writer) error {
		return fn(&transaction{Writer: w, vault: tx.vault, touched: tx.touched})
	})
}

// settle has names stand for what is stored. Others may have changed them since,
// so that it is read, one settle after the other: the last one reads the last
// change. Where it cannot be read, what is masked stays, and the new value is
// masked for a while.
func (v *Vault) settle(ctx context.Context, s store.Space, names map[string]bool) {
	v.settling.Lock()
	defer v.settling.Unlock()
	_ = s.View(ctx, func(r store.Reader) error {
		for name := range names {
			if strings.HasPrefix(name, HostPrefix) {
				continue // masked nowhere
			}
			e, err := r.Get(store.Secrets, name)
			if fault.Is(err, fault.NotFound) {
				v.mask.Drop(name)
				continue
			}
			if err != nil {
				return err
			}
			if value, err := v.open(name, e.Value); err == nil {
				v.mask.Learn(name, value)
			}
		}
		return nil
	})
}
