// Package exchange holds the open questions of one connector: what was sent
// south and waits for replies, whoever gives them, a guest or a connector
// elsewhere. It gives each question its correlation, its deadline, its bounds
// and its one end, and refuses every reply that does not belong to one.
//
// The actor, the supervisor and what is above them import it; it knows neither
// guests nor stores. Its invariant: every question ends once, by the last
// reply, by the deadline, by a fault, or because its asker has gone.
package exchange

import (
	"container/list"
	"crypto/rand"
	"encoding/base64"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// NoReply as the correlation of a message that is to be asked says that no
// reply is wanted: an RPC or a command one way. A publish never has one.
const NoReply = "-"

// The bounds of a table whose Config does not say otherwise.
const (
	DefaultOpen     = 1024
	DefaultCredit   = 64 << 10
	DefaultPatience = 2 * time.Second

	maxMessages = 16 << 20 // bytes of messages that nobody has taken yet
	maxWaiting  = 16 << 20 // bytes of replies to open questions that nobody has read yet
	remembered  = 4096     // ended questions whose late replies are told from unknown ones
)

// Config is what a table is made of. Zero fields mean the defaults.
type Config struct {
	Open     int           // questions that may be open at once
	Credit   int           // bytes of replies that wait for the reader of one question
	Patience time.Duration // how long Answer waits for a reader that is behind
	// Pot is what all tables of a tenant may hold together; nil: one for this
	// table alone.
	Pot *Pot
	// Mask takes the tenant's secrets out of what a reply says; nil: there are
	// none. It answers its argument when there is nothing to take out.
	Mask func([]byte) []byte
	// Note takes a line for the connector's log: a reply that was refused, and
	// why. It must not block. nil: nobody reads it.
	Note func(text string)
}

func (c Config) withDefaults() Config {
	if c.Open <= 0 {
		c.Open = DefaultOpen
	}
	if c.Credit <= 0 {
		c.Credit = DefaultCredit
	}
	if c.Patience <= 0 {
		c.Patience = DefaultPatience
	}
	if c.Pot == nil {
		c.Pot = NewPot()
	}
	if c.Mask == nil {
		c.Mask = func(b []byte) []byte { return b }
	}
	if c.Note == nil {
		c.Note = func(string) {}
	}
	return c
}

// Counters add up over the life of a table.
type Counters struct {
	Open      int    `json:"open"`      // now
	Asked     uint64 `json:"asked"`     // questions and messages without a reply
	Answered  uint64 `json:"answered"`  // ended by a last reply, errors included
	Partial   uint64 `json:"partial"`   // replies before the last one
	Delivered uint64 `json:"delivered"` // messages without a reply that were handled
	Failed    uint64 `json:"failed"`    // ended by a fault of the module's or the host's
	TimedOut  uint64 `json:"timed_out"` // ended by the deadline
	GivenUp   uint64 `json:"given_up"`  // ended because the asker had gone

	Refused   uint64 `json:"refused"`        // questions that found no room
	Unknown   uint64 `json:"device_unknown"` // messages to a device that there is not
	Unasked   uint64 `json:"not_a_query"`    // replies to nothing
	Late      uint64 `json:"late_reply"`
	Ended     uint64 `json:"reply_ended"` // replies behind the last one
	Malformed uint64 `json:"invalid_message"`
	Slow      uint64 `json:"slow_reader"` // questions whose reader was too slow
}

// Table is the open questions of one connector. It is safe for use by several
// goroutines. It starts none; deadlines are timers.
type Table struct {
	cfg Config

	mu       sync.Mutex
	open     map[string]*Question // by id
	ended    map[string]*list.Element
	order    list.List // of the ended ones, oldest first
	taken    chan struct{}
	messages int // bytes
	waiting  int // bytes
	counters Counters
	notes    notes
}

// memory is what is kept of a question that has ended.
type memory struct {
	id   string
	kind fault.Kind // what a reply to it is: late, or behind the last one
}

// NewTable makes a table without questions.
func NewTable(cfg Config) *Table {
	return &Table{
		cfg: cfg.withDefaults(), open: map[string]*Question{}, ended: map[string]*list.Element{},
		taken: make(chan struct{}),
	}
}

// Ask opens a question for m and gives m its correlation, which nobody can
// guess; a publish, and a message whose correlation is NoReply, get none, and
// their question ends when they are handled. At the deadline a question ends by
// itself. m and what it refers to belong to the question from now on.
//
// fault.Exhausted: too many questions are open. fault.TooLarge: the message is
// larger than may cross.
func (t *Table) Ask(m *abi.Message, deadline time.Time) (*Question, error) {
	size := messageSize(m)
	if size > abi.MaxBatch {
		return nil, fault.New(fault.TooLarge, "a message has at most %d bytes, and this one has %d", abi.MaxBatch, size)
	}
	q := &Question{table: t, id: newID(), message: m, size: size, kind: m.Type, deadline: deadline, news: make(chan struct{}, 1), done: make(chan struct{})}
	q.replies = m.Type != abi.MessagePublish && m.Correlation != NoReply
	m.Correlation, m.Deadline = "", deadline.UnixNano()
	if q.replies {
		m.Correlation = q.id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= t.cfg.Open || t.messages+size > maxMessages {
		t.counters.Refused++
		return nil, fault.New(fault.Exhausted, "%d questions to the connector are open already", len(t.open)).WithRetryAfter(time.Second)
	}
	if !t.cfg.Pot.keep(size) {
		t.counters.Refused++
		return nil, fault.New(fault.Exhausted, "messages of %d bytes to the tenant's connectors are open already", maxPot).WithRetryAfter(time.Second)
	}
	t.counters.Asked++
	t.open[q.id], t.messages = q, t.messages+size
	q.timer = time.AfterFunc(time.Until(deadline), q.expire)
	return q, nil
}

// newID is 128 bits that nobody can guess.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func messageSize(m *abi.Message) int {
	n := len(m.Device) + len(m.Method) + len(m.ContentType) + len(m.Body) + len(m.Metadata) + len(m.Sender) + 128
	for i := range m.Headers {
		n += len(m.Headers[i].Name) + len(m.Headers[i].Value) + 8
	}
	for _, v := range m.Via {
		n += len(v) + 4
	}
	return n
}

// Counters are the table's figures.
func (t *Table) Counters() Counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counters
	c.Open = len(t.open)
	return c
}

