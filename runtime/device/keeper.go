package device

import (
	"context"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// Keeper keeps a tenant's book in step with what is outside of it. It is safe
// for concurrent use; what it tells the outside of one tenant goes out one by
// one, so that nothing overtakes a later word on the same device.
type Keeper struct {
	book  *Book
	space store.Space
	turn  chan struct{} // holds a token while nobody tells
}

// NewKeeper keeps this book of this space in step.
func NewKeeper(book *Book, space store.Space) *Keeper {
	k := &Keeper{book: book, space: space, turn: make(chan struct{}, 1)}
	k.turn <- struct{}{}
	return k
}

// Answer is what came of a change of a device, here and upstream.
type Answer struct {
	// Local says that the device is kept here as it was asked for, by the manager
	// too.
	Local bool `json:"local"`
	// Upstream says that the platform knows.
	Upstream bool `json:"upstream"`
	// Reason says why not, where one of them is false; Code is its fault's.
	Reason string `json:"reason,omitempty"`
	Code   string `json:"code,omitempty"`
	// Err is what stands behind the reason.
	Err error `json:"-"`
}

func (a *Answer) failed(err error) {
	f := fault.Of(err)
	a.Reason, a.Code, a.Err = fault.Clip(f.Text, 512), f.Kind.String(), err
}

// Tell tells the manager and the platform of a device as it is in the book now.
// An error says that the book could not be read or written; everything else is in
// the answer.
func (k *Keeper) Tell(ctx context.Context, connector, id string, out Outside) (a Answer, err error) {
	select {
	case <-k.turn:
	case <-ctx.Done():
		a.Local = out.Manager == nil
		a.failed(fault.Wrap(fault.Timeout, ctx.Err(), "others are telling the platform of their devices"))
		return a, nil
	}
	defer func() { k.turn <- struct{}{} }()
	var d spec.Device
	var found bool
	err = k.space.View(ctx, func(r store.Reader) (err error) {
		d, found, err = k.book.Lookup(r, connector, id)
		return err
	})
	if err != nil {
		return a, err
	}
	return k.tell(ctx, d, found, out)
}

// tell is Tell of what was read, in its turn.
func (k *Keeper) tell(ctx context.Context, d spec.Device, found bool, out Outside) (a Answer, err error) {
	a.Local = true
	held := d.Held
	if found && out.Manager != nil {
		if held, err = manage(ctx, out.Manager, &d); err != nil {
			a.Local = false
			a.failed(err)
		}
	}
	word := Word{Known: d.Known, Registered: d.Registered}
	switch {
	case out.Upstream == nil:
		if a.Err == nil {
			a.failed(noPlatform())
		}
	case !found:
		a.Upstream = true // upstream never knew of it
	default:
		if word, err = teach(ctx, out, &d); err != nil {
			a.failed(err)
		}
		a.Upstream = err == nil
	}
	if !found || held == d.Held && word == (Word{Known: d.Known, Registered: d.Registered}) && !d.Gone() {
		return a, nil
	}
	return a, k.space.Update(context.WithoutCancel(ctx), func(w store.Writer) error {
		if err := k.book.Kept(w, &d, held); err != nil {
			return err
		}
		return k.book.Told(w, &d, word)
	})
}

func noPlatform() error {
	return fault.New(fault.TypeUnknown, "the tenant has no platform to tell of its devices").
		WithHint("Make a connector of the category %s the default of its category.", CategoryPlatform)
}

// manage makes the manager keep a device as it is, and reports whether it keeps
// it, or may.
func manage(ctx context.Context, m Manager, d *spec.Device) (held bool, err error) {
	switch {
	case d.Gone() && !d.Held:
		return false, nil
	case d.Gone():
		err = m.Remove(ctx, d.ID)
		if fault.Is(err, fault.NotFound) {
			err = nil
		}
		return err != nil, err
	case d.Held:
		if err = m.Update(ctx, d); fault.Is(err, fault.NotFound) {
			err = m.Add(ctx, d)
		}
		return true, err
	}
	if err = m.Add(ctx, d); fault.Is(err, fault.Exists) {
		err = m.Update(ctx, d)
	}
	return err == nil || uncertain(err), err
}

// teach makes the platform know a device as it is.
func teach(ctx context.Context, out Outside, d *spec.Device) (word Word, err error) {
	word = Word{Known: d.Known, Registered: d.Registered}
	up := out.Upstream
	switch {
	case d.State == spec.DeviceDeleted:
		if !d.Known {
			return word, nil
		}
		if err = up.Delete(ctx, d); err == nil || fault.Is(err, fault.NotFound) {
			return Word{}, nil
		}
		return word, err
	case d.State == spec.DeviceDisconnected:
		if !d.Known || d.Registered {
			return word, nil
		}
		if err = up.Disconnect(ctx, d); fault.Is(err, fault.NotFound) {
			return Word{}, nil
		}
		word.Registered = err == nil
		return word, err
	case d.Registered:
		return word, nil
	}
	if err := out.CheckType(d); err != nil {
		return word, err
	}
	if d.Known {
		if err = up.Update(ctx, d); fault.Is(err, fault.NotFound) {
			err = up.Register(ctx, d)
		}
	} else if err = up.Register(ctx, d); fault.Is(err, fault.Exists) {
		word.Known = true
		err = up.Update(ctx, d)
	}
	word.Known = word.Known || err == nil || uncertain(err)
	word.Registered = err == nil
	return word, err
}

// uncertain reports whether the other side may have done what it was asked for
// all the same.
func uncertain(err error) bool {
	return fault.Is(err, fault.Timeout) || fault.Is(err, fault.GuestDeadline) || fault.Is(err, fault.Canceled) || fault.Is(err, fault.GuestTrap)
}

// away reports whether the other side cannot be asked at all now.
func away(err error) bool {
	return uncertain(err) || fault.Is(err, fault.WrongState) || fault.Is(err, fault.Exhausted) || fault.Is(err, fault.ResourceUnavailable) ||
		fault.Is(err, fault.Unsupported) || fault.Is(err, fault.ShuttingDown)
}
