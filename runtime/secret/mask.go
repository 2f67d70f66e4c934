package secret

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Masked stands in a text where a secret was.
const Masked = "[masked]"

// Mask replaces a tenant's secrets in texts: each value of at least MinMasked
// bytes as it is, in base64 (within a longer one too), as in URLs and as in
// JSON, and each line of a value that has several. What was taken apart it does
// not find: a value over two texts, backwards, or encrypted.
//
// It keeps no value. Of each form of one it knows a short piece from the middle
// and a hash of the whole, so that a long secret costs as much as a short one,
// and secrets that begin alike do not cost more. It is safe for use by several
// goroutines; a nil one changes nothing.
type Mask struct {
	seed   maphash.Seed
	factor uint64 // odd

	// seen has a bit for each piece, so that most of a text is passed over at
	// the cost of one look for each byte.
	seen [1 << seenBits / 64]atomic.Uint64
	some atomic.Bool // whether there is anything to mask

	mu      sync.RWMutex
	forms   map[uint64][]form // by piece
	names   map[string]learned
	retired []learned // the oldest first
}

const (
	pieceSize = MinMasked
	seenBits  = 15 // of the number of bits in seen
	// maxRetired bounds the values that are masked although nothing names them
	// any more: a guest that was handed one may still run.
	maxRetired = 256
	// A text of n bytes is worth hashing hashEach*n + hashMore bytes. It takes
	// many secrets that are alike in their middle to need more; then the text is
	// masked as a whole.
	hashEach, hashMore = 256, 64 << 10
	hashTry            = 16 // what a try costs beside its bytes
)

// form is one way to write a secret.
type form struct {
	sum    uint64 // of the whole
	offset int    // of the piece
	size   int    // of the whole
	users  int    // values that can be written so
}

// place is where a form is kept.
type place struct{ piece, sum uint64 }

// learned is a value that is masked.
type learned struct {
	sum    uint64 // of the value
	places []place
}

func newMask() *Mask {
	seed := maphash.MakeSeed()
	return &Mask{seed: seed, factor: maphash.String(seed, "factor") | 1, forms: map[uint64][]form{}, names: map[string]learned{}}
}

// learn masks a value from now on, as what a name stands for. What it stood for
// before is masked for a while longer.
func (m *Mask) learn(name string, value []byte) {
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
	m.put(name)
	now := learned{sum: sum, places: make([]place, len(forms))}
	for i, text := range forms {
		now.places[i] = m.add(text)
	}
	m.names[name] = now
	if len(forms) > 0 {
		m.some.Store(true)
	}
}

// add adds a form, of at least pieceSize bytes. The caller holds mu.
func (m *Mask) add(text string) place {
	f := form{sum: maphash.String(m.seed, text), offset: (len(text) - pieceSize) / 2, size: len(text), users: 1}
	var piece uint64
	for _, b := range []byte(text[f.offset : f.offset+pieceSize]) {
		piece = piece<<8 | uint64(b)
	}
	at := place{piece, f.sum}
	if i := m.index(at); i >= 0 {
		m.forms[piece][i].users++
		return at
	}
	m.forms[piece] = append(m.forms[piece], f)
	word, bit := m.bit(piece)
	m.seen[word].Or(bit)
	return at
}

func (m *Mask) index(at place) int {
	return slices.IndexFunc(m.forms[at.piece], func(f form) bool { return f.sum == at.sum })
}

func (m *Mask) bit(piece uint64) (word int, bit uint64) {
	n := piece * m.factor >> (64 - seenBits)
	return int(n / 64), 1 << (n % 64)
}

// retire lets a name stand for nothing any more.
func (m *Mask) retire(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(name)
}

// put puts what a name stands for among what is masked for a while longer. The
// caller holds mu.
func (m *Mask) put(name string) {
	old, ok := m.names[name]
	if !ok {
		return
	}
	delete(m.names, name)
	m.retired = append(m.retired, old)
	if len(m.retired) > maxRetired {
		m.forget(m.retired[0])
		m.retired = slices.Delete(m.retired, 0, 1)
	}
}

// forget takes a value's forms out, but for those that another value shares.
// The bits stay: they cost a look at most. The caller holds mu.
func (m *Mask) forget(l learned) {
	for _, at := range l.places {
		of, i := m.forms[at.piece], m.index(at)
		if of[i].users--; of[i].users > 0 {
			continue
		}
		if of = slices.Delete(of, i, i+1); len(of) > 0 {
			m.forms[at.piece] = of
		} else {
			delete(m.forms, at.piece)
		}
	}
}

// Text is the text with every secret in it replaced.
func (m *Mask) Text(text string) string {
	if m == nil || !m.some.Load() {
		return text
	}
	found := m.find(text)
	if len(found) == 0 {
		return text
	}
	var b strings.Builder
	from := 0
	for _, s := range found {
		b.WriteString(text[from:s.from])
		b.WriteString(Masked)
		from = s.to
	}
	b.WriteString(text[from:])
	return b.String()
}

// Bytes is the same for bytes. It answers text itself when nothing is in it.
func (m *Mask) Bytes(text []byte) []byte {
	if m == nil || !m.some.Load() {
		return text
	}
	whole := string(text)
	if masked := m.Text(whole); masked != whole {
		return []byte(masked)
	}
	return text
}

// Fault is an error with every secret in its texts replaced: f itself when
// nothing is in it, else one without a cause.
func (m *Mask) Fault(f *fault.Fault) *fault.Fault {
	masked := &fault.Fault{
		Kind: f.Kind, Text: m.Text(f.Text), Hint: m.Text(f.Hint), RetryAfter: f.RetryAfter, Offset: f.Offset,
		Fields: slices.Clone(f.Fields),
	}
	same := masked.Text == f.Text && masked.Hint == f.Hint
	for i := range masked.Fields {
		field := &masked.Fields[i]
		field.Pointer, field.Detail = m.Text(field.Pointer), m.Text(field.Detail)
		same = same && *field == f.Fields[i]
	}
	if same {
		return f
	}
	return masked
}

// span is a part of a text.
type span struct{ from, to int }

// find is where secrets are in a text: in order, and apart.
func (m *Mask) find(text string) []span {
	const low = 1<<(8*pieceSize) - 1
	var found []span
	var piece uint64
	budget := hashEach*len(text) + hashMore
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i := range len(text) {
		piece = (piece<<8 | uint64(text[i])) & low
		if word, bit := m.bit(piece); i < pieceSize-1 || m.seen[word].Load()&bit == 0 {
			continue
		}
		for _, f := range m.forms[piece] {
			from := i - pieceSize + 1 - f.offset
			if from < 0 || from+f.size > len(text) {
				continue
			}
			if budget -= f.size + hashTry; budget < 0 {
				return []span{{0, len(text)}}
			}
			if maphash.String(m.seed, text[from:from+f.size]) == f.sum {
				found = append(found, span{from, from + f.size})
			}
		}
	}
	return apart(found)
}

// apart puts spans in order and joins those that overlap.
func apart(all []span) []span {
	slices.SortFunc(all, func(a, b span) int { return a.from - b.from })
	joined := all[:0]
	for _, s := range all {
		if n := len(joined); n > 0 && s.from < joined[n-1].to {
			joined[n-1].to = max(joined[n-1].to, s.to)
			continue
		}
		joined = append(joined, s)
	}
	return joined
}
