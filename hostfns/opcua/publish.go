package opcua

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/opcua/wire"
	"github.com/snaprail/snaprail/runtime/capability"
)

// ack is a notice that has arrived.
type ack struct{ subscription, sequence uint32 }

// publish asks for notices and hands them on, one after the other.
func (s *Session) publish(ctx context.Context, l *link) error {
	var acks []ack
	for {
		if err := l.watching(ctx); err != nil {
			return err
		}
		n, err := l.ask(ctx, acks)
		var status wire.Status
		switch {
		case err == nil:
		case errors.As(err, &status) && ua.StatusCode(status) == ua.StatusBadTimeout:
			continue
		case errors.As(err, &status) && ua.StatusCode(status) == ua.StatusBadNoSubscription && len(s.names(l)) == 0:
			continue
		default:
			return err
		}
		if acks, err = s.heard(ctx, l, &n); err != nil {
			return err
		}
	}
}

// watching waits until there is a subscription.
func (l *link) watching(ctx context.Context) error {
	for {
		l.mu.Lock()
		some := len(l.ids) > 0
		l.mu.Unlock()
		if some {
			return nil
		}
		select {
		case <-l.made:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ch.Done():
			return l.ch.Err()
		}
	}
}

func (l *link) ask(ctx context.Context, acks []ack) (n wire.Notice, err error) {
	l.asks(true)
	defer l.asks(false)
	err = l.do(ctx, wire.Request{
		Type: id.PublishRequest_Encoding_DefaultBinary, Reply: id.PublishResponse_Encoding_DefaultBinary,
		Write: func(w *wire.Writer) {
			w.Count(len(acks))
			for _, a := range acks {
				w.U32(a.subscription)
				w.U32(a.sequence)
			}
		},
		Read: func(r *wire.Reader) { n = r.Published() },
	})
	return n, err
}

// heard hands a notice on, after those before it that were missed. It answers
// what to acknowledge.
func (s *Session) heard(ctx context.Context, l *link, n *wire.Notice) ([]ack, error) {
	w := l.byID(n.Subscription)
	if w == nil {
		return nil, nil // of a subscription that has ended
	}
	var acks []ack
	missed := n.Sequence - w.sequence
	if missed > 0 && missed < 1<<31 {
		more, err := s.recover(ctx, l, w, missed)
		if err != nil {
			return nil, err
		}
		acks = more
	}
	if !n.Data {
		s.works()
		return acks, nil
	}
	if err := s.take(ctx, w, n); err != nil {
		return nil, err
	}
	return append(acks, ack{n.Subscription, n.Sequence}), nil
}

// byID finds the subscription of a notice, and notes that it lives. The notice
// may be faster than the answer to the request that made the subscription.
func (l *link) byID(id uint32) *watched {
	l.mu.Lock()
	w := l.ids[id]
	l.mu.Unlock()
	if w == nil {
		l.applying.Lock() // until what is being made is made
		l.mu.Lock()
		w = l.ids[id]
		l.mu.Unlock()
		l.applying.Unlock()
	}
	if w != nil {
		l.mu.Lock()
		w.heard = time.Now()
		l.mu.Unlock()
	}
	return w
}

// take hands on the values of a notice.
func (s *Session) take(ctx context.Context, w *watched, n *wire.Notice) error {
	w.sequence = n.Sequence + 1
	if w.sequence == 0 {
		w.sequence = 1
	}
	if n.Status&bad != 0 {
		return fmt.Errorf("the server has ended the subscription %q: %w", w.name, wire.Status(n.Status))
	}
	s.works()
	for _, v := range n.Values {
		if v.Status&0xc00 == 0x400 && v.Status&0x80 != 0 { // the server's queue ran over
			s.gap(fmt.Sprintf("%s: the server dropped values of item %d", w.name, v.Item))
		}
	}
	return s.deliver(ctx, w.name, n.Values)
}

// mostMissed bounds the notices that are asked for again.
const mostMissed = 256

// recover asks for notices that did not arrive. What the server does not have any
// more is a gap.
func (s *Session) recover(ctx context.Context, l *link, w *watched, missed uint32) (acks []ack, err error) {
	from, lost := w.sequence, missed > mostMissed
	if lost {
		from += missed - mostMissed
		missed = mostMissed
	}
	for i := range missed {
		var n wire.Notice
		err := l.do(ctx, wire.Request{
			Type: id.RepublishRequest_Encoding_DefaultBinary, Reply: id.RepublishResponse_Encoding_DefaultBinary,
			Write: func(q *wire.Writer) {
				q.U32(w.id)
				q.U32(from + i)
			},
			Read: func(r *wire.Reader) { n = r.Republished() },
		})
		var status wire.Status
		switch {
		case errors.As(err, &status):
			lost = true
		case err != nil:
			return nil, err
		default:
			if err := s.take(ctx, w, &n); err != nil {
				return nil, err
			}
			acks = append(acks, ack{w.id, n.Sequence})
		}
	}
	w.sequence = from + missed
	if lost {
		s.gap(w.name + ": the server does not have some of what it published any more")
	}
	return acks, nil
}

// gapOthers stands for the gaps that are not told apart any more: a server names the
// items.
const gapOthers = "the server dropped values of other items, too"

func (s *Session) gap(reason string) {
	s.events.Gap(capability.Event{Type: abi.EventGap, Time: time.Now().UnixNano(), Name: reason}, 1)
}

// The bounds of one event.
const (
	eventValues = 256
	eventBytes  = 256 << 10
)

// deliver puts values into as many events as they need, and waits for room.
func (s *Session) deliver(ctx context.Context, name string, values []abi.OPCUAValue) error {
	now := time.Now().UnixNano()
	for len(values) > 0 {
		n, size := 0, 0
		for n < len(values) && n < eventValues && (n == 0 || size+len(values[n].Variant) <= eventBytes) {
			size += len(values[n].Variant) + 32
			n++
		}
		part := abi.OPCUAValues{Subscription: name, Values: values[:n]}
		values = values[n:]
		err := s.events.Put(ctx, capability.Event{Type: abi.EventData, Time: now, Name: name, Data: part.Append(nil)}, n)
		if err != nil {
			return err
		}
	}
	return nil
}
