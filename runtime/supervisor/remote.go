package supervisor

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// remote is a connector whose code is elsewhere: what stands in the place of
// its lanes. It outlives the sessions of its code, and ends with the desire to
// run it.
type remote struct {
	*runner

	epoch uint64
	// declares takes its health: the protocol has no word for it, so that who is
	// attached is well, and who is not is not.
	declares func(abi.HealthState)
	turn     chan struct{} // holds a token while a message is handed over: first come, first served

	mu      sync.Mutex
	spec    spec.Connector
	status  lifecycle.Status
	session *RemoteSession // nil: nobody is attached
	came    chan struct{}  // closed and replaced when somebody attaches
	back    time.Time      // until when a code that was sent away may come back
	ended   bool
	next    uint64 // sequence of the next record

	write  sync.Mutex // one block after the other
	sealed bool       // no block follows; guarded by write
}

// comeBack is how long messages wait for a code that was asked to come again.
const comeBack = 3 * time.Second

// serveRemote makes the remote connector what its spec says: it begins, or its
// code is asked to come again for another configuration.
func (r *runner) serveRemote(ctx context.Context, c *spec.Connector) error {
	if is := r.remoteNow(); is != nil {
		is.update(c)
		r.handle(c.Revision)
		return nil
	}
	err := r.replay(ctx, r.id)
	var epoch uint64
	if err == nil {
		epoch, err = r.nextEpoch(ctx, r.id)
	}
	if err != nil {
		return err
	}
	is := &remote{runner: r, epoch: epoch, declares: r.declares(r.id), spec: *c, turn: make(chan struct{}, 1), came: make(chan struct{})}
	is.status = lifecycle.Status{State: lifecycle.Stopped, Since: time.Now(), Epoch: epoch, Revision: c.Revision}
	is.declares(abi.HealthUnhealthy)
	r.mu.Lock()
	r.remote = is
	r.mu.Unlock()
	is.move(lifecycle.Start, nil)
	is.move(lifecycle.Opened, nil)
	is.move(lifecycle.Down, notAttached())
	r.handle(c.Revision)
	return nil
}

func notAttached() *fault.Fault {
	return fault.New(fault.NotConnected, "the connector's code is not attached").
		WithHint("Start the program that is its code, with the address of this server.")
}

// remoteNow is the runner's remote connector; nil: it has none.
func (r *runner) remoteNow() *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.remote
}

// dismissRemote sends the code away and forgets the connector.
func (r *runner) dismissRemote(ctx context.Context) {
	is := r.remoteNow()
	if is == nil {
		return
	}
	is.move(lifecycle.Stop, nil)
	is.mu.Lock()
	session := is.session
	is.ended = true
	is.declares(abi.HealthUndeclared)
	is.mu.Unlock()
	if session != nil {
		session.leave(abi.ReasonStop)
		session.await(stopTimeout)
	}
	if err := is.lastBlock(ctx); err != nil {
		r.host.Line(abi.LogWarning, actor.FromHost, "", "stopped with: "+err.Error())
	}
	is.move(lifecycle.Finished, nil)
	last := is.statusNow()
	r.mu.Lock()
	r.last, r.remote = last, nil
	r.mu.Unlock()
}

// move moves the connector along the table of its life, as actor.Actor does.
func (is *remote) move(on lifecycle.Event, cause *fault.Fault) {
	is.mu.Lock()
	to, err := lifecycle.Next(is.status.State, on)
	if err == nil {
		if to != is.status.State {
			is.status.Since = time.Now()
		}
		is.status.State, is.status.Reason, is.status.Code, is.status.Try = to, "", "", ""
		if cause != nil {
			is.status.Reason, is.status.Code, is.status.Try = cause.Text, cause.Kind.String(), cause.Advice()
		}
	}
	status := is.status
	is.mu.Unlock()
	if err != nil {
		is.notes.Error("move refused", "error", err)
		return
	}
	is.host.Report(status)
}

// statusNow is what is known of the connector now.
func (is *remote) statusNow() lifecycle.Status {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.status
}

