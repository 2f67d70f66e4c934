package abi

import (
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
