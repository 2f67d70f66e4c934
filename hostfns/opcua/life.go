package opcua

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// start begins to listen. The goroutines keep nothing of the call that opened
// the session but its values: they outlive it.
func (s *Session) start(ctx context.Context, l *link) {
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.link, s.last, s.up, s.opens = l, l, true, 1
	go s.run(ctx, l)
}

// run keeps the session connected until it is stopped. A link that fails soon
// after it was made is not made again at once.
func (s *Session) run(ctx context.Context, l *link) {
	defer close(s.done)
	defer s.events.End()
	for soon := 0; ; {
		began := time.Now()
		err := s.serve(ctx, l)
		s.lose(ctx, err)
		l.close(ctx)
		if soon++; time.Since(began) > s.group.cfg.pace.retry {
			soon = 0
		}
		if soon > 1 {
			s.rest(ctx, min(firstWait<<min(soon, 10), s.group.cfg.pace.retry))
		}
		if l = s.reconnect(ctx); l == nil {
			return
		}
	}
}

// firstWait is the pause before a second attempt.
const firstWait = 100 * time.Millisecond

// rest waits, unless the grants change.
func (s *Session) rest(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.again:
	case <-ctx.Done():
	}
}

// lose notes that the link is of no use any more.
func (s *Session) lose(ctx context.Context, err error) {
	endpoint := s.who.set.endpoint
	lost := egress.At(endpoint+" is lost", addressOf(endpoint), err)
	lost.Kind = fault.ResourceUnavailable
	s.mu.Lock()
	was := s.up
	s.link, s.up, s.reason = nil, false, lost.Text
	s.mu.Unlock()
	if was && ctx.Err() == nil {
		s.log.Warn("the OPC UA server is lost", "error", lost)
		s.events.Note(capability.Event{Type: abi.EventDown, Time: time.Now().UnixNano(), Err: lost})
	}
}

// reconnect makes a new link, however long it takes; nil: the session is over.
func (s *Session) reconnect(ctx context.Context) *link {
	pace := s.group.cfg.pace
	for wait := firstWait; ctx.Err() == nil; wait = min(2*wait, pace.retry) {
		l, err := s.who.connect(ctx)
		if err == nil {
			s.mu.Lock()
			s.last = l
			s.opens++
			s.mu.Unlock()
			return l
		}
		s.mu.Lock()
		s.reason = err.Error()
		s.mu.Unlock()
		if !mayHelp(err) {
			wait = pace.again // a user who is asked for again and again is locked out
		}
		s.rest(ctx, wait)
	}
	return nil
}

// serve makes what is wanted on a new link and listens, until the link fails.
func (s *Session) serve(ctx context.Context, l *link) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	failed := make(chan error, 3)
	group.Go(func() { failed <- s.publish(ctx, l) })
	group.Go(func() { failed <- s.watch(ctx, l) })
	group.Go(func() { failed <- s.reshape(ctx, l) })
	if err := s.rebuild(ctx, l); err != nil {
		return err
	}
	return <-failed
}

// rebuild makes everything that is wanted, and lets calls in.
func (s *Session) rebuild(ctx context.Context, l *link) error {
	if err := s.settle(ctx, l); err != nil {
		return err
	}
	if len(s.names(l)) == 0 {
		s.works()
	}
	return s.tellFailed(ctx, l)
}

// settle makes what is watched on a link what is wanted, and lets calls in. What
// is wanted may change meanwhile: then it begins again, and finds little to do.
func (s *Session) settle(ctx context.Context, l *link) error {
	for {
		s.mu.Lock()
		list, seen := s.wanted, s.changes
		s.mu.Unlock()
		for _, name := range s.names(l) {
			if slices.ContainsFunc(list, func(w *wanted) bool { return w.name == name }) {
				continue
			}
			if err := l.forget(ctx, name); err != nil {
				return err
			}
		}
		for _, w := range list {
			step, cancel := context.WithTimeout(ctx, s.rebuildTime(w))
			_, err := l.apply(step, w)
			cancel()
			if err != nil {
				return fmt.Errorf("the subscription %q could not be made: %w", w.name, err)
			}
		}
		s.mu.Lock()
		if s.changes == seen {
			s.link = l
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
	}
}

// tellFailed tells of the items that the server refused.
func (s *Session) tellFailed(ctx context.Context, l *link) error {
	for _, name := range s.names(l) {
		if bad := l.failed(name); len(bad) > 0 {
			if err := s.deliver(ctx, name, bad); err != nil {
				return err
			}
		}
	}
	return nil
}

// rebuildTime is what a subscription may take to be made.
func (s *Session) rebuildTime(w *wanted) time.Duration {
	return s.group.cfg.pace.answer * time.Duration(2+len(w.items)/many)
}

func (s *Session) names(l *link) (names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.names {
		names = append(names, name)
	}
	return names
}

// works notes that the server has shown that it is there.
func (s *Session) works() {
	s.mu.Lock()
	was := s.up
	s.up, s.reason = true, ""
	s.mu.Unlock()
	if !was {
		s.log.Info("the OPC UA server is back")
		s.events.Note(capability.Event{Type: abi.EventUp, Time: time.Now().UnixNano()})
	}
}

// watch sees whether the server is there, and tries again what it refused to
// watch.
func (s *Session) watch(ctx context.Context, l *link) error {
	pace := s.group.cfg.pace
	probe, again := time.NewTicker(pace.probe), time.NewTicker(pace.again)
	defer probe.Stop()
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ch.Done():
			return l.ch.Err()
		case <-probe.C:
			if err := l.probe(ctx); err != nil {
				return err
			}
			if name, since := l.silent(time.Now()); name != "" {
				return fmt.Errorf("nothing was heard of the subscription %q for %v", name, since.Round(time.Millisecond))
			}
		case <-again.C:
			if err := s.tryFailed(ctx, l); err != nil {
				return err
			}
		}
	}
}

// reshape makes the subscriptions of drafts that are taken.
func (s *Session) reshape(ctx context.Context, l *link) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ch.Done():
			return l.ch.Err()
		case <-s.shaped:
		}
		if err := s.settle(ctx, l); err != nil {
			return err
		}
		if err := s.tellFailed(ctx, l); err != nil {
			return err
		}
	}
}

func (s *Session) tryFailed(ctx context.Context, l *link) error {
	for _, name := range s.names(l) {
		if len(l.failed(name)) > 0 {
			return s.settle(ctx, l)
		}
	}
	return nil
}

// silent is a subscription that nothing was heard of for too long.
func (l *link) silent(now time.Time) (name string, since time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.asking {
		return "", 0 // the guest does not keep up: nobody asks
	}
	for _, w := range l.ids {
		heard := w.heard
		if l.resumed.After(heard) {
			heard = l.resumed
		}
		if since := now.Sub(heard); since > w.silent {
			return w.name, since
		}
	}
	return "", 0
}

// pause is how long nobody may ask without starting to count anew.
const pause = time.Second

// asks notes that a publish request is under way, or that there is none.
func (l *link) asks(under bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if under && now.Sub(l.paused) > pause {
		l.resumed = now
	}
	l.asking, l.paused = under, now
}
