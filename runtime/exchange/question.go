package exchange

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Question is one message on its way and the replies to it. Next is called by
// one goroutine at a time; everything else is safe for several.
type Question struct {
	// Permit is the word of whoever judged the message before it was sent, for
	// whoever is asked for it when the message is handled. It is set before the
	// question is delivered, and not changed.
	Permit any
	// Word is what is known of whoever asks, for whoever sends on for them. As
	// Permit, it is set before the question is delivered.
	Word any

	table    *Table
	id       string
	kind     abi.MessageType
	replies  bool // a reply is wanted
	deadline time.Time
	timer    *time.Timer
	news     chan struct{} // holds a token when there may be something to read
	done     chan struct{} // closed when it has ended

	// Guarded by the table's mu.
	message *abi.Message // nil once it has ended
	size    int          // of the message
	waiting []abi.Reply
	bytes   int // of what waits
	over    bool
	closed  bool // the asker has gone
}

// ID names the question. It is the correlation of its message, if a reply is
// wanted.
func (q *Question) ID() string { return q.id }

// Replies reports whether a reply is wanted.
func (q *Question) Replies() bool { return q.replies }

// Deadline is when the question ends by itself.
func (q *Question) Deadline() time.Time { return q.deadline }

// Done is closed when the question has ended: nobody need work on it any more.
// Replies may still wait to be read.
func (q *Question) Done() <-chan struct{} { return q.done }

// Take is the message, for whoever handles it; nil when the question has ended.
// It may be taken again while it is open. Nobody changes what it refers to.
func (q *Question) Take() *abi.Message {
	q.table.mu.Lock()
	defer q.table.mu.Unlock()
	return q.message
}

// Next waits for the next reply. Behind the last one it is io.EOF. The end by
// the deadline, by a fault of the connector's, or because the reader was too
// slow, is a last reply with the status error, once. A message without a reply
// is answered empty when it has been handled. The error is that of ctx.
func (q *Question) Next(ctx context.Context) (abi.Reply, error) {
	for {
		r, ok, end := q.take()
		if ok {
			return r, nil
		}
		if end {
			return abi.Reply{}, io.EOF
		}
		select {
		case <-q.news:
		case <-ctx.Done():
			return abi.Reply{}, ctx.Err()
		}
	}
}

func (q *Question) take() (r abi.Reply, ok, end bool) {
	t := q.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(q.waiting) == 0 {
		return r, false, q.over
	}
	r = q.waiting[0]
	q.waiting[0] = abi.Reply{}
	q.waiting = q.waiting[1:]
	if !q.over { // else it is the reader's own, and the table is rid of it
		size := replySize(&r)
		q.bytes -= size
		t.hold(-size)
		t.read()
	}
	return r, true, false
}

// Close says that nobody reads the replies any more: what waits is dropped, and
// what comes is late. A question that nobody closes or reads ends at its
// deadline. A message that has not been handed over yet is withdrawn.
// It may be called at any time, and more than once.
func (q *Question) Close() {
	t := q.table
	t.mu.Lock()
	defer t.mu.Unlock()
	q.closed = true
	q.waiting = nil
	if q.over {
		return
	}
	t.counters.GivenUp++
	q.end(fault.LateReply, nil)
}

// Handled says that the message was handled. A question without a reply ends
// with it; any other waits for its replies.
func (q *Question) Handled() {
	t := q.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.over || q.replies {
		return
	}
	t.counters.Delivered++
	q.end(fault.ReplyEnded, &abi.Reply{Status: abi.ReplyEmpty, Code: abi.CodeEmpty})
}

// Fail ends the question with a fault, as a last reply.
func (q *Question) Fail(err error) {
	t := q.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.over {
		return
	}
	t.counters.Failed++
	q.end(fault.ReplyEnded, t.failure(q.id, err))
}

// expire ends the question at its deadline.
func (q *Question) expire() {
	t := q.table
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.over {
		return
	}
	t.counters.TimedOut++
	text := "the connector has not answered in time"
	if !q.replies {
		text = "the connector has not handled the message in time"
	}
	q.end(fault.LateReply, t.failure(q.id, fault.New(fault.Timeout, "%s", text)))
}

// end is the question's one end (I7), with its last reply, if there is one. What a
// reply from now on would be is kept. The table's mu is held.
func (q *Question) end(kind fault.Kind, last *abi.Reply) {
	q.over = true
	if last != nil && !q.closed {
		q.push(*last)
	}
	q.table.close(q, kind)
	close(q.done)
	q.tell()
}

// push adds a reply for the reader. The table's mu is held.
func (q *Question) push(r abi.Reply) {
	size := replySize(&r)
	q.waiting = append(q.waiting, r)
	q.bytes += size
	q.table.hold(size)
	q.tell()
}

func (q *Question) tell() {
	select {
	case q.news <- struct{}{}:
	default:
	}
}

// failure is a fault as a last reply.
func (t *Table) failure(correlation string, err error) *abi.Reply {
	e := fault.ToABI(err)
	e.Text, e.Hint = t.masked(e.Text), t.masked(e.Hint)
	e.Template = e.Text
	return &abi.Reply{Correlation: correlation, Status: abi.ReplyError, Err: e, Code: statusOf(fault.Of(err).Kind)}
}

func statusOf(k fault.Kind) uint32 {
	if s := k.Info().Status; s > 0 {
		return uint32(s)
	}
	return http.StatusInternalServerError
}

// overhead is what a reply costs beside its texts.
const overhead = 64

func replySize(r *abi.Reply) int {
	n := len(r.Correlation) + len(r.ContentType) + len(r.Body) + len(r.Metadata) + overhead
	if e := r.Err; e != nil {
		n += len(e.Code) + len(e.Text) + len(e.Hint) + len(e.Template)
		for _, p := range e.Parameters {
			n += len(p)
		}
	}
	return n
}
