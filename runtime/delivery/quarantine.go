package delivery

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// The bounds of what is known of what was put aside: the newest of each connector,
// and of all together. The rest stays in the log, and in nobody's list.
const (
	maxAside      = 1024
	maxAsideInAll = 8192
	maxAsideBytes = 8 << 20
	shownAside    = 160 // bytes of the content that a list shows
	shownName     = 256 // bytes of a device, a lane or a connector, and of a reason twice as many
)

// Aside is something that was put aside, without its content.
type Aside struct {
	Position

	Connector, Lane, Device string
	Of                      outbox.RejectOf
	Group                   string // of an event
	Reason                  string
	Summary                 string // what it is, in words
	At                      time.Time
	Bytes                   int

	Sum [sha256.Size]byte // of the content
}

// Quarantine is an index of what a tenant's log holds that could not be handled. It
// is made by reading the log once, when somebody asks for the first time, and then
// follows it. It is safe for use by several goroutines, one of which reads.
type Quarantine struct {
	log  *outbox.Log
	turn chan struct{} // holds a token while somebody is in it
	next uint64        // block that comes next
	all  int
	size int                // bytes of all
	held map[string][]Aside // by connector; oldest first
	over map[string]uint64  // of those that were more than are listed
}

// NewQuarantine makes an index of a log.
func NewQuarantine(log *outbox.Log) *Quarantine {
	return &Quarantine{log: log, turn: make(chan struct{}, 1), held: map[string][]Aside{}, over: map[string]uint64{}}
}

// List is what was put aside of a connector, oldest first, and how many older ones
// are not listed. It reads what the log has got since it was asked last; when ctx
// ends before, the next call goes on there.
func (q *Quarantine) List(ctx context.Context, connector string) (list []Aside, more uint64, err error) {
	select {
	case q.turn <- struct{}{}:
		defer func() { <-q.turn }()
	case <-ctx.Done():
		return nil, 0, fault.Of(ctx.Err())
	}
	if err := q.follow(ctx); err != nil {
		return nil, 0, err
	}
	q.forget()
	return slices.Clone(q.held[connector]), q.over[connector], nil
}

// follow reads up to the end of the log.
func (q *Quarantine) follow(ctx context.Context) error {
	head := q.log.Head()
	q.next = max(q.next, q.log.First(), 1)
	if q.next > head {
		return nil
	}
	r := q.log.Reader(q.next)
	defer func() { _ = r.Close() }()
	for q.next <= head {
		b, err := r.Next(ctx)
		gap, missing := errors.AsType[*outbox.Gap](err)
		switch {
		case missing:
			q.next = gap.To + 1
		case err != nil:
			return err
		default:
			q.take(b)
			q.next = b.Seq + 1
		}
	}
	return nil
}

func (q *Quarantine) take(b *outbox.Block) {
	for i := range b.Rejects {
		r := &b.Rejects[i]
		a := Aside{
			Position: Position{b.Seq, i}, Connector: b.Connector, Lane: fault.Clip(b.Lane, shownName), Device: fault.Clip(r.Device, shownName),
			Of: r.Of, Group: fault.Clip(r.Group, shownName), Reason: fault.Clip(r.Reason, 2*shownName), Summary: r.Summary(shownAside),
			At: time.Unix(0, b.Received).UTC(), Bytes: len(r.Input), Sum: sha256.Sum256(r.Input),
		}
		q.held[b.Connector] = append(q.held[b.Connector], a)
		q.size += a.size()
		if q.all++; len(q.held[b.Connector]) > maxAside {
			q.drop(b.Connector)
		}
		for q.all > maxAsideInAll || q.size > maxAsideBytes {
			q.drop(q.largest())
		}
	}
}

// size is how many bytes an index holds for it, about.
func (a *Aside) size() int {
	const row = 256
	return row + len(a.Lane) + len(a.Device) + len(a.Group) + len(a.Reason) + len(a.Summary)
}

// drop takes a connector's oldest out.
func (q *Quarantine) drop(connector string) {
	q.size -= q.held[connector][0].size()
	q.held[connector][0] = Aside{} // what it says is not kept until the list grows
	q.held[connector] = q.held[connector][1:]
	q.over[connector]++
	q.all--
}

func (q *Quarantine) largest() (connector string) {
	for id, list := range q.held {
		if len(list) > len(q.held[connector]) {
			connector = id
		}
	}
	return connector
}

// forget drops what the log does not hold any more.
func (q *Quarantine) forget() {
	first := q.log.First()
	for id, list := range q.held {
		gone := 0
		for gone < len(list) && list[gone].Block < first {
			q.size -= list[gone].size()
			gone++
		}
		if gone == 0 {
			continue
		}
		delete(q.over, id) // they were older
		q.all -= gone
		if q.held[id] = slices.Clone(list[gone:]); len(list) == gone {
			delete(q.held, id)
		}
	}
}

// Read is what was put aside at a position, whole, and the block that it is in, with
// all of that. NotFound: there is nothing.
func Read(log *outbox.Log, at Position) (*outbox.Block, *outbox.Reject, error) {
	b, err := log.Read(at.Block)
	if fault.Is(err, fault.NotFound) || err == nil && (at.Index < 0 || at.Index >= len(b.Rejects)) {
		return nil, nil, fault.New(fault.NotFound, "nothing that was put aside is at %s", at)
	}
	if err != nil {
		return nil, nil, err
	}
	return b, &b.Rejects[at.Index], nil
}
