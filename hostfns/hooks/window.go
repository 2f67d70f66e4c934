package hooks

import (
	"crypto/sha256"
	"time"
)

// The bounds of what one connector remembers.
const (
	maxNames = 4096
	maxKept  = 2 << 20 // bytes of names and answers
	keptFor  = 24 * time.Hour
	nameCost = 320     // bytes, beside the name and the answer
	maxPast  = 1 << 16 // seals whose answers are forgotten
	pastCost = 96      // bytes of one
)

// name is a request that came under a name, or signed, and what became of it.
type name struct {
	key    string            // empty: it is known by its seal alone
	sum    [sha256.Size]byte // of the request
	by     sealed            // by which it came in
	ticket *ticket           // until it is answered
	answer answer
	size   int64
	at     time.Time
}

// sealed is a seal that lets in until then.
type sealed struct {
	seal  seal
	until time.Time
}

// window remembers requests by their names and seals, the newest of them. What is
// under way is never forgotten: the queue bounds it. Of what has to be forgotten
// while its seal still lets in, the seal is kept. Its desk's lock guards it.
type window struct {
	byKey  map[string]*name
	bySeal map[seal]*name
	order  []*name // of those that are answered, oldest first
	kept   int64

	gone   []sealed // oldest first
	bygone map[seal]time.Time
	// hold takes room for what is kept, or gives it back.
	hold func(n int64) bool
}

func newWindow(hold func(int64) bool) *window {
	return &window{byKey: map[string]*name{}, bySeal: map[seal]*name{}, bygone: map[seal]time.Time{}, hold: hold}
}

// find is the request of this name, or else of this seal.
func (w *window) find(key string, by seal, now time.Time) *name {
	for len(w.order) > 0 && now.Sub(w.order[0].at) > keptFor {
		w.forgetOldest(now)
	}
	if n := w.byKey[key]; n != nil && key != "" {
		return n
	}
	return w.bySeal[by]
}

// past reports whether a seal has let in a request that is forgotten.
func (w *window) past(by seal, now time.Time) bool {
	for len(w.gone) > 0 && now.After(w.gone[0].until) {
		w.dropGone()
	}
	until, ok := w.bygone[by]
	return ok && !now.After(until)
}

// begin notes a request that is under way.
func (w *window) begin(t *ticket, now time.Time) {
	if t.key == "" && t.seal == (seal{}) {
		return
	}
	n := &name{key: t.key, sum: t.sum, ticket: t, by: sealed{t.seal, now.Add(t.valid)}}
	t.name = n
	if n.key != "" {
		w.byKey[n.key] = n
	}
	if t.seal != (seal{}) {
		w.bySeal[t.seal] = n
	}
}

// again notes that a request that is answered came again. Signed anew, that
// signature has let in, too.
func (w *window) again(n *name, t *ticket, now time.Time) {
	if n.ticket == nil && t.seal != (seal{}) && t.seal != n.by.seal && w.bySeal[t.seal] == nil {
		w.bury(sealed{t.seal, now.Add(t.valid)}, now)
	}
}

// drop forgets a request that came to nothing: it may come again.
func (w *window) drop(t *ticket) {
	if n := t.name; n != nil && n.ticket == t {
		w.remove(n)
	}
}

func (w *window) remove(n *name) {
	if n.key != "" {
		delete(w.byKey, n.key)
	}
	if n.by.seal != (seal{}) {
		delete(w.bySeal, n.by.seal)
	}
}

// end keeps what a request was answered. When there is no room for it, the oldest
// have to go; when that is not enough, it is not remembered.
func (w *window) end(t *ticket, now time.Time) {
	n := t.name
	if n == nil || n.ticket != t {
		return
	}
	n.ticket, n.answer, n.at = nil, t.answer, now
	n.size = nameCost + int64(len(n.key)) + t.answer.size()
	for len(w.order) >= maxNames || len(w.order) > 0 && w.kept+n.size > maxKept {
		w.forgetOldest(now)
	}
	for !w.hold(n.size) {
		if len(w.order) == 0 {
			w.forget(n, now)
			return
		}
		w.forgetOldest(now)
	}
	w.order, w.kept = append(w.order, n), w.kept+n.size
}

func (w *window) forgetOldest(now time.Time) {
	n := w.order[0]
	w.order[0] = nil
	if w.order = w.order[1:]; len(w.order) == 0 {
		w.order = nil
	}
	w.kept -= n.size
	w.hold(-n.size)
	w.forget(n, now)
}

// forget forgets a request, but not what still lets it in.
func (w *window) forget(n *name, now time.Time) {
	w.remove(n)
	w.bury(n.by, now)
}

// bury keeps a seal alone, for as long as it lets in.
func (w *window) bury(s sealed, now time.Time) {
	if _, is := w.bygone[s.seal]; is || s.seal == (seal{}) || !now.Before(s.until) {
		return
	}
	for len(w.gone) >= maxPast {
		w.dropGone()
	}
	for !w.hold(pastCost) {
		if len(w.gone) == 0 {
			return
		}
		w.dropGone()
	}
	w.gone = append(w.gone, s)
	w.bygone[s.seal] = s.until
}

func (w *window) dropGone() {
	delete(w.bygone, w.gone[0].seal)
	if w.gone = w.gone[1:]; len(w.gone) == 0 {
		w.gone = nil
	}
	w.hold(-pastCost)
}

// close forgets everything that is answered.
func (w *window) close() {
	for len(w.order) > 0 {
		w.forgetOldest(time.Time{})
	}
	for len(w.gone) > 0 {
		w.dropGone()
	}
}