// Unknown counts a message to a device that the connector does not have.
func (t *Table) Unknown() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counters.Unknown++
}

// FailAll ends all questions that are open with the fault: the connector is
// gone for good.
func (t *Table) FailAll(err error) {
	t.mu.Lock()
	all := make([]*Question, 0, len(t.open))
	for _, q := range t.open {
		all = append(all, q)
	}
	t.mu.Unlock()
	for _, q := range all {
		q.Fail(err)
	}
}

// close takes an ended question out and remembers what a reply to it would be.
// t.mu is held.
func (t *Table) close(q *Question, kind fault.Kind) {
	delete(t.open, q.id)
	t.messages -= q.size
	t.cfg.Pot.drop(q.size)
	t.hold(-q.bytes)
	q.message, q.size, q.bytes = nil, 0, 0
	t.read()
	q.timer.Stop()
	if !q.replies {
		return
	}
	t.ended[q.id] = t.order.PushBack(memory{q.id, kind})
	if t.order.Len() > remembered {
		oldest, _ := t.order.Remove(t.order.Front()).(memory)
		delete(t.ended, oldest.id)
	}
}

// hold changes what unread replies take of the table's room. t.mu is held.
func (t *Table) hold(by int) {
	t.waiting += by
	t.cfg.Pot.hold(by)
}

// read tells those who wait to answer that there is room again. t.mu is held.
func (t *Table) read() {
	close(t.taken)
	t.taken = make(chan struct{})
}
