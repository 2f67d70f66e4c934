package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded request to dst.
func (q HTTPRequest) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, q.Method)
	dst = wire.AppendString(dst, 2, q.URL)
	dst = appendHeaders(dst, 3, q.Headers)
	dst = wire.AppendBytes(dst, 4, q.Body)
	dst = wire.AppendUint(dst, 5, q.TimeoutMS)
	dst = wire.AppendUint(dst, 6, uint64(q.Retries))
	if q.RetryDelayMS != nil {
		dst = wire.AppendUintAlways(dst, 7, *q.RetryDelayMS)
	}
	dst = wire.AppendString(dst, 8, q.Username)
	dst = wire.AppendString(dst, 9, q.Password)
	if q.Redirects != nil {
		dst = wire.AppendUintAlways(dst, 10, uint64(*q.Redirects))
	}
	dst = wire.AppendUint(dst, 11, q.MaxBody)
	if q.TLS == nil {
		return dst
	}
	dst, mark := wire.Begin(dst, 12)
	return wire.End(q.TLS.append(dst), mark)
}

// Decode reads the encoded request into q. Body and the values of headers alias
// src.
func (q *HTTPRequest) Decode(src []byte) error {
	*q = HTTPRequest{Headers: q.Headers[:0]}
	return q.merge(src)
}

func (q *HTTPRequest) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			q.Method = r.Text("")
		case 2<<3 | wire.Bytes:
			q.URL = r.Text("")
		case 3<<3 | wire.Bytes:
			q.Headers = readHeader(&r, q.Headers)
		case 4<<3 | wire.Bytes:
			q.Body = r.Bytes()
		case 5<<3 | wire.Varint:
			q.TimeoutMS = r.Uint()
		case 6<<3 | wire.Varint:
			q.Retries = uint32(r.Uint())
		case 7<<3 | wire.Varint:
			q.RetryDelayMS = new(r.Uint())
		case 8<<3 | wire.Bytes:
			q.Username = r.Text("")
		case 9<<3 | wire.Bytes:
			q.Password = r.Text("")
		case 10<<3 | wire.Varint:
			q.Redirects = new(uint32(r.Uint()))
		case 11<<3 | wire.Varint:
			q.MaxBody = r.Uint()
		case 12<<3 | wire.Bytes:
			if q.TLS == nil {
				q.TLS = new(HTTPTLS)
			}
			r.Fail(q.TLS.merge(r.Bytes()))
		}
	}
	return r.Err()
}

func (t *HTTPTLS) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, t.CA)
	dst = wire.AppendString(dst, 2, t.Certificate)
	dst = wire.AppendString(dst, 3, t.Key)
	return wire.AppendString(dst, 4, t.ServerName)
}

func (t *HTTPTLS) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			t.CA = r.Text(t.CA)
		case 2<<3 | wire.Bytes:
			t.Certificate = r.Text(t.Certificate)
		case 3<<3 | wire.Bytes:
			t.Key = r.Text(t.Key)
		case 4<<3 | wire.Bytes:
			t.ServerName = r.Text(t.ServerName)
		}
	}
	return r.Err()
}

// Append adds the encoded reply to dst.
func (p HTTPResponse) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(p.Status))
	dst = appendHeaders(dst, 2, p.Headers)
	dst = wire.AppendString(dst, 3, p.URL)
	dst = wire.AppendUint(dst, 4, uint64(p.Attempts))
	dst = wire.AppendBytes(dst, 5, p.Body)
	return wire.AppendUint(dst, 6, p.Rest)
}

// Decode reads the encoded reply into p. Body and the values of headers alias
// src.
func (p *HTTPResponse) Decode(src []byte) error {
	*p = HTTPResponse{Headers: p.Headers[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			p.Status = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			p.Headers = readHeader(&r, p.Headers)
		case 3<<3 | wire.Bytes:
			p.URL = r.Text("")
		case 4<<3 | wire.Varint:
			p.Attempts = uint32(r.Uint())
		case 5<<3 | wire.Bytes:
			p.Body = r.Bytes()
		case 6<<3 | wire.Varint:
			p.Rest = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded request to dst.
func (q HTTPRead) Append(dst []byte) []byte {
	return wire.AppendUint(dst, 1, uint64(q.Max))
}

// Decode reads the encoded request into q.
func (q *HTTPRead) Decode(src []byte) error {
	*q = HTTPRead{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			q.Max = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded reply to dst.
func (p HTTPPiece) Append(dst []byte) []byte {
	dst = wire.AppendBytes(dst, 1, p.Data)
	return wire.AppendUint(dst, 2, p.Rest)
}

// Decode reads the encoded reply into p. Data aliases src.
func (p *HTTPPiece) Decode(src []byte) error {
	*p = HTTPPiece{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			p.Data = r.Bytes()
		case 2<<3 | wire.Varint:
			p.Rest = r.Uint()
		}
	}
	return r.Err()
}
