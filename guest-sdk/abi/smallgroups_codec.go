package abi

import (
	"math"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// Append adds the encoded message to dst.
func (m RandomRead) Append(dst []byte) []byte { return wire.AppendUint(dst, 1, uint64(m.Count)) }

// Decode reads the encoded message into m.
func (m *RandomRead) Decode(src []byte) error {
	*m = RandomRead{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			m.Count = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m RandomBytes) Append(dst []byte) []byte { return wire.AppendBytes(dst, 1, m.Data) }

// Decode reads the encoded message into m. Data aliases src.
func (m *RandomBytes) Decode(src []byte) error {
	*m = RandomBytes{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			m.Data = r.Bytes()
		}
	}
	return r.Err()
}

func (m *Metric) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Name)
	dst = wire.AppendUint(dst, 2, uint64(m.Kind))
	dst = wire.AppendString(dst, 3, m.Help)
	dst = appendHeaders(dst, 4, m.Labels)
	dst = wire.AppendFixed64(dst, 5, math.Float64bits(m.Value))
	dst = wire.AppendFixed64(dst, 6, math.Float64bits(m.BucketStart))
	dst = wire.AppendFixed64(dst, 7, math.Float64bits(m.BucketFactor))
	return wire.AppendUint(dst, 8, uint64(m.BucketCount))
}

// decode replaces *m. The values of labels alias src.
func (m *Metric) decode(src []byte) error {
	*m = Metric{Labels: m.Labels[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Name = r.Text(m.Name)
		case 2<<3 | wire.Varint:
			m.Kind = MetricKind(r.Uint())
		case 3<<3 | wire.Bytes:
			m.Help = r.Text(m.Help)
		case 4<<3 | wire.Bytes:
			m.Labels = readHeader(&r, m.Labels)
		case 5<<3 | wire.Fixed64:
			m.Value = r.Double()
		case 6<<3 | wire.Fixed64:
			m.BucketStart = r.Double()
		case 7<<3 | wire.Fixed64:
			m.BucketFactor = r.Double()
		case 8<<3 | wire.Varint:
			m.BucketCount = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *MetricsRecord) Append(dst []byte) []byte {
	return appendList(dst, 1, m.Metrics, (*Metric).append)
}

// Decode reads the encoded message into m. The values of labels alias src.
func (m *MetricsRecord) Decode(src []byte) error {
	m.Metrics = m.Metrics[:0]
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() != 1<<3|wire.Bytes {
			continue
		}
		m.Metrics = readElement(&r, "metric", m.Metrics, (*Metric).decode)
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m NotifySend) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Severity))
	dst = wire.AppendString(dst, 2, m.Title)
	dst = wire.AppendString(dst, 3, m.Text)
	return wire.AppendString(dst, 4, m.Key)
}

// Decode reads the encoded message into m.
func (m *NotifySend) Decode(src []byte) error {
	*m = NotifySend{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Severity = Severity(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Title = r.Text(m.Title)
		case 3<<3 | wire.Bytes:
			m.Text = r.Text(m.Text)
		case 4<<3 | wire.Bytes:
			m.Key = r.Text(m.Key)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m FilesList) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.After)
	return wire.AppendUint(dst, 2, uint64(m.Limit))
}

// Decode reads the encoded message into m.
func (m *FilesList) Decode(src []byte) error {
	*m = FilesList{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.After = r.Text(m.After)
		case 2<<3 | wire.Varint:
			m.Limit = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m FileInfo) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Name)
	dst = wire.AppendUint(dst, 2, m.Size)
	dst = wire.AppendString(dst, 3, m.ContentType)
	return wire.AppendString(dst, 4, m.SHA256)
}

// Decode reads the encoded message into m.
func (m *FileInfo) Decode(src []byte) error {
	*m = FileInfo{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Name = r.Text(m.Name)
		case 2<<3 | wire.Varint:
			m.Size = r.Uint()
		case 3<<3 | wire.Bytes:
			m.ContentType = r.Text(m.ContentType)
		case 4<<3 | wire.Bytes:
			m.SHA256 = r.Text(m.SHA256)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *FilePage) Append(dst []byte) []byte {
	for _, f := range m.Files {
		var mark int
		dst, mark = wire.Begin(dst, 1)
		dst = wire.End(f.Append(dst), mark)
	}
	return wire.AppendBool(dst, 2, m.More)
}

// Decode reads the encoded message into m.
func (m *FilePage) Decode(src []byte) error {
	*m = FilePage{Files: m.Files[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Files = readElement(&r, "file", m.Files, (*FileInfo).Decode)
		case 2<<3 | wire.Varint:
			m.More = r.Bool()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m FilesStat) Append(dst []byte) []byte { return wire.AppendString(dst, 1, m.Name) }

// Decode reads the encoded message into m.
func (m *FilesStat) Decode(src []byte) error {
	*m = FilesStat{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			m.Name = r.Text(m.Name)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m FilesRead) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Name)
	dst = wire.AppendUint(dst, 2, m.Offset)
	return wire.AppendUint(dst, 3, uint64(m.Max))
}

// Decode reads the encoded message into m.
func (m *FilesRead) Decode(src []byte) error {
	*m = FilesRead{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Name = r.Text(m.Name)
		case 2<<3 | wire.Varint:
			m.Offset = r.Uint()
		case 3<<3 | wire.Varint:
			m.Max = uint32(r.Uint())
		}
	}
	return r.Err()
}
