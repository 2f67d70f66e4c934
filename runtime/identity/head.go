package identity

import (
	"bytes"
	"strconv"
)

// encoded is the JSON of a head. Every change of a tenant writes one in its
// turn, so that it is put together by hand: its text is hexadecimal.
func (h *head) encoded() []byte {
	raw := make([]byte, 0, 256)
	raw = strconv.AppendUint(append(raw, `{"sequence":`...), h.Sequence, 10)
	if h.Hash != "" {
		raw = append(append(append(raw, `,"hash":"`...), h.Hash...), '"')
	}
	if h.From != 0 {
		raw = strconv.AppendUint(append(raw, `,"from":`...), h.From, 10)
	}
	return append(raw, '}')
}

// decode reads what encoded writes, and reports false for anything else, of
// which h then holds nothing.
func (h *head) decode(raw []byte) bool {
	var got head
	r := headReader{raw}
	ok := r.skip(`{"sequence":`) && r.number(&got.Sequence)
	if ok && r.skip(`,"hash":"`) {
		ok = r.hash(&got.Hash)
	}
	if ok && r.skip(`,"from":`) {
		ok = r.number(&got.From)
	}
	if ok = ok && string(r.rest) == "}"; ok {
		*h = got
	}
	return ok
}

type headReader struct{ rest []byte }

func (r *headReader) skip(text string) bool {
	rest, ok := bytes.CutPrefix(r.rest, []byte(text))
	r.rest = rest
	return ok
}

func (r *headReader) number(to *uint64) bool {
	n := 0
	for n < len(r.rest) && r.rest[n] >= '0' && r.rest[n] <= '9' {
		n++
	}
	v, err := strconv.ParseUint(string(r.rest[:n]), 10, 64)
	*to, r.rest = v, r.rest[n:]
	return err == nil
}

func (r *headReader) hash(to *string) bool {
	n := bytes.IndexByte(r.rest, '"')
	if n != 64 || len(bytes.Trim(r.rest[:n], "0123456789abcdef")) > 0 {
		return false
	}
	*to, r.rest = string(r.rest[:n]), r.rest[n+1:]
	return true
}
