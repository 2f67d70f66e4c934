package abi

import (
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// Append adds the encoded message to dst.
func (m *KafkaOpen) Append(dst []byte) []byte {
	dst = appendStrings(dst, 1, m.Brokers)
	dst = wire.AppendString(dst, 2, m.Topic)
	dst = wire.AppendString(dst, 3, m.Group)
	dst = wire.AppendString(dst, 4, m.Start)
	dst = wire.AppendBool(dst, 5, m.TLS)
	dst = wire.AppendString(dst, 6, m.CA)
	dst = wire.AppendString(dst, 7, m.Certificate)
	dst = wire.AppendString(dst, 8, m.Key)
	dst = wire.AppendString(dst, 9, m.ServerName)
	dst = wire.AppendString(dst, 10, m.Mechanism)
	dst = wire.AppendString(dst, 11, m.Username)
	dst = wire.AppendString(dst, 12, m.Password)
	dst = wire.AppendBool(dst, 13, m.AllowInsecure)
	dst = wire.AppendBool(dst, 14, m.ReadUncommitted)
	dst = wire.AppendString(dst, 15, m.Instance)
	dst = wire.AppendString(dst, 16, m.Compression)
	dst = wire.AppendUint(dst, 17, m.OpenTimeoutMS)
	return dst
}

// Decode reads the encoded message into m.
func (m *KafkaOpen) Decode(src []byte) error {
	*m = KafkaOpen{}
	return m.merge(src)
}

func (m *KafkaOpen) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Brokers = readString(&r, "brokers", m.Brokers)
		case 2<<3 | wire.Bytes:
			m.Topic = r.Text(m.Topic)
		case 3<<3 | wire.Bytes:
			m.Group = r.Text(m.Group)
		case 4<<3 | wire.Bytes:
			m.Start = r.Text(m.Start)
		case 5<<3 | wire.Varint:
			m.TLS = r.Bool()
		case 6<<3 | wire.Bytes:
			m.CA = r.Text(m.CA)
		case 7<<3 | wire.Bytes:
			m.Certificate = r.Text(m.Certificate)
		case 8<<3 | wire.Bytes:
			m.Key = r.Text(m.Key)
		case 9<<3 | wire.Bytes:
			m.ServerName = r.Text(m.ServerName)
		case 10<<3 | wire.Bytes:
			m.Mechanism = r.Text(m.Mechanism)
		case 11<<3 | wire.Bytes:
			m.Username = r.Text(m.Username)
		case 12<<3 | wire.Bytes:
			m.Password = r.Text(m.Password)
		case 13<<3 | wire.Varint:
			m.AllowInsecure = r.Bool()
		case 14<<3 | wire.Varint:
			m.ReadUncommitted = r.Bool()
		case 15<<3 | wire.Bytes:
			m.Instance = r.Text(m.Instance)
		case 16<<3 | wire.Bytes:
			m.Compression = r.Text(m.Compression)
		case 17<<3 | wire.Varint:
			m.OpenTimeoutMS = r.Uint()
		}
	}
	return r.Err()
}

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
	for i := range m.Records {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(m.Records[i].Append(dst), mark)
	}
	dst = wire.AppendString(dst, 3, m.ID)
	dst = wire.AppendUint(dst, 4, m.TimeoutMS)
	dst = wire.AppendBool(dst, 5, m.Later)
	for i := range m.Forms {
		var mark int
		dst, mark = wire.Begin(dst, 6)
		dst = wire.End(m.Forms[i].Append(dst), mark)
	}
	return dst
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
	for i := range m.Results {
		var mark int
		dst, mark = wire.Begin(dst, 1)
		dst = wire.End(m.Results[i].Append(dst), mark)
	}
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

// Append adds the encoded message to dst.
func (m *KafkaEnsure) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendUint(dst, 2, uint64(m.Partitions))
	dst = wire.AppendUint(dst, 3, uint64(m.Replication))
	dst = appendHeaders(dst, 4, m.Configs)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *KafkaEnsure) Decode(src []byte) error {
	*m = KafkaEnsure{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.Partitions = uint32(r.Uint())
		case 3<<3 | wire.Varint:
			m.Replication = uint32(r.Uint())
		case 4<<3 | wire.Bytes:
			m.Configs = readHeader(&r, m.Configs)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *KafkaEnsured) Append(dst []byte) []byte {
	dst = wire.AppendBool(dst, 1, m.Created)
	dst = wire.AppendUint(dst, 2, uint64(m.Partitions))
	return dst
}

// Decode reads the encoded message into m.
func (m *KafkaEnsured) Decode(src []byte) error {
	*m = KafkaEnsured{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Created = r.Bool()
		case 2<<3 | wire.Varint:
			m.Partitions = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *KafkaDelete) Append(dst []byte) []byte {
	return wire.AppendString(wire.AppendUint(dst, 1, uint64(m.Handle)), 2, m.Topic)
}

// Decode reads the encoded message into m.
func (m *KafkaDelete) Decode(src []byte) error {
	*m = KafkaDelete{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Topic = r.Text(m.Topic)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *KafkaDeleted) Append(dst []byte) []byte { return wire.AppendBool(dst, 1, m.Deleted) }

// Decode reads the encoded message into m.
func (m *KafkaDeleted) Decode(src []byte) error {
	*m = KafkaDeleted{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			m.Deleted = r.Bool()
		}
	}
	return r.Err()
}
