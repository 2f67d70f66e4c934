package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// Maker makes resources and takes them away. What it does may have been done
// already, wholly or in part: a crash may have come between the deed and the
// ledger.
type Maker interface {
	// There reports whether what was made is still there, as far as can be told
	// without asking anybody.
	There(ctx context.Context, r Resource) (bool, error)
	// Same reports whether to take r away would take away what ask makes, too.
	Same(r Resource, ask []byte) bool
	// Make makes it, or takes it for made if it is there already. An error that Nothing wraps has made nothing.
	Make(ctx context.Context, r Resource) (Result, error)
	// Change makes what from asked for into what r.Ask asks for.
	Change(ctx context.Context, r Resource, from []byte) (Result, error)
	// Unmake takes it away. One that is gone is no error.
	Unmake(ctx context.Context, r Resource) error
}

// nothing marks an error after which nothing was made.
type nothing struct{ error }

func (n nothing) Unwrap() error { return n.error }

// Nothing is the error of a Make that has made nothing.
func Nothing(err error) error {
	if err == nil {
		return nil
	}
	return nothing{err}
}

// Ledger is one run of one deployment: each change of what there is, is written
// down before and after it is made. It is used by one goroutine.
type Ledger struct {
	space store.Space
	maker Maker
	d     Deployment
	dirty bool // something was changed in this run
}

// Begin begins a run and writes that down: want is the deployment as it is to be,
// of which the ledger and the counters are taken from the one that is there.
// state is Deploying or TearingDown.
func Begin(ctx context.Context, space store.Space, maker Maker, want Deployment, state State) (*Ledger, error) {
	l := &Ledger{space: space, maker: maker}
	err := space.Update(ctx, func(w store.Writer) error {
		l.d, l.dirty = want, false
		was, err := Get(w, want.UUID)
		switch {
		case fault.Is(err, fault.NotFound):
			l.d.Created, l.d.Resources, l.d.Runs, l.d.Good, l.d.Numbers, l.d.Revision, l.dirty = time.Now().UTC(), nil, 0, 0, 0, 0, true
		case err != nil:
			return err
		default:
			l.d.Created, l.d.Resources, l.d.Runs, l.d.Numbers = was.Created, was.Resources, was.Runs, was.Numbers
			l.d.Good, l.d.Revision, l.d.Answer = was.Good, was.Revision, was.Answer
			l.dirty = !sameDocument(&was, &want) || was.State != Deployed
		}
		l.d.Runs++
		l.d.State, l.d.Problem = state, nil
		return l.put(w)
	})
	return l, err
}

func sameDocument(a, b *Deployment) bool {
	var x, y bytes.Buffer
	return a.Connector == b.Connector && json.Compact(&x, a.Document) == nil && json.Compact(&y, b.Document) == nil &&
		bytes.Equal(x.Bytes(), y.Bytes())
}

// Deployment is what the run has come to so far. It belongs to the ledger.
func (l *Ledger) Deployment() *Deployment { return &l.d }

// Changed reports whether the run has changed anything.
func (l *Ledger) Changed() bool { return l.dirty }

func (l *Ledger) put(w store.Writer) error {
	l.d.Updated = time.Now().UTC()
	return put(w, &l.d)
}

// write makes what the ledger says durable.
func (l *Ledger) write(ctx context.Context) error {
	return l.space.Update(ctx, l.put)
}

// Ensure makes a resource, unless it is there as it is asked for. existed says
// that nothing was done.
func (l *Ledger) Ensure(ctx context.Context, kind Kind, name string, ask []byte) (result Result, existed bool, err error) {
	if len(ask) > MaxAsk {
		return result, false, fault.New(fault.TooLarge, "the %s %.64q is asked for in %d bytes, and %d are allowed", kind, name, len(ask), MaxAsk)
	}
	i := l.d.find(kind, name)
	if i < 0 {
		result, err = l.make(ctx, kind, name, ask)
		return result, false, err
	}
	r := &l.d.Resources[i]
	there, err := l.there(ctx, r)
	switch {
	case err != nil:
		return result, false, err
	case there && r.Standing == Made && bytes.Equal(r.Ask, ask):
		r.Run = l.d.Runs
		return r.Result, true, nil
	case there:
		result, err = l.change(ctx, i, ask)
		return result, false, err
	case r.Standing == Made: // somebody has taken it away
		l.forget(i)
	case l.maker.Same(*r, ask):
		result, err = l.remake(ctx, i, ask)
		return result, false, err
	case r.Standing == Intended: // what cannot be taken away stays as an orphan
		if err := l.unmake(ctx, i); err != nil {
			return result, false, err
		}
	}
	result, err = l.make(ctx, kind, name, ask)
	return result, false, err
}

