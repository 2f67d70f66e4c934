package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// A trail is a ring of MaxEvents places in a space's bucket Audit, beside a
// head that knows the last sequence. A place is written over rather than
// deleted, since what is deleted leaves a tombstone for ever, and unread: every
// change of a tenant waits for the turn in which that happens. The ids of the
// places fall as the sequence rises, so that a list begins with the newest.
const headID = "head"

// The events are chained: each carries the hash of the one before it, as that
// is stored, and the head has the hash of the last one. So the head holds all of
// them, and the oldest in the ring holds what was dropped before it.
type head struct {
	Sequence uint64 `json:"sequence"`       // of the last event
	Hash     string `json:"hash,omitempty"` // of the last event
	// From is the first event of the chain: those before it were written by a
	// server that made none.
	From uint64 `json:"from,omitempty"`
}

// digest is the hash of an event, or of a head, as it is stored.
func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// place is the id under which an event is kept.
func place(sequence uint64) string {
	return fmt.Sprintf("%05d", MaxEvents-1-sequence%MaxEvents)
}

// lap is which writing of its place an event is.
func lap(sequence uint64) uint64 { return sequence/MaxEvents + 1 }

// Append writes events to the trail of the writer's space, in one transaction
// with whatever else it writes, at its end: see store.Writer.Finally. Their
// sequence, and their time if they have none, is filled in.
func Append(w store.Writer, events ...Event) error {
	now := time.Now()
	lines := make([][]byte, len(events))
	for i, e := range events {
		if e.Time.IsZero() {
			e.Time = now
		}
		e.Sequence, e.Previous = 0, ""
		var err error
		if lines[i], err = encoded(e.bounded()); err != nil {
			return err
		}
	}
	w.Finally(func(w store.Writer) error {
		h, err := readHead(w)
		if err != nil {
			return err
		}
		for _, line := range lines {
			if err := h.append(w, line); err != nil {
				return err
			}
		}
		_, err = w.Put(store.Audit, headID, h.encoded())
		return err
	})
	return nil
}

// append writes one event behind the last one.
func (h *head) append(w store.Writer, line []byte) error {
	if h.Hash == "" && h.Sequence > 0 { // the last one knew of no chain
		last, err := w.Get(store.Audit, place(h.Sequence))
		if err != nil {
			return err
		}
		h.Hash = digest(last.Value)
	}
	h.Sequence++
	if h.From == 0 {
		h.From = h.Sequence
	}
	raw := chained(line, h.Sequence, h.Hash)
	h.Hash = digest(raw)
	return w.PutAs(store.Audit, place(h.Sequence), raw, lap(h.Sequence))
}

// unchained is how the JSON of an event begins that has no place in the chain.
const unchained = `{"sequence":0,`

// chained is the JSON of an event at its place. All else of it was encoded
// before its turn came, since everybody who writes waits for that.
func chained(line []byte, sequence uint64, previous string) []byte {
	raw := make([]byte, 0, len(line)+2*len(previous)+40)
	raw = append(raw, `{"sequence":`...)
	raw = strconv.AppendUint(raw, sequence, 10)
	raw = append(raw, ',')
	if previous != "" { // hex
		raw = append(append(append(raw, `"previous":"`...), previous...), `",`...)
	}
	return append(raw, line[len(unchained):]...)
}

// Record is Append in a transaction of its own, for what has had its own
// already.
func Record(ctx context.Context, space store.Space, e Event) error {
	return space.Update(ctx, func(w store.Writer) error { return Append(w, e) })
}

func encoded(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "audit")
	}
	return raw, nil
}

func readHead(r store.Reader) (h head, err error) {
	e, err := r.Get(store.Audit, headID)
	if fault.Is(err, fault.NotFound) {
		return h, nil
	}
	if err != nil {
		return h, err
	}
	if h.decode(e.Value) {
		return h, nil
	}
	if err := json.Unmarshal(e.Value, &h); err != nil {
		return h, fault.Wrap(fault.Integrity, err, "the head of the audit trail")
	}
	return h, nil
}

// Query says which events are wanted.
type Query struct {
	Before    uint64 // only those with a lower sequence; 0: from the newest on
	Limit     int    // at most so many
	Connector string // only of this connector, by id
	Action    string // only this action, or all of a thing: "connector"
	Since     time.Time
}

func (q Query) wants(e *Event) bool {
	return (q.Connector == "" || e.Connector == q.Connector) &&
		(q.Action == "" || string(e.Action) == q.Action || strings.HasPrefix(string(e.Action), q.Action+".")) &&
		!e.Time.Before(q.Since)
}

// maxScan bounds how many events one List looks at.
const maxScan = 2000

// List reads a trail, the newest event first. next is the Before of the next
// page, 0 after the last one. A page may hold fewer events than the limit, or
// none, and still not be the last: one call looks at 2000 events at most.
func List(r store.Reader, q Query) (list []Event, next uint64, err error) {
	h, err := readHead(r)
	if err != nil {
		return nil, 0, err
	}
	if q.Before == 0 || q.Before > h.Sequence+1 {
		q.Before = h.Sequence + 1
	}
	oldest := uint64(1)
	if h.Sequence > MaxEvents {
		oldest = h.Sequence - MaxEvents + 1
	}
	last := q.Before // the event that was looked at last
	for raw, err := range backwards(r, oldest, q.Before) {
		if err != nil {
			return nil, 0, err
		}
		if len(list) == q.Limit || q.Before-last == maxScan {
			return list, last, nil
		}
		var e Event
		if err := json.Unmarshal(raw, &e); err != nil || e.Sequence != last-1 {
			return nil, 0, fault.New(fault.Integrity, "the event %d of the audit trail cannot be read", last-1)
		}
		last = e.Sequence
		if q.wants(&e) {
			list = append(list, e)
		}
	}
	return list, 0, nil
}

// backwards yields what the places hold from before down to oldest.
func backwards(r store.Reader, oldest, before uint64) func(yield func([]byte, error) bool) {
	const page = 250
	return func(yield func([]byte, error) bool) {
		for next := before; next > oldest; {
			// The places of next-1, next-2 and so on follow each other to the end of
			// the ring, where the list starts again.
			after, n := place(next), next%MaxEvents
			if n == 0 {
				after, n = "", MaxEvents
			}
			entries, err := r.List(store.Audit, "", after, int(min(page, n, next-oldest)))
			if err == nil && len(entries) == 0 {
				err = fault.New(fault.Integrity, "the event %d of the audit trail is missing", next-1)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range entries {
				if !yield(entries[i].Value, nil) {
					return
				}
			}
			next -= uint64(len(entries))
		}
	}
}
