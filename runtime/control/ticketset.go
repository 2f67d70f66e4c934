package control

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// The bounds of a tenant's tickets.
const (
	maxTickets     = 1000
	maxTicketBytes = 1 << 20          // of the replies of one
	maxHeldBytes   = 16 << 20         // of the replies of all
	keepTicket     = 10 * time.Minute // behind its end
	callsAtOnce    = 8                // callbacks under way
)

// tickets are those of all tenants. A tenant is known by what runs it, so that
// one that was deleted and made anew has none of its predecessor's. Use by
// several goroutines is safe.
type tickets struct {
	mu     sync.Mutex
	of     map[*supervisor.Tenant]*ticketSet
	closed bool
	under  sync.WaitGroup // goroutines that follow a ticket
}

// ticketSet are the tickets of one tenant. Its map is guarded by tickets.mu.
type ticketSet struct {
	tenant *supervisor.Tenant
	held   map[string]*heldTicket
	bytes  atomic.Int64
	calls  chan struct{} // holds one for each callback under way
}

// heldTicket is a ticket with what ends it.
type heldTicket struct {
	id     string
	set    *ticketSet
	cancel context.CancelFunc // set before anybody can find it

	mu     sync.Mutex
	ticket Ticket
	bytes  int
	gone   bool // nobody finds it any more
	forget *time.Timer
}

func newTickets() *tickets { return &tickets{of: map[*supervisor.Tenant]*ticketSet{}} }

// reserve takes a place for a ticket. The oldest one that has ended makes room.
func (k *tickets) reserve(tenant *supervisor.Tenant, id string) (*heldTicket, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, fault.New(fault.ShuttingDown, "the server is stopping")
	}
	set := k.of[tenant]
	if set == nil {
		set = &ticketSet{tenant: tenant, held: map[string]*heldTicket{}, calls: make(chan struct{}, callsAtOnce)}
		k.of[tenant] = set
	}
	if len(set.held) >= maxTickets && !k.dropOldest(set) {
		return nil, fault.New(fault.Exhausted, "%d tickets are pending already", maxTickets).WithRetryAfter(time.Second)
	}
	held := &heldTicket{id: id, set: set, cancel: func() {}}
	held.ticket.State = TicketPending
	set.held[id] = held
	return held, nil
}

// dropOldest forgets the oldest ticket that has ended. k.mu is held.
func (k *tickets) dropOldest(set *ticketSet) bool {
	var oldest *heldTicket
	for _, h := range set.held {
		if h.now().State != TicketPending && (oldest == nil || h.id < oldest.id) {
			oldest = h
		}
	}
	if oldest == nil {
		return false
	}
	k.drop(oldest)
	return true
}

// release forgets a ticket.
func (k *tickets) release(h *heldTicket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(h)
}

func (k *tickets) drop(h *heldTicket) {
	if h.set.held[h.id] != h {
		return
	}
	delete(h.set.held, h.id)
	h.mu.Lock()
	h.set.bytes.Add(-int64(h.bytes))
	h.bytes, h.gone = 0, true
	if h.forget != nil {
		h.forget.Stop()
	}
	h.mu.Unlock()
	if len(h.set.held) == 0 {
		delete(k.of, h.set.tenant)
	}
}

// room takes room for a reply, if there is any.
func (s *ticketSet) room(size int) bool {
	if s.bytes.Add(int64(size)) <= maxHeldBytes {
		return true
	}
	s.bytes.Add(-int64(size))
	return false
}

// heldBy is how many bytes of replies a tenant's tickets hold.
func (k *tickets) heldBy(tenant *supervisor.Tenant) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if set := k.of[tenant]; set != nil {
		return uint64(max(0, set.bytes.Load()))
	}
	return 0
}

// start begins to follow a ticket. Its life is its own, and not its caller's.
func (k *tickets) start(ctx context.Context, h *heldTicket, first Ticket, e *Exchange, caller *caller) Ticket {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.mu.Lock()
	h.ticket = first
	h.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	h.cancel = cancel
	if k.closed {
		cancel()
	}
	k.under.Go(func() {
		defer cancel()
		h.follow(ctx, e)
		if caller != nil {
			caller.call(ctx, h)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.forget = time.AfterFunc(keepTicket, func() { k.release(h) })
	})
	return first
}

// find is a ticket of a tenant.
func (k *tickets) find(tenant *supervisor.Tenant, id string) (*heldTicket, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if set := k.of[tenant]; set != nil && set.held[id] != nil && set.held[id].started() {
		return set.held[id], nil
	}
	return nil, fault.New(fault.NotFound, "no ticket %.100q", id).
		WithHint("Tickets are kept for %s behind their end, and until the server stops.", keepTicket)
}

// all are a tenant's tickets, the oldest first.
func (k *tickets) all(tenant *supervisor.Tenant) (list []*heldTicket) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if set := k.of[tenant]; set != nil {
		for _, h := range set.held {
			if h.started() {
				list = append(list, h)
			}
		}
	}
	slices.SortFunc(list, byID)
	return list
}

// started reports whether its message was sent.
func (h *heldTicket) started() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ticket.ID != ""
}

// close ends all tickets and waits for their goroutines, or for ctx.
func (k *tickets) close(ctx context.Context) error {
	k.mu.Lock()
	k.closed = true
	for _, set := range k.of {
		for _, h := range set.held {
			h.cancel()
		}
	}
	k.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		k.under.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Timeout, "tickets are still followed")
	}
}