// there reports whether a resource was made, and is there as far as can be told.
func (l *Ledger) there(ctx context.Context, r *Resource) (bool, error) {
	if r.Standing == Orphan || r.Standing == Intended && r.Was == nil {
		return false, nil
	}
	return l.maker.There(ctx, *r)
}

func (l *Ledger) make(ctx context.Context, kind Kind, name string, ask []byte) (Result, error) {
	if len(l.d.Resources) >= MaxResources {
		return Result{}, fault.New(fault.Exhausted, "a deployment has at most %d resources, orphans among them", MaxResources)
	}
	l.d.Numbers++
	n := l.d.Numbers
	l.d.Resources = append(l.d.Resources, Resource{
		Number: n, Kind: kind, Name: name, Standing: Intended, Ask: bytes.Clone(ask), Born: l.d.Runs, Run: l.d.Runs, At: time.Now().UTC(),
	})
	l.dirty = true
	if err := l.write(ctx); err != nil { // before it is made
		l.d.Resources = l.d.Resources[:len(l.d.Resources)-1]
		return Result{}, err
	}
	return l.fill(ctx, len(l.d.Resources)-1, func(i int) { l.forget(i) })
}

// remake makes what may be there already, in its own line.
func (l *Ledger) remake(ctx context.Context, i int, ask []byte) (Result, error) {
	r := &l.d.Resources[i]
	was := *r
	r.Ask, r.Standing, r.Reason, r.Was = bytes.Clone(ask), Intended, "", nil
	r.Born, r.Run, r.At, l.dirty = l.d.Runs, l.d.Runs, time.Now().UTC(), true
	back := func(i int) { l.d.Resources[i] = was }
	if err := l.write(ctx); err != nil {
		back(i)
		return Result{}, err
	}
	return l.fill(ctx, i, back)
}

