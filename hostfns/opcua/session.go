package opcua

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gopcua/opcua/ua"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/opcua/wire"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/queue"
)

// Session is one connector's connection to a server. Its goroutines connect and
// listen (life.go); Call asks. Call and Close may run at the same time.
type Session struct {
	group  *Group
	who    *caller
	log    *slog.Logger
	events *queue.Queue[int] // with how many values each has

	stop context.CancelFunc
	done chan struct{} // closed when the goroutines have returned

	pages map[uint64]*page // browses that are under way; Call's alone
	turns []uint64         // their cursors, the oldest first
	turn  uint64

	mu      sync.Mutex // guards what follows
	link    *link      // nil while away
	up      bool
	reason  string // why it is not up
	opens   uint64
	closed  bool
	wanted  []*wanted
	changes uint64 // of wanted
	last    *link  // the newest, which may be broken

	shaped chan struct{} // a token when a draft was taken
	again  chan struct{} // a token: grants have changed, do not wait
}

var (
	_ capability.Source   = (*Session)(nil)
	_ capability.Reporter = (*Session)(nil)
	_ capability.Shaped   = (*Session)(nil)
)

func newSession(g *Group, who *caller, scope capability.Scope) *Session {
	log := scope.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Session{
		group: g, who: who, log: log.With("endpoint", who.set.endpoint),
		events: queue.New[int](queue.Config{Events: g.cfg.Events, Bytes: g.cfg.Bytes, Purse: scope.Purse, Others: gapOthers}),
		done:   make(chan struct{}), shaped: make(chan struct{}, 1), again: make(chan struct{}, 1), pages: map[uint64]*page{},
	}
}

// The most that one call may take, and that one reply may have.
const (
	callTime = 30 * time.Second
	maxReply = 4 << 20
)

// Call serves all functions but open.
func (s *Session) Call(ctx context.Context, function string, in, out []byte) ([]byte, error) {
	ctx, cancel := capability.BeforeDeadline(ctx, callTime)
	defer cancel()
	var err error
	switch function {
	case functionInfo:
		out, err = s.callInfo(in, out)
	case functionRead:
		out, err = s.callRead(ctx, in, out)
	case functionBrowse:
		out, err = s.callBrowse(ctx, in, out)
	case functionSubscribe:
		out, err = s.callSubscribe(ctx, in, out)
	case functionWrite:
		out, err = s.callWrite(ctx, in, out)
	case functionCall:
		out, err = s.callCall(ctx, in, out)
	default:
		return nil, fault.New(fault.Unsupported, "opcua has no function %q", function)
	}
	if err == nil && len(out) > maxReply {
		err = fault.New(fault.TooLarge, "the reply has more than %d bytes: ask for less at once", maxReply)
	}
	if err != nil {
		return nil, s.named(function, err)
	}
	return out, nil
}

// named is an error as the guest's author should read it.
func (s *Session) named(function string, err error) error {
	var f *fault.Fault
	var status wire.Status
	at := s.who.set.endpoint
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &status):
		return fault.New(fault.ResourceUnavailable, "opcua.%s: %s answered %s", function, at, status.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Timeout, "opcua.%s: %s did not answer in time", function, at)
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Canceled, err, "opcua.%s on %s", function, at)
	}
	return fault.Wrap(fault.ResourceUnavailable, err, "opcua.%s on %s", function, at).WithRetryAfter(time.Second)
}

// request reads the request of a function.
func request(function string, q interface{ Decode(src []byte) error }, in []byte) error {
	if err := q.Decode(in); err != nil {
		return fault.Wrap(fault.Invalid, err, "opcua.%s: the request cannot be read", function)
	}
	return nil
}

// current is the link, if there is one.
func (s *Session) current() (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.New(fault.SessionClosed, "the session of %s is closed", s.who.set.endpoint)
	}
	if s.link == nil {
		return nil, fault.New(fault.ResourceUnavailable, "%s is away: %s", s.who.set.endpoint, s.reason).WithRetryAfter(time.Second)
	}
	return s.link, nil
}

func (s *Session) callInfo(in, out []byte) ([]byte, error) {
	var h abi.Handle
	if err := request(functionInfo, &h, in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.New(fault.SessionClosed, "the session of %s is closed", s.who.set.endpoint)
	}
	own := s.last.who.own
	info := abi.OPCUAInfo{
		Policy: shortPolicy(s.last.sec.Policy), Mode: modeName(s.last.sec.Mode),
		Certificate: certificatePEM(own.certificate.Raw), Fingerprint: fingerprint(own.certificate), ApplicationURI: own.uri(),
		Up: s.up, Reason: s.reason,
	}
	if server := s.last.sec.Server; server != nil {
		info.ServerCertificate, info.ServerFingerprint = certificatePEM(server.Raw), fingerprint(server)
	}
	for _, name := range s.last.namespaces {
		info.Namespaces = append(info.Namespaces, abi.OPCUAText{Text: name})
	}
	return info.Append(out[:0]), nil
}

func (s *Session) callRead(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.OPCUARead
	if err := request(functionRead, &q, in); err != nil {
		return nil, err
	}
	l, err := s.current()
	if err != nil {
		return nil, err
	}
	values, err := l.read(ctx, q.Nodes, q.MaxAgeMS)
	if err != nil {
		return nil, err
	}
	return (&abi.OPCUAValues{Values: values}).Append(out[:0]), nil
}

func (s *Session) callWrite(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.OPCUAWrite
	if err := request(functionWrite, &q, in); err != nil {
		return nil, err
	}
	l, err := s.current()
	if err != nil {
		return nil, err
	}
	list, err := l.write(ctx, q.Values)
	if err != nil {
		return nil, err
	}
	return (&abi.OPCUAStatuses{Statuses: list}).Append(out[:0]), nil
}

