// Package mask takes values that nobody may see out of texts: secrets, which
// guests and peers repeat in their errors, logs and replies.
//
// Whoever holds secrets or shows texts imports it: the rooms of the host and the
// host functions. It imports fault alone. Its invariants: it keeps no value, and
// what it knows is bounded by what it was told to hold.
package mask

import (
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/snaprail/snaprail/runtime/fault"
)

// MinSize is the length from which a value is masked, in bytes: a shorter one is
// in too many texts by chance.
const MinSize = 6

// Masked stands in a text where a secret was.
const Masked = "[masked]"

// Mask replaces secrets in texts: each value of at least MinSize
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
	forms   map[uint64][]form  // by piece
	held    map[uint64]int     // how often a value is held, by its hash
	names   map[string]learned // what names stand for: these are never given up
	retired ring               // what they stood for
	passing ring               // what nothing has ever stood for
	stale   int                // bits of seen that may stand for nothing
}

const (
	pieceSize = MinSize
	seenBits  = 15 // of the number of bits in seen
	maxStale  = 1 << 12
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

// New is a mask that knows no value yet.
func New() *Mask {
	seed := maphash.MakeSeed()
	return &Mask{
		seed: seed, factor: maphash.String(seed, "factor") | 1,
		forms: map[uint64][]form{}, held: map[uint64]int{}, names: map[string]learned{},
	}
}

// Of is a mask of these values.
func Of(values ...string) *Mask {
	m := New()
	for i, value := range values {
		m.Learn(strconv.Itoa(i), []byte(value))
	}
	return m
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
	if f == nil || m == nil || !m.some.Load() {
		return f
	}
	masked := &fault.Fault{
		Kind: f.Kind, Text: m.Text(f.Text), Hint: m.Text(f.Hint), RetryAfter: f.RetryAfter, Offset: f.Offset,
		Finer: f.Finer, Said: f.Said, Fields: slices.Clone(f.Fields),
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
