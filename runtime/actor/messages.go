package actor

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/exchange"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// Bounds of the messages of one step.
const (
	maxReplies   = abi.MaxItems
	maxMailBytes = abi.MaxBatch / 2 // run mode: beyond the first one
	// replyTime is how long one step waits for readers that are behind, all of
	// them together, and leastPatience what each of them gets at least.
	replyTime     = 4 * time.Second
	leastPatience = 20 * time.Millisecond
	// burst is how many messages are served in a row before events or a poll
	// have a turn.
	burst = 32
)

// Deliver puts a question into the lane's mailbox. Messages are served in the
// order in which they come, between two of the guest's steps and before its
// polls; one that the guest hands back for a while holds up those to the same
// device alone. While the guest is started again they wait, for as long as
// their deadlines let them.
//
// fault.WrongState: no guest runs, nor will one soon. fault.Exhausted: too many
// messages wait. What becomes of a message later is a reply to its question.
func (a *Actor) Deliver(_ context.Context, q *exchange.Question) error {
	a.mu.Lock()
	state := a.status.State
	a.mu.Unlock()
	switch state {
	case lifecycle.Draft, lifecycle.Stopping, lifecycle.Stopped, lifecycle.Failed, lifecycle.CrashLoop:
		return notListening()
	default:
	}
	return a.post.put(q)
}

func notListening() error {
	return fault.New(fault.WrongState, "the connector does not run, so nobody can handle the message").
		WithHint("activate the connector, or read its status for why it does not run")
}

// mailed is one message that the guest was handed, and what it says of it.
type mailed struct {
	*letter
	message *abi.Message
	verdict abi.Verdict
}

// mail serves the next message, if one is due. Errors end the lane.
func (l *lane) mail(ctx context.Context) (worked bool, err error) {
	if l.served >= burst { // whatever else is due has a turn
		l.served = 0
		return false, nil
	}
	x, m := l.post.take(time.Now())
	if x == nil {
		l.served = 0
		return false, nil
	}
	l.served++
	if x.encoded == nil {
		if err = l.encode(ctx, x, m); err != nil {
			l.unmade(x, err)
			return true, ctx.Err()
		}
	}
	if rehearsing(x.question) != nil {
		l.rehearse(x) //nolint:contextcheck // it outlives the step, and ends with the lane
		return true, nil
	}
	if x.at >= len(x.encoded) { // the converter made nothing of it
		l.ended(ctx, x)
		return true, nil
	}
	for x.at < len(x.encoded) { // each is a step of its own, and nothing comes in between
		if l.stopping() {
			l.post.back(x)
			break
		}
		if x.question.Take() == nil { // whoever asked has been told how it ended, and may ask again
			break
		}
		before := x.at
		if err := l.hand(ctx, x, &x.encoded[x.at]); err != nil {
			return true, err
		}
		if x.at == before {
			break // handed back
		}
	}
	return true, nil
}

// hand gives the guest one message as a step of its own.
func (l *lane) hand(ctx context.Context, x *letter, m *abi.Message) error {
	entry := abi.EntryFor(m.Type)
	if entry == "" {
		x.question.Fail(fault.New(fault.Unsupported, "messages of the type %d are unknown", m.Type))
		x.at = len(x.encoded)
		return nil
	}
	l.firing, l.inbox.batch = nil, l.inbox.batch[:0]
	l.mailed = append(l.mailed[:0], mailed{letter: x, message: m})
	defer l.putDown()
	l.guest.asked = l.asked()
	l.encoded = m.Append(l.encoded[:0])
	out, err := l.call(ctx, entry, l.encoded)
	if err == nil {
		err = l.commit(ctx, out, nil, nil)
	} else if heldBack(err) && l.guest.inst.State() != engine.Dead { // it has not begun
		l.guest.stage.take()
		x.notBefore = time.Now().Add(retryAfter(err))
		l.post.back(x)
		return nil
	}
	if err == nil {
		return nil
	}
	l.guest.stage.take()
	if l.guest.inst.State() == engine.Dead || !servable(err) {
		x.question.Fail(forCaller(m.Type, err))
		x.at = len(x.encoded)
		return err
	}
	l.settled(ctx, &l.mailed[0], forCaller(m.Type, err))
	return nil
}

