package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// table holds the different strings of a batch in the order of their first
// use.
type table struct {
	entries []string
	lookup  map[string]uint32 // used beyond fewEntries

	// before is how many entries the batch before had. As long as this batch
	// has the same, in the same order, the memory behind entries holds those
	// to come; with the first that differs, before becomes 0.
	before int
}

// fewEntries is up to where a linear search is the faster one.
const fewEntries = 16

func (t *table) reset() {
	t.before = len(t.entries)
	t.entries = t.entries[:0]
	if len(t.lookup) > 0 {
		clear(t.lookup)
	}
}

// index is the place of s in the table, which grows if it must. It is likely
// to be try.
func (t *table) index(s string, try uint32) uint32 {
	if uint64(try) < uint64(len(t.entries)) && t.entries[try] == s {
		return try
	}
	n := len(t.entries)
	if n < min(t.before, fewEntries) && t.entries[:n+1][n] == s { // so it is not among those up to n
		t.entries = t.entries[:n+1]
		return uint32(n)
	}
	if n <= fewEntries {
		for i, e := range t.entries {
			if e == s {
				return uint32(i)
			}
		}
	} else if i, ok := t.lookup[s]; ok {
		return i
	}
	return t.add(s)
}

// optional is index where 0 stands for the empty string.
func (t *table) optional(s string, try uint32) uint32 {
	if s == "" {
		return 0
	}
	return t.index(s, try-1) + 1
}

func (t *table) add(s string) uint32 {
	i := uint32(len(t.entries))
	t.entries = append(t.entries, s)
	t.before = 0
	switch {
	case i < fewEntries:
	case i == fewEntries:
		if t.lookup == nil {
			t.lookup = make(map[string]uint32, 4*fewEntries)
		}
		for j, e := range t.entries {
			t.lookup[e] = uint32(j)
		}
	default:
		t.lookup[s] = i
	}
	return i
}

func (t *table) append(dst []byte, field int) []byte {
	for _, e := range t.entries {
		if len(e) < 0x80 { // AppendStringAlways without its calls
			dst = append(dst, byte(field<<3|wire.Bytes), byte(len(e)))
			dst = append(dst, e...)
		} else {
			dst = wire.AppendStringAlways(dst, field, e)
		}
	}
	return dst
}

// names is a table of a batch as it was read.
type names struct {
	// entries has an empty string before those of the table, so that an index
	// for which 0 is none is one into entries.
	entries []string
	// known holds the strings of this table and of earlier ones.
	known map[string]string
}

// The bounds of what names keeps for later batches.
const (
	maxKnown     = 1024
	maxKnownSize = 256 // bytes of one string
)

func (n *names) reset(size int) {
	if len(n.entries) == 0 {
		n.entries = append(n.entries, "")
	}
	n.entries = n.entries[:size]
}

// add takes the current field of r as the next entry. The entry of the batch
// before is tried first.
func (n *names) add(r *wire.Reader) {
	i := len(n.entries)
	if i < cap(n.entries) {
		n.entries = n.entries[:i+1]
	} else {
		n.entries = append(n.entries, "")
	}
	b := r.Bytes()
	if n.entries[i] == string(b) { // was checked when it came in
		return
	}
	if s, ok := n.known[string(b)]; ok {
		n.entries[i] = s
		return
	}
	s := r.Text("")
	n.entries[i] = s
	if len(s) > maxKnownSize || r.Err() != nil {
		return
	}
	if n.known == nil {
		n.known = make(map[string]string)
	} else if len(n.known) >= maxKnown {
		clear(n.known)
	}
	n.known[s] = s
}
