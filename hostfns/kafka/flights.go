package kafka

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxID bounds the ID of a batch or a record, in bytes.
const maxID = 256

// unheard is how many records with an ID are remembered whose end nobody has
// heard of.
const unheard = 4096

// flights are the records under way. One with an ID is known by it until somebody
// is told of its end: who asks again, in whatever batch, joins it.
type flights struct {
	mu      sync.Mutex
	byID    map[string]*flight
	missed  []*flight // ended, with an ID, and nobody waited: the oldest first
	records int       // under way
	bytes   int

	spare []flight // memory of those to come: few together, for each may stay for long

	produced, refused, joined uint64

	maxRecords, maxBytes int
}

// flight is a record under way.
type flight struct {
	id      string
	size    int
	ended   bool
	result  abi.KafkaResult
	waiting []*wait
	first   [1]*wait // memory of waiting
}

// together is how many flights share memory.
const together = 16

// wait is a call that wants the results of records.
type wait struct {
	flights []*flight
	left    int
	done    chan struct{} // closed when every record has a result
}

func newFlights(records, bytes int) *flights {
	return &flights{byID: map[string]*flight{}, maxRecords: records, maxBytes: bytes}
}

// recordID is the ID of a record of a batch; empty: it has none.
func recordID(q *abi.KafkaProduce, i int) string {
	switch {
	case q.Records[i].ID != "":
		return q.Records[i].ID
	case q.ID != "":
		return q.ID + "#" + strconv.Itoa(i)
	}
	return ""
}

// begin finds the records of a batch that are under way, and makes room for the
// others, whose places it answers: they are to be sent. nil: there is no room, and
// nothing has changed.
func (f *flights) begin(q *abi.KafkaProduce) (w *wait, send []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w = &wait{flights: make([]*flight, len(q.Records)), done: make(chan struct{})}
	bytes := 0
	for i := range q.Records {
		if known := f.byID[recordID(q, i)]; known != nil {
			w.flights[i] = known
			f.joined++
			continue
		}
		send = append(send, i)
		bytes += sizeOf(q, i)
	}
	if len(send) > 0 && f.records > 0 && (f.records+len(send) > f.maxRecords || f.bytes+bytes > f.maxBytes) {
		return nil, nil
	}
	send = slices.DeleteFunc(send, func(i int) bool { return !f.add(q, i, w) })
	for _, b := range w.flights {
		if !b.ended {
			b.waiting = append(b.waiting, w)
			w.left++
		}
	}
	if w.left == 0 {
		close(w.done)
	}
	return w, send
}

// add takes a record in; false: another one of the same batch has its ID.
func (f *flights) add(q *abi.KafkaProduce, i int, w *wait) bool {
	id := recordID(q, i)
	if twin := f.byID[id]; twin != nil && id != "" {
		w.flights[i] = twin
		return false
	}
	if len(f.spare) == 0 {
		f.spare = make([]flight, together)
	}
	b := &f.spare[0]
	f.spare = f.spare[1:]
	b.id, b.size, b.waiting = id, sizeOf(q, i), b.first[:0]
	w.flights[i] = b
	f.records++
	f.bytes += b.size
	if id != "" {
		f.byID[id] = b
	}
	return true
}

// formOf is what a record of a batch has in common with others; nil: nothing.
func formOf(q *abi.KafkaProduce, i int) *abi.KafkaForm {
	if n := q.Records[i].Form; n > 0 {
		return &q.Forms[n-1]
	}
	return nil
}

// sizeOf is what a record of a batch takes.
func sizeOf(q *abi.KafkaProduce, i int) int {
	r := &q.Records[i]
	n := len(r.Key) + len(r.Value) + 64 + sizeOfHeaders(r.Headers)
	if f := formOf(q, i); f != nil {
		n += len(f.Key) + len(f.IDHeader) + len(r.ID) + sizeOfHeaders(f.Headers)
	}
	return n
}

