package kv

import (
	"encoding/json"
	"strconv"
	"time"
)

// The bounds of a Ring.
const (
	// RingSize is how many ids it knows.
	RingSize = 128
	// MaxAnswer is how long an answer may be that it keeps, in bytes; of a longer one
	// it keeps an empty one.
	MaxAnswer = 4 << 10
)

// Ring is what was done for the last ids, so that a command which comes again is
// answered, and not carried out again. What it is told is kept with the step, beside
// the acknowledgement of the command; of a step that comes to nothing it is known as
// long as the guest lives. Of a guest that dies in the step of a command nothing is
// known: that one is carried out again, so that a step should not begin many.
//
// It takes the keys prefix/0 to prefix/127.
type Ring struct {
	prefix string
	window time.Duration
	slots  []ringSlot
}

// ringSlot is one id in the state.
type ringSlot struct {
	ID     string `json:"id"`
	At     int64  `json:"at"` // unix ms
	Answer []byte `json:"answer,omitempty"`
}

// OpenRing reads the ring that is kept under a prefix. Its ids count for the window:
// whoever sends commands may use one again later for another. With an error the ring
// works, and knows what could be read.
func OpenRing(prefix string, window time.Duration) (*Ring, error) {
	r := &Ring{prefix: prefix, window: window}
	for len(r.slots) < RingSize {
		value, found, err := Get(r.key(len(r.slots)), nil)
		if err != nil || !found {
			return r, err
		}
		var s ringSlot
		if json.Unmarshal(value, &s) != nil {
			s = ringSlot{} // somebody else's: it is overwritten in its turn
		}
		r.slots = append(r.slots, s)
	}
	return r, nil
}

func (r *Ring) key(slot int) string { return r.prefix + "/" + strconv.Itoa(slot) }

// Find is the answer for an id, if it is known.
func (r *Ring) Find(id string) (answer []byte, known bool) {
	if s := r.find(id); s != nil && time.Since(time.UnixMilli(s.At)) < r.window {
		return s.Answer, true
	}
	return nil, false
}

func (r *Ring) find(id string) *ringSlot {
	for i := range r.slots {
		if r.slots[i].ID == id && id != "" {
			return &r.slots[i]
		}
	}
	return nil
}

// Keep keeps the answer for an id, in place of the one that it had, or of the oldest
// id. With an error it is known as long as the guest lives.
func (r *Ring) Keep(id string, answer []byte) error {
	s := r.find(id)
	if s == nil {
		s = r.take()
	}
	if len(answer) > MaxAnswer {
		answer = nil
	}
	*s = ringSlot{ID: id, At: time.Now().UnixMilli(), Answer: append([]byte(nil), answer...)}
	return r.put(s)
}

// take is a slot that is free, or that of the oldest id.
func (r *Ring) take() *ringSlot {
	if len(r.slots) < RingSize {
		r.slots = append(r.slots, ringSlot{})
		return &r.slots[len(r.slots)-1]
	}
	oldest := &r.slots[0]
	for i := range r.slots {
		if r.slots[i].At < oldest.At {
			oldest = &r.slots[i]
		}
	}
	return oldest
}

// Forget makes an id unknown.
func (r *Ring) Forget(id string) error {
	s := r.find(id)
	if s == nil {
		return nil
	}
	*s = ringSlot{}
	return r.put(s)
}

func (r *Ring) put(s *ringSlot) error {
	value, err := json.Marshal(s)
	if err != nil {
		return err
	}
	for i := range r.slots {
		if s == &r.slots[i] {
			return Put(r.key(i), value)
		}
	}
	return nil
}
