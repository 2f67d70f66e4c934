package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Append adds the encoded error to dst.
func (e *Error) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(e.Kind))
	dst = wire.AppendString(dst, 2, e.Code)
	dst = wire.AppendString(dst, 3, e.Text)
	dst = wire.AppendString(dst, 4, e.Hint)
	dst = wire.AppendUint(dst, 5, e.RetryAfterMS)
	dst = wire.AppendString(dst, 6, e.Template)
	dst = appendStrings(dst, 7, e.Parameters)
	return wire.AppendString(dst, 8, e.Finer)
}

// Decode reads an encoded error into e.
func (e *Error) Decode(src []byte) error {
	*e = Error{}
	return e.merge(src)
}

func (e *Error) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			e.Kind = FaultKind(r.Uint())
		case 2<<3 | wire.Bytes:
			e.Code = r.Text(e.Code)
		case 3<<3 | wire.Bytes:
			e.Text = r.Text(e.Text)
		case 4<<3 | wire.Bytes:
			e.Hint = r.Text(e.Hint)
		case 5<<3 | wire.Varint:
			e.RetryAfterMS = r.Uint()
		case 6<<3 | wire.Bytes:
			e.Template = r.Text(e.Template)
		case 7<<3 | wire.Bytes:
			e.Parameters = readString(&r, "parameters", e.Parameters)
		case 8<<3 | wire.Bytes:
			e.Finer = r.Text(e.Finer)
		}
	}
	return r.Err()
}

// readError merges the current field of r into e, which is made if it is nil.
func readError(r *wire.Reader, e *Error) *Error {
	if e == nil {
		e = new(Error)
	}
	r.Fail(e.merge(r.Bytes()))
	return e
}

func appendError(dst []byte, field int, e *Error) []byte {
	if e == nil {
		return dst
	}
	dst, mark := wire.Begin(dst, field)
	return wire.End(e.Append(dst), mark)
}