// forCaller is a guest's failure as who sent the message is told of it: what is
// for the module's author is in the log.
func forCaller(t abi.MessageType, err error) error {
	f := *fault.Of(err)
	if f.Kind == fault.Unsupported {
		return fault.New(fault.Unsupported, "the connector's module takes no message of this type: %s", f.Text).
			WithHint("`snaprail modules show` prints which messages it takes (%s is not among them).", abi.EntryFor(t))
	}
	if text, trace, found := strings.Cut(f.Text, "\nstderr:\n"); found {
		last, _, _ := strings.Cut(trace, "\n")
		f.Text = text + ": " + last
		return &f
	}
	return err
}

// putDown ends the guest's hold on the messages that it was handed.
func (l *lane) putDown() {
	l.mailed = l.mailed[:0]
	l.guest.asked = nil
}

// asked are the questions that the guest works on.
func (l *lane) asked() []*exchange.Question {
	all := make([]*exchange.Question, 0, len(l.mailed))
	for i := range l.mailed {
		all = append(all, l.mailed[i].question)
	}
	return all
}

// unmade is a message that could not be encoded: answered with the reason, or
// tried again when the tenant had nothing left for the converter.
func (l *lane) unmade(x *letter, err error) {
	if heldBack(err) {
		x.notBefore = time.Now().Add(retryAfter(err))
		l.post.back(x)
		return
	}
	x.question.Fail(err)
}

// gatherMail takes the messages for the next events of a guest in run mode.
// bytes is what they have.
func (l *lane) gatherMail(ctx context.Context, now time.Time) (bytes int) {
	l.mailed = l.mailed[:0]
	for len(l.mailed) < abi.MaxItems/2 && bytes < maxMailBytes {
		x, m := l.post.take(now)
		if x == nil {
			break
		}
		if x.encoded == nil {
			if err := l.encode(ctx, x, m); err != nil {
				l.unmade(x, err)
				continue
			}
		}
		if rehearsing(x.question) != nil {
			l.rehearse(x) //nolint:contextcheck // it outlives the step, and ends with the lane
			continue
		}
		size := 0
		for i := x.at; i < len(x.encoded); i++ {
			size += len(x.encoded[i].Body) + len(x.encoded[i].Metadata)
		}
		if len(l.mailed) > 0 && bytes+size > maxMailBytes {
			l.post.back(x)
			break
		}
		if x.at >= len(x.encoded) {
			l.ended(ctx, x)
			continue
		}
		bytes += size
		for i := x.at; i < len(x.encoded); i++ {
			l.mailed = append(l.mailed, mailed{letter: x, message: &x.encoded[i]})
		}
	}
	l.guest.asked = l.asked()
	return bytes
}

// mailEvents adds the messages to the events of a guest in run mode.
func (l *lane) mailEvents(now time.Time) {
	for i := range l.mailed {
		l.events.Events = append(l.events.Events, abi.Event{Type: abi.EventMessage, Time: now.UnixNano(), Message: l.mailed[i].message})
	}
}

// judgeMail takes the guest's decision on message i of those it was handed.
func (l *lane) judgeMail(i int, v abi.Verdict, t *tally) error {
	x := &l.mailed[i]
	if x.verdict != (abi.Verdict{}) {
		return fault.New(fault.Guest, "the module judged a message twice")
	}
	if v.Decision > abi.DecisionRetry {
		return fault.New(fault.Guest, "the module gave the unknown decision %d", v.Decision)
	}
	switch v.Decision {
	case abi.DecisionSkip:
		t.skipped++
	case abi.DecisionRetry:
		t.retried++
	default:
	}
	x.verdict = v
	x.verdict.Reason = strings.Clone(v.Reason)
	return nil
}

// checkReplies leaves out the replies that the table refuses, and counts and
// notes. They refuse nothing else of the outcome: a reply that comes too late is
// nothing that a guest could have known.
func (l *lane) checkReplies() error {
	if len(l.view.Replies) > maxReplies {
		return fault.New(fault.TooLarge, "one step may give %d replies, and this one gives %d", maxReplies, len(l.view.Replies))
	}
	kept := l.view.Replies[:0]
	for i := range l.view.Replies {
		r := l.view.Replies[i]
		err := l.cfg.Exchange.Check(&r)
		if err == nil {
			kept = append(kept, r)
			continue
		}
		if fault.Is(err, fault.MessageInvalid) || fault.Is(err, fault.TooLarge) {
			l.blame(r.Correlation, err)
		}
	}
	l.view.Replies = kept
	return nil
}

