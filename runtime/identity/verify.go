package identity

import (
	"encoding/json"
	"fmt"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// Anchor is one event as somebody noted it outside of the server: its sequence
// and the hash that Verify gave then. Whoever can write the store can write the
// whole chain anew; they cannot change the note.
type Anchor struct {
	Sequence uint64 `json:"sequence"`
	Hash     string `json:"hash"`
}

// Verdict is what Verify found.
type Verdict struct {
	// OK says that the chain holds.
	OK bool `json:"ok"`
	// Events is how many were looked at, of those that the ring keeps.
	Events uint64 `json:"events"`
	// Unchained of them were written before there was a chain.
	Unchained uint64 `json:"unchained,omitempty"`
	// First and Head are the oldest event that is kept and the newest one. Head
	// is worth noting elsewhere: see Anchor.
	First uint64 `json:"first,omitempty"`
	Head  Anchor `json:"head"`
	// Broken is the sequence of the event where the chain does not hold, the
	// newest if there are several; 0: it is the head, the note, or nothing.
	Broken uint64 `json:"broken,omitempty"`
	// Reason says what is wrong, in a sentence.
	Reason string `json:"reason,omitempty"`
}

// Verify walks a trail from the newest event to the oldest and sees that each
// is the one that the next one names. A trail that was tampered with is a
// Verdict and no error. note is an event that was noted earlier; nil: none. One
// that the ring has dropped since can no longer be held against the trail, and
// so the verdict is not OK.
func Verify(r store.Reader, note *Anchor) (v Verdict, err error) {
	h, err := readHead(r)
	if fault.Is(err, fault.Integrity) {
		return v.broken(0, "the head of the trail cannot be read"), nil
	}
	if err != nil {
		return v, err
	}
	v.Head = Anchor{h.Sequence, h.Hash}
	if h.Sequence == 0 {
		return v.empty(r, note)
	}
	v.First = 1
	if h.Sequence > MaxEvents {
		v.First = h.Sequence - MaxEvents + 1
	}
	if note != nil && (note.Sequence > h.Sequence || note.Sequence == 0) {
		return v.broken(0, fmt.Sprintf("the event %d was noted, and the trail ends at %d", note.Sequence, h.Sequence)), nil
	}
	return v.walk(r, &h, note)
}

// walk is Verify of a trail that has events.
func (v Verdict) walk(r store.Reader, h *head, note *Anchor) (Verdict, error) {
	sequence, want := h.Sequence+1, h.Hash
	for raw, err := range backwards(r, v.First, h.Sequence+1) {
		if fault.Is(err, fault.Integrity) {
			return v.broken(sequence-1, "the event is missing or damaged"), nil
		}
		if err != nil {
			return v, err
		}
		sequence--
		v.Events++
		hash := digest(raw)
		var e Event
		switch bad := json.Unmarshal(raw, &e); {
		case bad != nil || e.Sequence != sequence:
			return v.broken(sequence, "the event is not the one that belongs here"), nil
		case note != nil && note.Sequence == sequence && note.Hash != hash:
			return v.broken(sequence, "the event is not the one that was noted"), nil
		case sequence+1 < h.From || h.From == 0: // neither it nor the next one knew of a chain
			v.Unchained++
			continue
		case hash != want:
			return v.broken(sequence, "the event was changed after it was written"), nil
		case sequence < h.From:
			v.Unchained++
		}
		want = e.Previous
	}
	if sequence != v.First {
		return v.broken(sequence-1, "the event is missing"), nil
	}
	// What the oldest one names is what was dropped before it.
	if note != nil && note.Sequence < v.First && (note.Sequence+1 < v.First || note.Hash != want) {
		return v.dropped(note), nil
	}
	v.OK = true
	return v, nil
}

// dropped is the verdict on a trail that holds, and that a note says nothing
// about: its event is not kept, and it is not the one that the oldest one names.
func (v Verdict) dropped(note *Anchor) Verdict {
	if note.Sequence+1 == v.First {
		return v.broken(note.Sequence, "the event is not the one that was noted")
	}
	return v.broken(0, fmt.Sprintf("the event %d was noted and is not kept any more: the oldest one is %d", note.Sequence, v.First))
}

// empty is the verdict on a trail without a head: it must hold nothing.
func (v Verdict) empty(r store.Reader, note *Anchor) (Verdict, error) {
	some, err := r.List(store.Audit, "", "", 1)
	switch {
	case err != nil:
		return v, err
	case len(some) > 0:
		return v.broken(0, "the head of the trail is missing"), nil
	case note != nil:
		return v.broken(0, fmt.Sprintf("the event %d was noted, and the trail is empty", note.Sequence)), nil
	}
	v.OK = true
	return v, nil
}

func (v Verdict) broken(sequence uint64, reason string) Verdict {
	v.OK, v.Broken, v.Reason = false, sequence, reason
	return v
}
