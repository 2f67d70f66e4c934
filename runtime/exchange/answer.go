package exchange

import (
	"bytes"
	"context"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Check reports whether the reply would be taken now, and refuses it otherwise:
// fault.NotAQuery without a question, fault.LateReply behind the deadline or
// when the asker has gone, fault.ReplyEnded behind the last reply,
// fault.MessageInvalid for a form that it may not have. A reply that is refused
// is counted and noted.
func (t *Table) Check(r *abi.Reply) error {
	kind, err := t.kindOf(r)
	switch size := replySize(r); {
	case err != nil:
	case size > abi.MaxBatch:
		err = fault.New(fault.TooLarge, "a reply has at most %d bytes, and this one has %d", abi.MaxBatch, size)
	default:
		err = form(kind, r)
	}
	if err != nil {
		t.refuse(err)
	}
	return err
}

func (t *Table) kindOf(r *abi.Reply) (abi.MessageType, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q, err := t.find(r)
	if err != nil {
		return 0, err
	}
	return q.kind, nil
}

// find is the question of a reply. t.mu is held.
func (t *Table) find(r *abi.Reply) (*Question, error) {
	if q, ok := t.open[r.Correlation]; ok && q.replies {
		return q, nil
	}
	if was, ok := t.ended[r.Correlation]; ok {
		m, _ := was.Value.(memory)
		if m.kind == fault.LateReply {
			return nil, fault.New(m.kind, "a reply came after the deadline of its message, or its asker has gone")
		}
		return nil, fault.New(m.kind, "a reply came behind the one that ended its question")
	}
	return nil, fault.New(fault.NotAQuery, "a reply to no question: the correlation %q is not one that is open", fault.Clip(r.Correlation, 64))
}

// Answer gives a reply to its question, as Check allows it. The reply is
// copied. When the reader is behind by more than its credit, Answer waits for
// it, for the table's patience at most, and then ends the question:
// fault.SlowReader.
func (t *Table) Answer(ctx context.Context, r *abi.Reply) error {
	return t.AnswerWithin(ctx, r, t.cfg.Patience)
}

// AnswerWithin is Answer with less patience than the table's, for whoever has
// less time.
func (t *Table) AnswerWithin(ctx context.Context, r *abi.Reply, patience time.Duration) error {
	if err := t.Check(r); err != nil {
		return err
	}
	if r.Err != nil && beyond(r.Err) {
		t.note("an error names more parameters than it has: " + t.masked(r.Err.Template))
	}
	copied := t.copied(r)
	err := t.put(ctx, &copied, min(patience, t.cfg.Patience))
	if err != nil && ctx.Err() == nil {
		t.refuse(err)
	}
	return err
}

// put waits for room and adds the reply.
func (t *Table) put(ctx context.Context, r *abi.Reply, patience time.Duration) error {
	var late <-chan time.Time
	for {
		q, taken, err := t.offer(r)
		if taken == nil {
			return err
		}
		if late == nil {
			timer := time.NewTimer(patience)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-taken:
		case <-late:
			return q.tooSlow()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// offer adds the reply if there is room for it; else taken is closed when there
// may be.
func (t *Table) offer(r *abi.Reply) (q *Question, taken <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q, err = t.find(r); err != nil {
		return nil, nil, err
	}
	size := replySize(r)
	full := len(q.waiting) > 0 && q.bytes+size > t.cfg.Credit || t.waiting > 0 && t.waiting+size > maxWaiting
	if full {
		return q, t.taken, nil
	}
	room, ok := t.cfg.Pot.reserve(size)
	if !ok {
		return q, room, nil
	}
	defer t.cfg.Pot.hold(-size) // by now it is held, or the reader's own
	if r.Status == abi.ReplyPartial {
		t.counters.Partial++
		q.push(*r)
		return q, nil, nil
	}
	t.counters.Answered++
	q.end(fault.ReplyEnded, r)
	return q, nil, nil
}

// tooSlow ends a question whose reader does not read.
func (q *Question) tooSlow() error {
	t := q.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.over {
		return fault.New(fault.LateReply, "the question has ended while the reply waited for its reader")
	}
	err := fault.New(fault.SlowReader, "the reader of the replies is more than %d bytes behind", t.cfg.Credit)
	q.end(fault.LateReply, t.failure(q.id, err))
	return err
}

// copied is a reply without the tenant's secrets, that stays when the guest's
// memory changes.
func (t *Table) copied(r *abi.Reply) abi.Reply {
	c := *r
	c.Body, c.Metadata = bytes.Clone(t.cfg.Mask(r.Body)), bytes.Clone(t.cfg.Mask(r.Metadata))
	if r.Err != nil {
		e := *r.Err
		e.Text, e.Template = t.masked(e.Text), t.masked(e.Template)
		e.Parameters = make([]string, len(r.Err.Parameters))
		for i, p := range r.Err.Parameters {
			e.Parameters[i] = t.masked(p)
		}
		if e.Text == "" {
			e.Text = abi.Format(e.Template, e.Parameters)
		}
		c.Err = &e
	}
	if c.Code == 0 {
		c.Code = codeOf(&c)
	}
	return c
}

func (t *Table) masked(text string) string { return string(t.cfg.Mask([]byte(text))) }

// refuse counts and notes a reply that was not taken.
func (t *Table) refuse(err error) {
	f := fault.Of(err)
	t.mu.Lock()
	switch f.Kind {
	case fault.NotAQuery:
		t.counters.Unasked++
	case fault.LateReply:
		t.counters.Late++
	case fault.ReplyEnded:
		t.counters.Ended++
	case fault.SlowReader:
		t.counters.Slow++
	default:
		t.counters.Malformed++
	}
	t.mu.Unlock()
	t.note("reply refused: " + f.Kind.String() + ": " + f.Text)
}

func (t *Table) note(text string) {
	t.mu.Lock()
	text = t.notes.line(text, time.Now())
	t.mu.Unlock()
	if text != "" {
		t.cfg.Note(text)
	}
}