func sizeOfHeaders(list []abi.Header) (n int) {
	for i := range list {
		n += len(list[i].Name) + len(list[i].Value)
	}
	return n
}

// end sets the result of a record.
func (f *flights) end(b *flight, result abi.KafkaResult) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b.result, b.ended = result, true
	if result.Code == "" {
		f.produced++
	} else {
		f.refused++
	}
	f.records--
	f.bytes -= b.size
	for _, w := range b.waiting {
		if w.left--; w.left == 0 {
			close(w.done)
		}
	}
	if len(b.waiting) == 0 && b.id != "" {
		f.miss(b)
	}
	b.waiting, b.first[0] = nil, nil
}

// counts are what became of records: confirmed by all replicas, refused or given
// up, asked for again while they were under way; and how many are.
func (f *flights) counts() map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return map[string]uint64{"produced": f.produced, "refused": f.refused, "asked_again": f.joined, "under_way": uint64(max(f.records, 0))}
}

// miss remembers a record whose end nobody has heard of.
func (f *flights) miss(b *flight) {
	if f.missed = append(f.missed, b); len(f.missed) > unheard {
		f.forget(f.missed[0])
		f.missed = slices.Delete(f.missed, 0, 1)
	}
}

func (f *flights) forget(b *flight) {
	if f.byID[b.id] == b {
		delete(f.byID, b.id)
	}
}

// heard answers the results of a call, whose records are let go of.
func (f *flights) heard(w *wait) []abi.KafkaResult {
	f.mu.Lock()
	defer f.mu.Unlock()
	results := make([]abi.KafkaResult, len(w.flights))
	for i, b := range w.flights {
		results[i] = b.result
		f.forget(b)
	}
	if len(f.missed) > 0 {
		f.missed = slices.DeleteFunc(f.missed, func(b *flight) bool { return f.byID[b.id] != b })
	}
	return results
}

// leave ends a wait that came to nothing.
func (f *flights) leave(w *wait) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range w.flights {
		b.waiting = slices.DeleteFunc(b.waiting, func(o *wait) bool { return o == w })
		if b.ended && b.id != "" && f.byID[b.id] == b && !slices.Contains(f.missed, b) {
			f.miss(b)
		}
	}
}

// well reports whether all records of a call are in Kafka.
func (f *flights) well(w *wait) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !slices.ContainsFunc(w.flights, func(b *flight) bool { return !b.ended || b.result.Code != "" })
}

// drop lets go of the records of a call. When they come again, those that are in
// Kafka, or may still come there, are remembered, and the rest is not, so that it is
// sent.
func (f *flights) drop(w *wait, again bool) {
	f.mu.Lock()
	for _, b := range w.flights {
		if b.ended && (!again || b.result.Code != "") {
			f.forget(b)
		}
	}
	f.mu.Unlock()
	f.leave(w)
}

// batch is what was sent together: once all of it has ended it gives up what was not
// sent, and tells.
type batch struct {
	mu     sync.Mutex
	left   int
	cancel context.CancelFunc
	landed func() // nil: nobody asks
}

func (b *batch) ended() {
	b.mu.Lock()
	b.left--
	last := b.left == 0
	b.mu.Unlock()
	if !last {
		return
	}
	b.cancel()
	if b.landed != nil {
		b.landed()
	}
}

// checkRecords refuses a batch whose IDs are too long, or whose forms are not there.
func checkRecords(q *abi.KafkaProduce) error {
	long := len(q.ID) > maxID
	for i := range q.Records {
		long = long || len(q.Records[i].ID) > maxID
		if n := q.Records[i].Form; int64(n) > int64(len(q.Forms)) {
			return fault.New(fault.Invalid, "kafka.produce: record %d has the form %d of %d", i, n, len(q.Forms))
		}
	}
	if long {
		return fault.New(fault.Invalid, "kafka.produce: the ID of a batch or a record has at most %d bytes", maxID)
	}
	return nil
}
