package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// How long a message may take until it is answered: if nothing is said of that,
// and at most.
const (
	UsualWait   = 10 * time.Second
	LongestWait = 5 * time.Minute
)

// Handler takes the messages to one connector: a lane, or who has attached to
// the connector from outside. Deliver does not wait until a message is handled:
// what becomes of it is a reply to its question. After an error the question is
// nobody's any more.
type Handler interface {
	Deliver(ctx context.Context, q *exchange.Question) error
}

var _ Handler = (*actor.Actor)(nil)

// exchanges are the open questions of a tenant's connectors. The zero value is
// ready.
type exchanges struct {
	mu     sync.Mutex
	tables map[string]*exchange.Table
	pot    *exchange.Pot // what all of them hold
}

// Exchange is the connector's open questions. It outlives the connector's
// guests, and lives until the connector is deleted.
func (t *Tenant) Exchange(id string) *exchange.Table {
	x := &t.exchanges
	x.mu.Lock()
	defer x.mu.Unlock()
	if table, ok := x.tables[id]; ok {
		return table
	}
	if x.tables == nil {
		x.tables, x.pot = map[string]*exchange.Table{}, exchange.NewPot()
	}
	journal := t.Journal(id)
	x.tables[id] = exchange.NewTable(exchange.Config{
		Pot:  x.pot,
		Mask: t.vault.Mask().Bytes,
		Note: func(text string) { journal.add(abi.LogWarning, actor.FromHost, "messages", text) },
	})
	return x.tables[id]
}

// held is how many bytes of messages and replies are on their way.
func (x *exchanges) held() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.pot == nil {
		return 0
	}
	return x.pot.Held()
}

// spoken is a status with what became of the messages to the connector.
func (t *Tenant) spoken(id string, s lifecycle.Status) lifecycle.Status {
	x := &t.exchanges
	x.mu.Lock()
	table := x.tables[id]
	x.mu.Unlock()
	if table == nil {
		return s
	}
	if n := lifecycle.Messages(table.Counters()); n != (lifecycle.Messages{}) {
		s.Messages = &n
	}
	return s
}

// forgetExchange ends what is open of a connector that is deleted.
func (t *Tenant) forgetExchange(id string) {
	x := &t.exchanges
	x.mu.Lock()
	table := x.tables[id]
	delete(x.tables, id)
	x.mu.Unlock()
	if table != nil {
		table.FailAll(fault.New(fault.NotFound, "the connector was deleted"))
	}
}

// Send sends a message to a connector, into the mailbox of the lane that serves
// its device, and answers the question whose replies the caller reads. The
// message's deadline is ten seconds from now if it has none, and five minutes
// at most; its correlation is exchange.NoReply if none is wanted. m and what it
// refers to belong to the question.
//
// fault.WrongState: the connector does not run. fault.DeviceUnknown: it has
// devices, but not this one. fault.Exhausted: too many questions are open, or
// too many messages wait. fault.TooLarge: the message is. fault.Interlocked and
// fault.ApprovalRequired: the interlock of a grant does not let it through, and
// so nobody hears of it.
func (t *Tenant) Send(ctx context.Context, id string, m abi.Message) (*exchange.Question, error) {
	return t.SendWith(ctx, id, m, Word{})
}

// send is Send with the word of whoever judged the message, and of who asks.
func (t *Tenant) send(ctx context.Context, id string, m *abi.Message, permit any, w Word) (*exchange.Question, error) {
	if abi.EntryFor(m.Type) == "" {
		return nil, fault.New(fault.MessageInvalid, "messages of the type %d are unknown", m.Type)
	}
	if len(m.Device) > spec.MaxDeviceID {
		return nil, fault.New(fault.MessageInvalid, "a device's name has at most %d bytes", spec.MaxDeviceID)
	}
	to, err := t.handlerOf(ctx, id, m.Device)
	if err != nil {
		return nil, err
	}
	q, err := t.Exchange(id).Ask(m, deadlineOf(m, time.Now()))
	if err != nil {
		return nil, err
	}
	q.Permit, q.Word = permit, w
	if err := to.Deliver(ctx, q); err != nil {
		q.Close()
		return nil, t.maskedFault(err)
	}
	return q, nil
}

func deadlineOf(m *abi.Message, now time.Time) time.Time {
	if m.Deadline <= 0 {
		return now.Add(UsualWait)
	}
	if asked, longest := time.Unix(0, m.Deadline), now.Add(LongestWait); asked.Before(longest) {
		return asked
	}
	return now.Add(LongestWait)
}

// handlerOf is who handles the messages to a device of a connector, or to the
// connector itself.
func (t *Tenant) handlerOf(ctx context.Context, id, device string) (Handler, error) {
	t.mu.Lock()
	r, ok := t.runners[id]
	t.mu.Unlock()
	if !ok {
		return nil, fault.New(fault.WrongState, "the connector does not run, so nobody can handle the message").
			WithHint("activate the connector first")
	}
	if is := r.remoteNow(); is != nil {
		return is, nil
	}
	if err := r.knows(ctx, device); err != nil {
		t.Exchange(id).Unknown()
		return nil, err
	}
	l, err := r.laneFor(device)
	if err != nil {
		if fault.Is(err, fault.DeviceUnknown) {
			t.Exchange(id).Unknown()
		}
		return nil, err
	}
	a := l.current()
	if a == nil {
		return nil, fault.New(fault.WrongState, "the connector does not run, so nobody can handle the message").
			WithHint("read the connector's status for why it does not run")
	}
	return a, nil
}

// knows refuses a device that a connector with devices does not have. One that
// has none takes any name: its module finds out.
func (r *runner) knows(ctx context.Context, device string) error {
	if device == "" {
		return nil
	}
	r.mu.Lock()
	_, known := r.layout.lane[device]
	some := len(r.layout.lane) > 0
	r.mu.Unlock()
	if known {
		return nil
	}
	// One that was added just now has no lane yet; its message waits for it. And
	// the first one may have been added just now.
	return r.space.View(ctx, func(v store.Reader) error {
		d, found, err := r.devices.Lookup(v, r.id, device)
		if err != nil || found && !d.Gone() {
			return err
		}
		for _, err := range r.devices.Here(v, r.id) {
			if some = true; err != nil {
				return err
			}
			break
		}
		if some {
			return fault.New(fault.DeviceUnknown, "the connector has no device %q", fault.Clip(device, 64))
		}
		return nil
	})
}
