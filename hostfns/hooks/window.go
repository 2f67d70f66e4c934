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
	nameCost = 256 // bytes, beside the name and the answer
)

// name is a request that came under a name, and what became of it.
type name struct {
	key    string
	sum    [sha256.Size]byte // of the request
	ticket *ticket           // until it is answered
	answer answer
	size   int64
	at     time.Time
}

// window remembers requests by their names, the newest of them. What is under way
// is never forgotten: the queue bounds it. Its desk's lock guards it.
type window struct {
	byKey map[string]*name
	order []*name // of those that are answered, oldest first
	kept  int64
	// hold takes room for what is kept, or gives it back.
	hold func(n int64) bool
}

func newWindow(hold func(int64) bool) *window {
	return &window{byKey: map[string]*name{}, hold: hold}
}

// find is the request of this name.
func (w *window) find(key string, now time.Time) *name {
	for len(w.order) > 0 && now.Sub(w.order[0].at) > keptFor {
		w.forgetOldest()
	}
	return w.byKey[key]
}

// begin notes a request that is under way.
func (w *window) begin(t *ticket) { w.byKey[t.key] = &name{key: t.key, sum: t.sum, ticket: t} }

// drop forgets a request that came to nothing.
func (w *window) drop(t *ticket) {
	if n := w.byKey[t.key]; n != nil && n.ticket == t {
		delete(w.byKey, t.key)
	}
}

// end keeps what a request was answered. When there is no room for it, the oldest
// have to go; when that is not enough, it is not remembered.
func (w *window) end(t *ticket, now time.Time) {
	n := w.byKey[t.key]
	if n == nil || n.ticket != t {
		return
	}
	n.ticket, n.answer, n.at = nil, t.answer, now
	n.size = nameCost + int64(len(n.key)) + t.answer.size()
	for len(w.order) >= maxNames || len(w.order) > 0 && w.kept+n.size > maxKept {
		w.forgetOldest()
	}
	for !w.hold(n.size) {
		if len(w.order) == 0 {
			delete(w.byKey, n.key)
			return
		}
		w.forgetOldest()
	}
	w.order, w.kept = append(w.order, n), w.kept+n.size
}

func (w *window) forgetOldest() {
	n := w.order[0]
	w.order[0] = nil
	if w.order = w.order[1:]; len(w.order) == 0 {
		w.order = nil
	}
	w.kept -= n.size
	w.hold(-n.size)
	delete(w.byKey, n.key)
}

// close forgets everything that is answered.
func (w *window) close() {
	for len(w.order) > 0 {
		w.forgetOldest()
	}
}