// blame notes that the guest answered what it was handed in a form that is not
// taken: its caller is told that rather than nothing.
func (l *lane) blame(correlation string, err error) {
	for i := range l.mailed {
		if l.mailed[i].question.ID() == correlation {
			l.mailed[i].wrong = err
		}
	}
}

// sendReplies gives the replies of a step to their questions: the step is
// durable. Readers that are behind hold up the lane for a while, and in the
// middle of a call for no longer than leaves the guest half of its time: a slow
// reader is no reason for the end of a guest.
func (l *lane) sendReplies(ctx context.Context) {
	until := time.Now().Add(replyTime)
	if own, ok := ctx.Deadline(); ok {
		if half := time.Now().Add(time.Until(own) / 2); half.Before(until) {
			until = half
		}
	}
	for i := range l.view.Replies {
		if l.diverted(&l.view.Replies[i]) {
			continue
		}
		// The table counts and notes what it refuses.
		_ = l.cfg.Exchange.AnswerWithin(ctx, &l.view.Replies[i], max(time.Until(until), leastPatience))
	}
	l.view.Replies = l.view.Replies[:0]
}

// diverted keeps a reply to one part of a message for the combined answer.
func (l *lane) diverted(r *abi.Reply) bool {
	for i := range l.mailed {
		if x := &l.mailed[i]; x.items != nil && r.Correlation == x.question.ID() {
			x.items.replied(r)
			return true
		}
	}
	return false
}

// settleMail makes the decisions on the messages of a step true. A message
// without one is handled.
func (l *lane) settleMail(ctx context.Context, now time.Time) {
	var again []*letter
	for i := range l.mailed {
		x := &l.mailed[i]
		if slices.Contains(again, x.letter) {
			continue
		}
		err := x.wrong
		switch reason := fault.Clip(l.env.masked(x.verdict.Reason), maxReason); x.verdict.Decision {
		case abi.DecisionRetry:
			x.notBefore = now.Add(time.Duration(min(x.verdict.RetryAfterMS, maxRetryAfterMS)) * time.Millisecond)
			again = append(again, x.letter)
			continue
		case abi.DecisionReject:
			err = fault.New(fault.Guest, "the connector rejected the message: %s", reason)
		case abi.DecisionSkip:
			if x.question.Replies() {
				err = fault.New(fault.Unsupported, "the connector does not handle the message: %s", reason)
			}
		default:
		}
		l.settled(ctx, x, err)
	}
	for _, x := range slices.Backward(again) {
		l.post.back(x)
	}
}

// settled ends one part of a message: the guest has handled it, or could not.
func (l *lane) settled(ctx context.Context, x *mailed, err error) {
	switch {
	case x.items != nil:
		x.items.handled(x.message, err)
	case err != nil:
		x.question.Fail(err)
		x.at = len(x.encoded)
	}
	if x.at++; x.at >= len(x.encoded) {
		l.ended(ctx, x.letter)
	}
}

// ended ends a message with its last part. One that nothing was made of is
// answered empty, one of several parts with all of their answers; any other
// waits for the guest's.
func (l *lane) ended(ctx context.Context, x *letter) {
	if x.question.Replies() && (x.items != nil || len(x.encoded) == 0) {
		answer := x.items.answer(x.question.ID())
		_ = l.cfg.Exchange.Answer(ctx, &answer) // what is refused has ended, and the table counts it
		return
	}
	x.question.Handled()
}

// rejected are the bodies of messages that nobody waits for and that the guest
// could not handle: they are kept in quarantine.
func (l *lane) rejected(b *outbox.Block) {
	for i := range l.mailed {
		x := &l.mailed[i]
		if x.verdict.Decision == abi.DecisionReject && !x.question.Replies() && len(x.message.Body) > 0 {
			b.Rejects = append(b.Rejects, outbox.Reject{
				Device: x.device, Reason: fault.Clip(l.env.masked(x.verdict.Reason), maxReason), Input: x.message.Body, Of: outbox.RejectMessage,
			})
		}
	}
}

// failMail ends the questions that the guest works on with its fault.
func (l *lane) failMail(err error) {
	for i := range l.mailed {
		l.mailed[i].question.Fail(err)
	}
	l.putDown()
}
