package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// decode replaces *h; a name that is the same as before is not copied again.
func (h *Header) decode(src []byte) error {
	old := h.Name
	*h = Header{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			h.Name = r.Text(old)
		case 2<<3 | wire.Bytes:
			h.Value = r.Bytes()
		}
	}
	return r.Err()
}

func appendHeaders(dst []byte, field int, headers []Header) []byte {
	for i := range headers {
		var mark int
		dst, mark = wire.Begin(dst, field)
		dst = wire.AppendString(dst, 1, headers[i].Name)
		dst = wire.AppendBytes(dst, 2, headers[i].Value)
		dst = wire.End(dst, mark)
	}
	return dst
}

// appendStrings writes the elements of a repeated field.
func appendStrings(dst []byte, field int, list []string) []byte {
	for _, s := range list {
		dst = wire.AppendStringAlways(dst, field, s)
	}
	return dst
}

// readString adds the current field of r to a short list.
func readString(r *wire.Reader, what string, list []string) []string {
	if len(list) >= MaxHeaders {
		r.Fail(tooLarge(what, MaxHeaders))
		return list
	}
	return append(list, r.Text(""))
}

// readHeader adds the current field of r to a message's headers.
func readHeader(r *wire.Reader, headers []Header) []Header {
	if len(headers) >= MaxHeaders {
		r.Fail(tooLarge("headers", MaxHeaders))
		return headers
	}
	headers = append(headers, Header{})
	last := len(headers) - 1
	r.Fail(at("header", last, headers[last].decode(r.Bytes())))
	return headers
}
