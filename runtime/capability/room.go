package capability

import (
	"slices"
	"sync"
	"time"
)

// Turns is a Purse that keeps places for those whom it has refused room, first come,
// first served: else what is large waits for ever beside much that is small.
type Turns interface {
	Purse
	// HoldInTurn is Hold for one who asks again if he is refused (false), and whose
	// place t is: room that comes back is set aside for those who came before him.
	HoldInTurn(t *Turn, n int64) bool
	// Forgo gives a place up, and what is set aside for it.
	Forgo(t *Turn)
	// Awaited reports whether somebody waits, so that nobody keeps what he may want.
	Awaited() bool
}

// How long a Room waits for those in its line.
const (
	// absent is when a place is given up of one who did not ask again.
	absent = time.Second
	// patience is how long the first in the line keeps all others from what is too
	// little for him, before they come first: who holds the rest may never let go.
	patience = 5 * time.Second
)

// Room is what a Purse that is a Turns has of room: so many bytes. Its methods are
// safe for use by several goroutines.
type Room struct {
	most int64

	mu    sync.Mutex
	held  int64   // with what is set aside
	line  []*Turn // those who wait, in turn; then those for whom room is set aside
	ahead int     // so many wait
	swept time.Time
}

// Turn is a place in the line of a Room, which guards it.
type Turn struct {
	need  int64
	asked time.Time // last
	first time.Time // when it became the first of the line; zero: it is not
	aside bool
}

// NewRoom is room for so many bytes.
func NewRoom(most int64) *Room { return &Room{most: most} }

// Held is how many bytes are taken, or set aside for one who waits.
func (r *Room) Held() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

// Awaited is Turns' Awaited.
func (r *Room) Awaited() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ahead > 0
}

// Hold takes room for n bytes for one who does not ask again, and so passes whoever
// waits; false: there is none. n < 0 gives it back.
func (r *Room) Hold(n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > 0 && r.held+n > r.most {
		return false
	}
	r.held += n
	r.serve()
	return true
}

// HoldInTurn is Turns' HoldInTurn.
func (r *Room) HoldInTurn(t *Turn, n int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case n > r.most: // nothing that anybody gives back is enough
		r.forgo(t)
		return false
	case t.aside && t.need >= n, r.ahead == 0 && r.held+n <= r.most:
		r.forgo(t)
		r.held += n
		r.serve() // it may have been less than was set aside
		return true
	case t.aside: // he needs more by now, and is the first again
		r.forgo(t)
		r.line = slices.Insert(r.line, 0, t)
		r.ahead++
	}
	t.asked = time.Now()
	if !slices.Contains(r.line, t) {
		r.line = slices.Insert(r.line, r.ahead, t)
		r.ahead++
	}
	t.need = n
	if r.serve(); !t.aside {
		return false
	}
	r.forgo(t)
	r.held += n
	return true
}

// Forgo is Turns' Forgo.
func (r *Room) Forgo(t *Turn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgo(t)
	r.serve()
}

func (r *Room) forgo(t *Turn) {
	at := slices.Index(r.line, t)
	if at < 0 {
		return
	}
	r.line = slices.Delete(r.line, at, at+1)
	if t.aside {
		r.held -= t.need
	} else {
		r.ahead--
	}
	*t = Turn{}
}

// serve sets aside what there is for those who wait, in turn.
func (r *Room) serve() {
	if len(r.line) == 0 {
		return
	}
	now := time.Now()
	r.sweep(now)
	for range r.ahead {
		t := r.line[0]
		if t.first.IsZero() {
			t.first = now
		}
		switch {
		case r.held+t.need <= r.most:
			r.held += t.need
			t.aside = true
			r.ahead--
			r.line = append(r.line[1:], t)
		case now.Sub(t.first) > patience:
			t.first = time.Time{}
			r.line = slices.Insert(r.line[1:], r.ahead-1, t)
		default:
			return
		}
	}
}

// sweep gives up the places of those who do not ask any more.
func (r *Room) sweep(now time.Time) {
	if now.Sub(r.swept) < purseWait {
		return
	}
	r.swept = now
	for _, t := range slices.Clone(r.line) {
		if now.Sub(t.asked) > absent {
			r.forgo(t)
		}
	}
}
