package mask

import "hash/maphash"

// The bounds of what is masked although no name stands for it.
const (
	// A value that a name stood for may still be with a guest that runs.
	maxRetired = 256
	// A value that was tried and not kept may be in the answer that refuses it.
	maxPassing = 1024
	// The forms of either: a value of many lines has hundreds.
	maxForms = 1 << 15
)

// ring is values of which the oldest are given up.
type ring struct {
	values []learned // the oldest first
	forms  int       // of all of them
}

// Learn masks a value as what a name stands for, until it is dropped or stands
// for another. What it stood for before is masked for a while longer.
func (m *Mask) Learn(name string, value []byte) {
	sum := maphash.Bytes(m.seed, value)
	m.mu.RLock()
	old, known := m.names[name]
	m.mu.RUnlock()
	if known && old.sum == sum {
		return
	}
	forms := formsOf(string(value))
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.hold(sum, forms)
	m.retire(name)
	m.names[name] = now
}

// Drop says that a name stands for nothing any more. What it stood for is masked
// for a while longer.
func (m *Mask) Drop(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retire(name)
}

// Pass masks a value that no name may ever stand for, for a while: as long as
// not too many others come after it. A nil mask masks nothing.
func (m *Mask) Pass(value []byte) {
	if m == nil {
		return
	}
	sum := maphash.Bytes(m.seed, value)
	m.mu.RLock()
	known := m.held[sum] > 0
	m.mu.RUnlock()
	if known {
		return
	}
	forms := formsOf(string(value))
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(&m.passing, m.hold(sum, forms), maxPassing)
}

// hold adds a value. The caller holds mu.
func (m *Mask) hold(sum uint64, forms []string) learned {
	now := learned{sum: sum, places: make([]place, len(forms))}
	for i, text := range forms {
		now.places[i] = m.add(text)
	}
	m.held[sum]++
	if len(forms) > 0 {
		m.some.Store(true)
	}
	return now
}

// retire puts what a name stands for among what is masked for a while longer.
// The caller holds mu.
func (m *Mask) retire(name string) {
	old, ok := m.names[name]
	if !ok {
		return
	}
	delete(m.names, name)
	m.keep(&m.retired, old, maxRetired)
}

// keep puts a value into a ring and gives up the oldest, as long as there are too
// many. The caller holds mu.
func (m *Mask) keep(r *ring, l learned, most int) {
	r.values = append(r.values, l)
	r.forms += len(l.places)
	for len(r.values) > 1 && (len(r.values) > most || r.forms > maxForms) {
		oldest := r.values[0]
		r.values = append(r.values[:0], r.values[1:]...)
		r.forms -= len(oldest.places)
		m.forget(oldest)
	}
}

// forget takes a value's forms out, but for those that another value shares. The
// caller holds mu.
func (m *Mask) forget(l learned) {
	if m.held[l.sum]--; m.held[l.sum] == 0 {
		delete(m.held, l.sum)
	}
	for _, at := range l.places {
		of, i := m.forms[at.piece], m.index(at)
		if of[i].users--; of[i].users > 0 {
			continue
		}
		m.stale++
		if of[i] = of[len(of)-1]; len(of) > 1 {
			m.forms[at.piece] = of[:len(of)-1]
		} else {
			delete(m.forms, at.piece)
		}
	}
	if m.stale > maxStale { // else a mask that has seen many values looks twice at everything
		m.stale = 0
		m.mark()
	}
}

// mark sets the bits of seen anew. The caller holds mu, as find does.
func (m *Mask) mark() {
	for i := range m.seen {
		m.seen[i].Store(0)
	}
	for piece := range m.forms {
		word, bit := m.bit(piece)
		m.seen[word].Or(bit)
	}
}
