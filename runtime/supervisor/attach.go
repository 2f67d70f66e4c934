package supervisor

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// RemoteCode is the code of a remote connector, attached from outside. Its methods
// are called by several goroutines.
type RemoteCode interface {
	// Deliver hands it one message. It returns when the message is on its way:
	// replies come through RemoteSession.Answer. It does not keep what m refers to.
	Deliver(ctx context.Context, m *abi.Message) error
	// Leave asks it to go, for a reason of those that close has; then its
	// RemoteSession is to be closed. It does not wait.
	Leave(reason string)
}

// RemoteSession is one session of a remote connector's code. It is safe for use by
// several goroutines.
type RemoteSession struct {
	of      *remote
	code    RemoteCode
	table   *exchange.Table
	claim   [sha256.Size]byte
	leaving atomic.Bool
	asked   sync.Once
	gone    chan struct{}
	closed  sync.Once

	// Config is what the code is configured with, its secrets opened.
	Config json.RawMessage
	// Connector is the connector's id, and Revision the one of its spec.
	Connector string
	Revision  uint64
}

// replacedWait is how long a session is waited for that another takes over from.
const replacedWait = 5 * time.Second

// AttachRemote makes somebody the code of a remote connector that is to run. There is
// one at a time: fault.Exists, unless the claim is the one of the session that
// is there, which is sent away then, because a code whose connection broke may
// come back before that is noticed. fault.NotActive: the connector is not to
// run.
func (t *Tenant) AttachRemote(ctx context.Context, id, claim string, code RemoteCode) (*RemoteSession, error) {
	t.mu.Lock()
	r := t.runners[id]
	t.mu.Unlock()
	var is *remote
	if r != nil {
		is = r.remoteNow()
	}
	if is == nil {
		return nil, fault.New(fault.NotActive, "the connector is not to run").WithHint("Activate it first.")
	}
	a := &RemoteSession{
		of: is, code: code, table: t.Exchange(id), claim: sha256.Sum256([]byte(claim)), gone: make(chan struct{}), Connector: id,
	}
	for {
		had, err := is.admit(ctx, a)
		if had == nil {
			return a, err
		}
		if subtle.ConstantTimeCompare(had.claim[:], a.claim[:]) == 0 && !had.leaving.Load() {
			return nil, fault.New(fault.Exists, "the connector's code is attached already").
				WithHint("One program at a time is the code of a connector: stop the other one, or give both the same reconnectSecret.")
		}
		had.leave(abi.ReasonLost)
		if !had.await(replacedWait) {
			return nil, fault.New(fault.Exists, "the session before this one has not ended yet").WithRetryAfter(time.Second)
		}
	}
}

// admit takes the session in, unless another is there.
func (is *remote) admit(ctx context.Context, a *RemoteSession) (had *RemoteSession, err error) {
	if a.Config, err = is.configOf(ctx); err != nil {
		return nil, err
	}
	is.mu.Lock()
	switch {
	case is.ended:
		is.mu.Unlock()
		return nil, stopping()
	case is.session != nil:
		defer is.mu.Unlock()
		return is.session, nil
	}
	is.session, a.Revision = a, is.spec.Revision
	is.status.Generation++
	again := is.status.Generation > 1
	if again {
		is.status.Restarts++
	}
	close(is.came)
	is.came = make(chan struct{})
	is.declares(abi.HealthHealthy)
	is.mu.Unlock()
	is.move(lifecycle.Up, nil)
	return nil, nil //nolint:nilnil // nobody was there
}

// leave asks the code to go, once.
func (a *RemoteSession) leave(reason string) {
	a.asked.Do(func() {
		a.leaving.Store(true)
		a.code.Leave(reason)
	})
}

// await waits until the session has been closed.
func (a *RemoteSession) await(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-a.gone:
		return true
	case <-t.C:
		return false
	}
}

// Answer gives a reply to its question. One that does not belong to a question,
// or has another form than it may have, is refused, counted and noted: see
// exchange.Table.Answer.
func (a *RemoteSession) Answer(ctx context.Context, r *abi.Reply) error {
	return a.table.Answer(ctx, r)
}

// Emit makes records durable and answers their block's place in the log. Nothing
// of them is kept after an error.
func (a *RemoteSession) Emit(ctx context.Context, batch *abi.Batch) (sequence uint64, err error) {
	if a.leaving.Load() && a.of.isEnded() {
		return 0, stopping()
	}
	return a.of.commit(ctx, batch)
}

func stopping() *fault.Fault { return fault.New(fault.NotActive, "the connector is stopping") }

func (is *remote) isEnded() bool {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.ended
}

// Line writes a line of the connector's log.
func (a *RemoteSession) Line(level abi.LogLevel, text string) {
	a.of.host.Line(level, "host", "remote", text)
}

// Close ends the session, for a reason of those that close has. Questions that
// its code was asked stay open until their deadline: it may come back and
// answer.
func (a *RemoteSession) Close(reason string) {
	a.closed.Do(func() {
		is := a.of
		is.mu.Lock()
		ended := is.ended
		if is.session == a {
			if is.session = nil; !ended {
				is.declares(abi.HealthUnhealthy)
			}
		}
		is.mu.Unlock()
		if !ended {
			cause := notAttached()
			cause.Text += " (" + reason + ")"
			is.move(lifecycle.Down, cause)
		}
		close(a.gone)
	})
}