// fill makes what a line that is durable intends. none is called when nothing was
// made.
func (l *Ledger) fill(ctx context.Context, i int, none func(i int)) (Result, error) {
	result, err := l.maker.Make(ctx, l.d.Resources[i])
	if without, ok := errors.AsType[nothing](err); ok {
		none(i)
		return Result{}, errors.Join(without.error, l.write(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return Result{}, err // it may be there: the roll-back takes it away
	}
	l.d.Resources[i].Result, l.d.Resources[i].Standing = result, Made
	return result, l.write(context.WithoutCancel(ctx))
}

// change makes a resource into another one of its kind. Until that is done nobody
// knows which of the two it is.
func (l *Ledger) change(ctx context.Context, i int, ask []byte) (Result, error) {
	r := &l.d.Resources[i]
	was := *r
	if r.Was == nil {
		r.Was = r.Ask
	}
	r.Ask, r.Standing, r.Run, r.At, l.dirty = bytes.Clone(ask), Intended, l.d.Runs, time.Now().UTC(), true
	if err := l.write(ctx); err != nil {
		l.d.Resources[i] = was
		return Result{}, err
	}
	result, err := l.maker.Change(ctx, *r, was.Ask)
	if none, ok := errors.AsType[nothing](err); ok {
		l.d.Resources[i] = was
		return Result{}, errors.Join(none.error, l.write(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return Result{}, err
	}
	r.Result, r.Standing = result, Made
	return result, l.write(context.WithoutCancel(ctx))
}

func (l *Ledger) forget(i int) {
	l.d.Resources = slices.Delete(l.d.Resources, i, i+1)
	l.dirty = true
}

// unmake takes one away. The error is the store's: a resource that cannot be
// taken away becomes an orphan.
func (l *Ledger) unmake(ctx context.Context, i int) error {
	l.dirty = true
	if err := l.maker.Unmake(ctx, l.d.Resources[i]); err != nil {
		l.orphan(i, err)
	} else {
		l.forget(i)
	}
	return l.write(context.WithoutCancel(ctx))
}

func (l *Ledger) orphan(i int, err error) {
	r := &l.d.Resources[i]
	r.Standing, r.Reason, r.At = Orphan, fault.Clip(fault.Of(err).Text, maxReason), time.Now().UTC()
}

// Sweep takes away, the newest first, what this run has not asked for.
func (l *Ledger) Sweep(ctx context.Context) error {
	return l.backwards(func(i int) error {
		if r := l.d.Resources[i]; r.Standing == Orphan || r.Run == l.d.Runs {
			return nil
		}
		return l.unmake(ctx, i)
	})
}

// RollBack takes back, the newest first, what was made and changed since the last
// run that has succeeded.
func (l *Ledger) RollBack(ctx context.Context) error {
	return l.backwards(func(i int) error {
		r := &l.d.Resources[i]
		switch {
		case r.Standing == Orphan:
			return nil
		case r.Born > l.d.Good:
			return l.unmake(ctx, i)
		case r.Was != nil:
			return l.restore(ctx, i)
		}
		return nil
	})
}

// restore makes a resource what it was. When that fails, nobody knows what it is.
func (l *Ledger) restore(ctx context.Context, i int) error {
	r := &l.d.Resources[i]
	back := *r
	back.Ask, back.Was = r.Was, nil
	result, err := l.maker.Change(ctx, back, r.Ask)
	if err != nil {
		r.Standing, r.Reason = Intended, fault.Clip("it could not be made again what it was: "+fault.Of(err).Text, maxReason)
	} else {
		back.Result, back.Standing, back.Reason = result, Made, ""
		*r = back
	}
	l.dirty = true
	return l.write(context.WithoutCancel(ctx))
}

// Again tries once more to take away what could not be taken away.
func (l *Ledger) Again(ctx context.Context) error {
	return l.backwards(func(i int) error {
		if r := l.d.Resources[i]; r.Standing != Orphan || r.Kind == KindTearDown {
			return nil
		}
		return l.unmake(ctx, i)
	})
}

// TearDown takes everything away, the newest first, orphans among it.
func (l *Ledger) TearDown(ctx context.Context) error {
	return l.backwards(func(i int) error {
		if l.d.Resources[i].Kind == KindTearDown {
			return nil
		}
		return l.unmake(ctx, i)
	})
}

// backwards calls fn for each resource that is there at the beginning, from the
// last one on; fn may delete the one that it is called for.
func (l *Ledger) backwards(fn func(i int) error) error {
	for i := range slices.Backward(l.d.Resources) {
		if err := fn(i); err != nil {
			return err
		}
	}
	return nil
}

// Open writes down that something begins of which nobody knows what it takes
// away; Close that it has ended.
func (l *Ledger) Open(ctx context.Context, kind Kind, name string) error {
	i := slices.IndexFunc(l.d.Resources, func(r Resource) bool { return r.Kind == kind && r.Name == name })
	if i >= 0 {
		l.d.Resources[i].Standing, l.d.Resources[i].Run = Intended, l.d.Runs
		return l.write(ctx)
	}
	l.d.Numbers++
	l.d.Resources = append(l.d.Resources, Resource{
		Number: l.d.Numbers, Kind: kind, Name: name, Standing: Intended, Born: l.d.Runs, Run: l.d.Runs, At: time.Now().UTC(),
	})
	return l.write(ctx)
}

// Close ends what Open has begun: it is forgotten, or an orphan with the reason.
func (l *Ledger) Close(ctx context.Context, kind Kind, name string, cause error) error {
	i := slices.IndexFunc(l.d.Resources, func(r Resource) bool { return r.Kind == kind && r.Name == name })
	if i < 0 {
		return nil
	}
	if cause == nil {
		l.forget(i)
	} else {
		l.orphan(i, cause)
	}
	return l.write(ctx)
}

// End ends the run. A deployment that is torn down and has no orphans is
// forgotten. also joins its transaction.
func (l *Ledger) End(ctx context.Context, state State, cause error, also func(store.Writer) error) error {
	l.d.State, l.d.Problem = state, ProblemOf(cause)
	if state == Deployed {
		l.d.Good = l.d.Runs
		for i := range l.d.Resources {
			l.d.Resources[i].Was = nil
		}
	}
	if l.dirty {
		l.d.Revision++
		l.dirty = false
	}
	return l.space.Update(ctx, func(w store.Writer) error {
		if err := also(w); err != nil {
			return err
		}
		if state == TornDown && len(l.d.Resources) == 0 {
			return drop(w, &l.d)
		}
		return l.put(w)
	})
}

// Dismiss forgets an orphan that a person has seen to. A deployment that is torn
// down is forgotten with its last one.
func Dismiss(w store.Writer, uuid string, number uint64, at time.Time) (Deployment, error) {
	d, err := Get(w, uuid)
	if err != nil {
		return d, err
	}
	i := slices.IndexFunc(d.Resources, func(r Resource) bool { return r.Number == number && r.Standing != Made })
	if i < 0 {
		return d, fault.New(fault.NotFound, "the deployment of %.64q has no orphan %d", d.Device, number)
	}
	d.Resources = slices.Delete(d.Resources, i, i+1)
	d.Revision++
	d.Updated = at.UTC()
	if d.State == TornDown && len(d.Resources) == 0 {
		return d, drop(w, &d)
	}
	return d, put(w, &d)
}
