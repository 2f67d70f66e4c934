package store

// gather is the batch that the holder of the turn runs on, who has to release it.
func (s *space) gather(q *turn) (*batch, error) {
	t := &s.store.turns
	t.mu.Lock()
	b, flying := q.batch, q.flying
	if b != nil {
		b.pins.Add(1)
	}
	t.mu.Unlock()
	if b != nil {
		return b, nil
	}
	// The holder alone makes batches: what was under way may land meanwhile, and
	// nothing else can take off.
	b, err := s.follow(q, flying)
	if err == nil {
		b.pins.Add(1) // it is empty, and so stays where it is
	}
	return b, err
}

// follow makes the batch that comes after another.
func (s *space) follow(q *turn, after *batch) (*batch, error) {
	base, err := s.begin()
	if err != nil {
		return nil, err
	}
	b := newBatch(base, after)
	s.store.turns.mu.Lock()
	q.batch = b
	s.store.turns.mu.Unlock()
	return b, nil
}

// join adds an update, which ran on a batch, to that one. When the commit of that
// has begun, or it is full, the update goes into the next one, which shows what
// the one before it did, so that what was read still holds.
func (s *space) join(q *turn, b *batch, own *staged, cost int) (*outcome, error) {
	t := &s.store.turns
	for {
		t.mu.Lock()
		flying := q.flying
		if q.batch == b {
			if b.room(cost) {
				b.add(own, cost)
				t.mu.Unlock()
				q.history.add(own, b.outcome)
				return b.outcome, nil
			}
			t.mu.Unlock()
			if flying == nil {
				s.fly(q, t.depart(q))
			} else {
				<-flying.done // with that, b takes off
			}
			continue
		}
		t.mu.Unlock()
		var err error
		if b, err = s.follow(q, b); err != nil {
			return nil, err
		}
	}
}

// leave gives the turn on. What has gathered is committed at once, unless a
// commit is under way: while that lasts, more gathers, and its end is when the
// next one begins. So nobody waits for others who might come, and the more there
// are the fewer commits they need each.
func (s *space) leave(q *turn) {
	t := &s.store.turns
	b := t.depart(q)
	if b == nil {
		s.abandon(q)
	}
	t.leave(s.name, q)
	if b == nil {
		return
	}
	if next := s.land(q, b); next != nil { // of others: nobody waits for those but they
		s.store.under.Go(func() { s.fly(q, next) })
	}
}

// abandon gives up a batch that nobody has added to, and the state that it
// stands on.
func (s *space) abandon(q *turn) {
	t := &s.store.turns
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.batch != nil && q.batch.size == 0 {
		q.batch.release()
		q.batch = nil
	}
}

// fly commits a batch, and what has gathered meanwhile, until nothing has.
func (s *space) fly(q *turn, b *batch) {
	for b != nil {
		b = s.land(q, b)
	}
}

// land commits a batch that has taken off, and answers the next one. A batch that
// shows what another was to write is lost with that one.
func (s *space) land(q *turn, b *batch) (next *batch) {
	if lost := b.after.wait(); lost != nil {
		b.settle(b.after.state.Load(), lost)
	} else {
		b.settle(s.latest.commit(s.store.backend, s.name, &b.staged))
	}
	b.release()
	next = s.store.turns.arrive(s.name, q)
	close(b.done)
	return next
}
