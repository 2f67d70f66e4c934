package abi

import (
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// Append adds the encoded message to dst.
func (m *KafkaRecord) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Topic)
	dst = wire.AppendUint(dst, 2, uint64(m.Partition))
	dst = wire.AppendUint(dst, 3, m.Offset)
	dst = wire.AppendSint(dst, 4, m.Time)
	if m.Key != nil {
		dst = wire.AppendBytesAlways(dst, 5, m.Key)
	}
	if m.Value != nil {
		dst = wire.AppendBytesAlways(dst, 6, m.Value)
	}
	dst = appendHeaders(dst, 7, m.Headers)
	dst = wire.AppendBool(dst, 8, m.Pinned)
	dst = wire.AppendString(dst, 9, m.ID)
	dst = wire.AppendString(dst, 10, m.TopicID)
	return wire.AppendUint(dst, 11, uint64(m.Form))
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *KafkaRecord) Decode(src []byte) error {
	*m = KafkaRecord{}
	_, err := m.decode(src, nil, nil)
	return err
}

// decode is Decode into m, which is empty. Its headers go behind those that are in
// headers; a name that before has in the same place is not copied again.
func (m *KafkaRecord) decode(src []byte, headers, before []Header) ([]Header, error) {
	from := len(headers)
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Topic = r.Text(m.Topic)
		case 2<<3 | wire.Varint:
			m.Partition = uint32(r.Uint())
		case 3<<3 | wire.Varint:
			m.Offset = r.Uint()
		case 4<<3 | wire.Varint:
			m.Time = r.Sint()
		case 5<<3 | wire.Bytes:
			m.Key = r.Bytes()
		case 6<<3 | wire.Bytes:
			m.Value = r.Bytes()
		case 7<<3 | wire.Bytes:
			n := len(headers) - from
			if n >= MaxHeaders {
				r.Fail(tooLarge("headers", MaxHeaders))
				continue
			}
			headers = append(headers, Header{})
			if n < len(before) {
				headers[from+n].Name = before[n].Name
			}
			r.Fail(at("header", n, headers[from+n].decode(r.Bytes())))
		case 8<<3 | wire.Varint:
			m.Pinned = r.Bool()
		case 9<<3 | wire.Bytes:
			m.ID = r.Text(m.ID)
		case 10<<3 | wire.Bytes:
			m.TopicID = r.Text(m.TopicID)
		case 11<<3 | wire.Varint:
			m.Form = uint32(r.Uint())
		}
	}
	if n := len(headers); n > from {
		m.Headers = headers[from:n:n]
	}
	return headers, r.Err()
}

// Append adds the encoded message to dst.
func (m *KafkaProduce) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = appendList(dst, 2, m.Records, (*KafkaRecord).Append)
	dst = wire.AppendString(dst, 3, m.ID)
	dst = wire.AppendUint(dst, 4, m.TimeoutMS)
	dst = wire.AppendBool(dst, 5, m.Later)
	return appendList(dst, 6, m.Forms, (*KafkaForm).Append)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *KafkaProduce) Decode(src []byte) error {
	*m = KafkaProduce{}
	if n := countRecords(src); n > 0 {
		m.Records = make([]KafkaRecord, 0, n)
	}
	var headers, before []Header // of all records, and of the one before
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			if len(m.Records) >= MaxItems {
				r.Fail(tooLarge("records", MaxItems))
				continue
			}
			m.Records = append(m.Records, KafkaRecord{})
			last := len(m.Records) - 1
			var err error
			headers, err = m.Records[last].decode(r.Bytes(), headers, before)
			r.Fail(at("record", last, err))
			if before = m.Records[last].Headers; last == 0 {
				headers = slices.Grow(headers, min(len(before)*(cap(m.Records)-1), maxHeaderRoom))
			}
		case 3<<3 | wire.Bytes:
			m.ID = r.Text(m.ID)
		case 4<<3 | wire.Varint:
			m.TimeoutMS = r.Uint()
		case 5<<3 | wire.Varint:
			m.Later = r.Bool()
		case 6<<3 | wire.Bytes:
			if !hasRoom(&r, "forms", len(m.Forms), MaxItems) {
				continue
			}
			m.Forms = append(m.Forms, KafkaForm{})
			last := len(m.Forms) - 1
			r.Fail(at("form", last, m.Forms[last].Decode(r.Bytes())))
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *KafkaForm) Append(dst []byte) []byte {
	if m.Key != nil {
		dst = wire.AppendBytesAlways(dst, 1, m.Key)
	}
	return wire.AppendString(appendHeaders(dst, 2, m.Headers), 3, m.IDHeader)
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *KafkaForm) Decode(src []byte) error {
	*m = KafkaForm{}
	if len(src) > MaxKafkaForm {
		return tooLarge("bytes in a form", MaxKafkaForm)
	}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Key = r.Bytes()
		case 2<<3 | wire.Bytes:
			m.Headers = readHeader(&r, m.Headers)
		case 3<<3 | wire.Bytes:
			m.IDHeader = r.Text(m.IDHeader)
		}
	}
	return r.Err()
}

// maxHeaderRoom bounds the room that is made for headers before they are read.
const maxHeaderRoom = 4096

// countRecords is how many records a batch has at most.
func countRecords(src []byte) (n int) {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 2<<3|wire.Bytes {
			n++
		}
	}
	return min(n, MaxItems)
}

// Append adds the encoded message to dst.
func (m *KafkaResult) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Partition))
	dst = wire.AppendUint(dst, 2, m.Offset)
	dst = wire.AppendString(dst, 3, m.Code)
	dst = wire.AppendString(dst, 4, m.Text)
	dst = wire.AppendBool(dst, 5, m.Retry)
	return dst
}

// Decode reads the encoded message into m.
func (m *KafkaResult) Decode(src []byte) error {
	*m = KafkaResult{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Partition = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.Offset = r.Uint()
		case 3<<3 | wire.Bytes:
			m.Code = r.Text(m.Code)
		case 4<<3 | wire.Bytes:
			m.Text = r.Text(m.Text)
		case 5<<3 | wire.Varint:
			m.Retry = r.Bool()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *KafkaProduced) Append(dst []byte) []byte {
	dst = appendList(dst, 1, m.Results, (*KafkaResult).Append)
	return wire.AppendUint(dst, 2, m.Ticket)
}

// Decode reads the encoded message into m, whose memory it uses again.
func (m *KafkaProduced) Decode(src []byte) error {
	m.Results, m.Ticket = m.Results[:0], 0
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 2<<3|wire.Varint {
			m.Ticket = r.Uint()
		}
		if r.Tag() != 1<<3|wire.Bytes {
			continue
		}
		last := len(m.Results)
		if last >= MaxItems {
			r.Fail(tooLarge("results", MaxItems))
			continue
		}
		if last < cap(m.Results) {
			m.Results = m.Results[:last+1]
		} else {
			m.Results = append(m.Results, KafkaResult{})
		}
		r.Fail(at("result", last, m.Results[last].Decode(r.Bytes())))
	}
	return r.Err()
}