func (s *Session) callCall(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.OPCUACall
	if err := request(functionCall, &q, in); err != nil {
		return nil, err
	}
	l, err := s.current()
	if err != nil {
		return nil, err
	}
	result, err := l.call(ctx, &q)
	if err != nil {
		return nil, err
	}
	return result.Append(out[:0]), nil
}

// maxPages bounds the browses that are under way: the oldest is forgotten.
const maxPages = 16

func (s *Session) callBrowse(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.OPCUABrowse
	if err := request(functionBrowse, &q, in); err != nil {
		return nil, err
	}
	l, err := s.current()
	if err != nil {
		return nil, err
	}
	var reply abi.OPCUABrowsePage
	p, cursor := s.pages[q.Cursor], q.Cursor
	switch {
	case cursor == 0:
		if p, reply.Status, err = l.browse(ctx, &q); err != nil {
			return nil, err
		}
		s.turn++
		cursor = s.turn
	case p == nil || p.link != l:
		s.dropPage(cursor)
		return nil, fault.New(fault.NotFound, "opcua.browse: the cursor is not known any more").
			WithHint("Begin to browse anew: the connection was lost, or more than %d browses are under way.", maxPages)
	}
	s.dropPage(cursor)
	status := uint32(0)
	if reply.References, status, err = p.next(ctx); err != nil {
		return nil, err
	}
	reply.Status |= status
	if !p.done() && reply.Status&bad == 0 {
		s.keepPage(ctx, cursor, p)
		reply.Cursor = cursor
	}
	return reply.Append(out[:0]), nil
}

func (s *Session) dropPage(cursor uint64) {
	delete(s.pages, cursor)
	for i, c := range s.turns {
		if c == cursor {
			s.turns = append(s.turns[:i], s.turns[i+1:]...)
			return
		}
	}
}

func (s *Session) keepPage(ctx context.Context, cursor uint64, p *page) {
	if len(s.turns) >= maxPages {
		oldest := s.pages[s.turns[0]]
		s.dropPage(s.turns[0])
		if len(oldest.mark) > 0 {
			_, _ = oldest.more(ctx, true) // the server forgets it with the session anyway
		}
	}
	s.pages[cursor], s.turns = p, append(s.turns, cursor)
}

func (s *Session) callSubscribe(ctx context.Context, in, out []byte) ([]byte, error) {
	var q abi.OPCUASubscribe
	// What is wanted stays: it may not lie in the guest's memory.
	if err := request(functionSubscribe, &q, append([]byte(nil), in...)); err != nil {
		return nil, err
	}
	w, err := readWanted(&q)
	if err != nil {
		return nil, err
	}
	l, before, err := s.want(w, q.Remove)
	if err != nil {
		return nil, err
	}
	if l == nil { // it is made when there is a link again
		list := make([]abi.OPCUAStatus, len(w.items))
		for i := range list {
			list[i].Code = uint32(ua.StatusBadNotConnected)
		}
		return (&abi.OPCUAStatuses{Statuses: list}).Append(out[:0]), nil
	}
	if q.Remove {
		return (&abi.OPCUAStatuses{}).Append(out[:0]), l.forget(ctx, w.name)
	}
	list, err := l.apply(ctx, w)
	if _, refused := errors.AsType[wire.Status](err); refused {
		s.restore(w, before) // or no link would ever be good enough
	}
	if err != nil {
		return nil, err
	}
	return (&abi.OPCUAStatuses{Statuses: list}).Append(out[:0]), nil
}

// restore puts back what was wanted before.
func (s *Session) restore(w, before *wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*wanted
	for _, o := range s.wanted {
		if o != w {
			list = append(list, o)
		}
	}
	if before != nil {
		list = append(list, before)
	}
	s.wanted = list
	s.changes++
}

// want notes what is wanted from now on, and answers what was before. The link,
// if there is one, is to be changed by the caller.
func (s *Session) want(w *wanted, remove bool) (l *link, before *wanted, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fault.New(fault.SessionClosed, "the session of %s is closed", s.who.set.endpoint)
	}
	next, before, err := changed(s.wanted, w, remove)
	if err != nil {
		return nil, nil, err
	}
	s.wanted = next
	s.changes++
	return s.link, before, nil
}

// Condition is how the session is doing.
func (s *Session) Condition() capability.Condition {
	dropped, buffered := s.events.Counts(map[string]uint64{}) // a server names them: too many to show
	s.mu.Lock()
	defer s.mu.Unlock()
	return capability.Condition{Up: s.up, Reason: s.reason, Opens: s.opens, Dropped: dropped, Buffered: buffered}
}

// Close ends the session at the server and waits for the goroutines.
func (s *Session) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fault.Wrap(fault.Timeout, ctx.Err(), "the session of %s is still being closed", s.who.set.endpoint)
	}
}

// Ready holds a token whenever Take may have something to give.
func (s *Session) Ready() <-chan struct{} { return s.events.Ready() }

// Take hands out the next events: no more values at once than a guest can give back as
// points in one step.
func (s *Session) Take(dst []capability.Event, items, bytes int) []capability.Event {
	left := abi.MaxBatchPoints
	return s.events.TakeWhile(dst, items, bytes, func(values int) bool {
		left -= values
		return left >= 0
	})
}

// Ack lets the oldest n events go.
func (s *Session) Ack(n int) { s.events.Ack(n) }

// Rewind makes Take begin anew.
func (s *Session) Rewind() { s.events.Rewind() }

// Replayable is false: what a server publishes is published once.
func (s *Session) Replayable() bool { return false }