// update takes another spec. Code that was told something else is asked to come
// again, for that is how it learns of it.
func (is *remote) update(c *spec.Connector) {
	is.mu.Lock()
	was, session := is.spec, is.session
	is.spec, is.status.Revision = *c, c.Revision
	changed := was.Revision != c.Revision && !same(&was, c)
	if changed && session != nil {
		is.back = time.Now().Add(comeBack)
	}
	is.mu.Unlock()
	if changed && session != nil {
		session.leave(abi.ReasonConfigChanged)
	}
}

// Deliver hands a message to the attached code. One that was just asked to come
// again is waited for, and who comes first is served first.
func (is *remote) Deliver(ctx context.Context, q *exchange.Question) error {
	select {
	case is.turn <- struct{}{}:
		defer func() { <-is.turn }()
	case <-q.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	session, err := is.attached(ctx, q.Done())
	if err == nil {
		if m := q.Take(); m != nil {
			err = session.code.Deliver(ctx, m)
		}
	}
	if err != nil {
		return err
	}
	q.Handled()
	return nil
}

// attached is the session of the code, which may be about to come back.
func (is *remote) attached(ctx context.Context, done <-chan struct{}) (*RemoteSession, error) {
	for {
		is.mu.Lock()
		session, came, wait := is.session, is.came, time.Until(is.back)
		leaving := session != nil && session.leaving.Load()
		is.mu.Unlock()
		switch {
		case session != nil && !leaving:
			return session, nil
		case wait <= 0:
			return nil, notAttached()
		}
		select {
		case <-came:
		case <-time.After(wait):
		case <-done:
			return nil, notAttached()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// commit makes records durable, one block after the other; only then is their
// sender told of them (I1).
func (is *remote) commit(ctx context.Context, batch *abi.Batch) (sequence uint64, err error) {
	is.write.Lock()
	defer is.write.Unlock()
	if is.sealed {
		return 0, stopping()
	}
	b := outbox.Block{Records: outbox.AppendBatch(nil, batch.Append(nil)), Count: len(batch.Records), Received: time.Now().UnixNano()}
	is.mu.Lock()
	b.Connector, b.Epoch, b.First, b.Revision = is.id, is.epoch, is.next, is.spec.Revision
	is.mu.Unlock()
	if sequence, err = is.persist(ctx, &b); err != nil {
		return 0, err
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	is.next += uint64(b.Count)
	is.status.Counters.Blocks++
	is.status.Counters.Records += uint64(b.Count)
	is.status.Counters.Events += uint64(b.Count)
	is.status.Counters.LastRecord = time.Unix(0, b.Received)
	return sequence, nil
}

// persist commits a block (I1). While the disk is full it holds it, and with it
// whoever sends, unless the connector is to stop (I6).
func (is *remote) persist(ctx context.Context, b *outbox.Block) (uint64, error) {
	for held := false; ; held = true {
		sequence, err := is.host.Commit(context.WithoutCancel(ctx), b)
		if held && (err == nil || ctx.Err() != nil) {
			is.move(lifecycle.Release, nil)
		}
		if !fault.Is(err, fault.DiskFull) || is.isEnded() {
			return sequence, err
		}
		if !held {
			is.move(lifecycle.Hold, fault.Of(err))
		}
		select {
		case <-time.After(actor.DiskFullWait):
		case <-ctx.Done():
			return 0, err
		}
	}
}

// lastBlock marks an orderly stop in the log, if the log knows the connector.
// Nothing is committed behind it, whoever is late.
func (is *remote) lastBlock(ctx context.Context) error {
	is.write.Lock()
	defer is.write.Unlock()
	is.sealed = true
	if is.statusNow().Counters.Blocks == 0 {
		return nil
	}
	_, err := is.host.Commit(context.WithoutCancel(ctx), &outbox.Block{
		Connector: is.id, Epoch: is.epoch, First: is.next, Received: time.Now().UnixNano(), Stopped: true,
	})
	return err
}

// configOf is what the code is told, with its secrets opened.
func (is *remote) configOf(ctx context.Context) (json.RawMessage, error) {
	is.mu.Lock()
	c := is.spec
	is.mu.Unlock()
	config, err := is.config(ctx, &c)
	if err == nil && len(config) == 0 {
		config = c.Config
	}
	if len(config) == 0 {
		config = json.RawMessage("{}")
	}
	return config, err
}
