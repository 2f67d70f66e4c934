package abi

import (
	"encoding/binary"
	"math"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// Append adds the encoded message to dst.
func (m *OPCUAOpen) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Endpoint)
	dst = wire.AppendString(dst, 2, m.Policy)
	dst = wire.AppendString(dst, 3, m.Mode)
	dst = wire.AppendBool(dst, 4, m.AllowInsecure)
	dst = wire.AppendString(dst, 5, m.Username)
	dst = wire.AppendString(dst, 6, m.Password)
	dst = wire.AppendString(dst, 7, m.UserCertificate)
	dst = wire.AppendString(dst, 8, m.UserKey)
	dst = wire.AppendString(dst, 9, m.Certificate)
	dst = wire.AppendString(dst, 10, m.Key)
	dst = wire.AppendString(dst, 11, m.ServerCertificate)
	dst = wire.AppendUint(dst, 12, m.OpenTimeoutMS)
	dst = wire.AppendUint(dst, 13, m.OpenRetryMS)
	dst = wire.AppendUint(dst, 14, m.SessionTimeoutMS)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUAOpen) Decode(src []byte) error {
	*m = OPCUAOpen{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Endpoint = r.Text(m.Endpoint)
		case 2<<3 | wire.Bytes:
			m.Policy = r.Text(m.Policy)
		case 3<<3 | wire.Bytes:
			m.Mode = r.Text(m.Mode)
		case 4<<3 | wire.Varint:
			m.AllowInsecure = r.Bool()
		case 5<<3 | wire.Bytes:
			m.Username = r.Text(m.Username)
		case 6<<3 | wire.Bytes:
			m.Password = r.Text(m.Password)
		case 7<<3 | wire.Bytes:
			m.UserCertificate = r.Text(m.UserCertificate)
		case 8<<3 | wire.Bytes:
			m.UserKey = r.Text(m.UserKey)
		case 9<<3 | wire.Bytes:
			m.Certificate = r.Text(m.Certificate)
		case 10<<3 | wire.Bytes:
			m.Key = r.Text(m.Key)
		case 11<<3 | wire.Bytes:
			m.ServerCertificate = r.Text(m.ServerCertificate)
		case 12<<3 | wire.Varint:
			m.OpenTimeoutMS = r.Uint()
		case 13<<3 | wire.Varint:
			m.OpenRetryMS = r.Uint()
		case 14<<3 | wire.Varint:
			m.SessionTimeoutMS = r.Uint()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUAInfo) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Policy)
	dst = wire.AppendString(dst, 2, m.Mode)
	dst = wire.AppendString(dst, 3, m.ServerCertificate)
	dst = wire.AppendString(dst, 4, m.ServerFingerprint)
	dst = wire.AppendString(dst, 5, m.Certificate)
	dst = wire.AppendString(dst, 6, m.Fingerprint)
	dst = wire.AppendString(dst, 7, m.ApplicationURI)
	for i := range m.Namespaces {
		var mark int
		dst, mark = wire.Begin(dst, 8)
		dst = wire.End(m.Namespaces[i].append(dst), mark)
	}
	dst = wire.AppendBool(dst, 9, m.Up)
	dst = wire.AppendString(dst, 10, m.Reason)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUAInfo) Decode(src []byte) error {
	*m = OPCUAInfo{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Policy = r.Text(m.Policy)
		case 2<<3 | wire.Bytes:
			m.Mode = r.Text(m.Mode)
		case 3<<3 | wire.Bytes:
			m.ServerCertificate = r.Text(m.ServerCertificate)
		case 4<<3 | wire.Bytes:
			m.ServerFingerprint = r.Text(m.ServerFingerprint)
		case 5<<3 | wire.Bytes:
			m.Certificate = r.Text(m.Certificate)
		case 6<<3 | wire.Bytes:
			m.Fingerprint = r.Text(m.Fingerprint)
		case 7<<3 | wire.Bytes:
			m.ApplicationURI = r.Text(m.ApplicationURI)
		case 8<<3 | wire.Bytes:
			m.Namespaces = append(m.Namespaces, OPCUAText{})
			r.Fail(m.Namespaces[len(m.Namespaces)-1].merge(r.Bytes()))
		case 9<<3 | wire.Varint:
			m.Up = r.Bool()
		case 10<<3 | wire.Bytes:
			m.Reason = r.Text(m.Reason)
		}
	}
	return r.Err()
}

func (m *OPCUAText) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Text)
	return dst
}

func (m *OPCUAText) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			m.Text = r.Text(m.Text)
		}
	}
	return r.Err()
}

func (m *OPCUANode) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Node)
	dst = wire.AppendUint(dst, 2, uint64(m.Attribute))
	dst = wire.AppendString(dst, 3, m.Range)
	return dst
}

func (m *OPCUANode) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Node = r.Text(m.Node)
		case 2<<3 | wire.Varint:
			m.Attribute = uint32(r.Uint())
		case 3<<3 | wire.Bytes:
			m.Range = r.Text(m.Range)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUARead) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	for i := range m.Nodes {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(m.Nodes[i].append(dst), mark)
	}
	dst = wire.AppendUint(dst, 3, m.MaxAgeMS)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUARead) Decode(src []byte) error {
	*m = OPCUARead{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Nodes = append(m.Nodes, OPCUANode{})
			r.Fail(m.Nodes[len(m.Nodes)-1].merge(r.Bytes()))
		case 3<<3 | wire.Varint:
			m.MaxAgeMS = r.Uint()
		}
	}
	return r.Err()
}

func (m *OPCUAValue) append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Item))
	dst = wire.AppendUint(dst, 2, uint64(m.Status))
	dst = wire.AppendBytes(dst, 3, m.Variant)
	dst = wire.AppendUint(dst, 4, m.SourceTicks)
	dst = wire.AppendUint(dst, 5, uint64(m.SourcePico))
	dst = wire.AppendUint(dst, 6, m.ServerTicks)
	dst = wire.AppendUint(dst, 7, uint64(m.ServerPico))
	return dst
}

func (m *OPCUAValue) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Item = uint32(r.Uint())
		case 2<<3 | wire.Varint:
			m.Status = uint32(r.Uint())
		case 3<<3 | wire.Bytes:
			m.Variant = r.Bytes()
		case 4<<3 | wire.Varint:
			m.SourceTicks = r.Uint()
		case 5<<3 | wire.Varint:
			m.SourcePico = uint32(r.Uint())
		case 6<<3 | wire.Varint:
			m.ServerTicks = r.Uint()
		case 7<<3 | wire.Varint:
			m.ServerPico = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUAValues) Append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Subscription)
	for i := range m.Values {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(m.Values[i].append(dst), mark)
	}
	return dst
}

// Decode reads the encoded message into m, whose memory for values is used again.
// Bytes in it alias src.
func (m *OPCUAValues) Decode(src []byte) error {
	*m = OPCUAValues{Values: m.Values[:0]}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Subscription = r.Text(m.Subscription)
		case 2<<3 | wire.Bytes:
			n := len(m.Values)
			if n < cap(m.Values) {
				m.Values = m.Values[:n+1]
			} else {
				m.Values = append(m.Values, OPCUAValue{})
			}
			v := &m.Values[n]
			if from, to := r.Span(); !v.plain(src, from, to) {
				*v = OPCUAValue{}
				r.Fail(v.merge(src[from:to:to]))
			}
		}
	}
	return r.Err()
}

// plain replaces *m by the value in src[at:to], if it is as append writes it: its
// fields in their order, each once. It reports false for any other, of which m may
// hold some fields then. Of servers that have much to tell this is most of what a
// guest does.
func (m *OPCUAValue) plain(src []byte, at, to int) bool {
	m.Item, m.Status, m.Variant, m.SourceTicks, m.SourcePico, m.ServerTicks, m.ServerPico = 0, 0, nil, 0, 0, 0, 0
	end := len(src) - 10 // up to there a tag and a number of nine bytes can be read
	if at <= end && src[at] == 1<<3|wire.Varint {
		v, size := wire.Number(binary.LittleEndian.Uint64(src[at+1:]))
		if size == 0 {
			return false
		}
		m.Item, at = uint32(v), at+1+size
	}
	if at <= end && src[at] == 2<<3|wire.Varint {
		v, size := wire.Number(binary.LittleEndian.Uint64(src[at+1:]))
		if size == 0 {
			return false
		}
		m.Status, at = uint32(v), at+1+size
	}
	if at <= end && src[at] == 3<<3|wire.Bytes && src[at+1] < 0x80 {
		from := at + 2
		at = from + int(src[at+1])
		if at > to {
			return false
		}
		m.Variant = src[from:at:at]
	}
	if at <= end && src[at] == 4<<3|wire.Varint {
		word := binary.LittleEndian.Uint64(src[at+1:])
		v, size := wire.Number(word)
		if size == 0 {
			if src[at+9] >= 0x80 {
				return false
			}
			v, size = wire.Long(word, src[at+9]), 9
		}
		m.SourceTicks, at = v, at+1+size
	}
	if at <= end && src[at] == 5<<3|wire.Varint {
		v, size := wire.Number(binary.LittleEndian.Uint64(src[at+1:]))
		if size == 0 {
			return false
		}
		m.SourcePico, at = uint32(v), at+1+size
	}
	if at <= end && src[at] == 6<<3|wire.Varint {
		word := binary.LittleEndian.Uint64(src[at+1:])
		v, size := wire.Number(word)
		if size == 0 {
			if src[at+9] >= 0x80 {
				return false
			}
			v, size = wire.Long(word, src[at+9]), 9
		}
		m.ServerTicks, at = v, at+1+size
	}
	return at == to // what has a server's fractions goes the other way
}

func (m *OPCUAWriteValue) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.Node)
	dst = wire.AppendUint(dst, 2, uint64(m.Attribute))
	dst = wire.AppendString(dst, 3, m.Range)
	if m.Value != nil {
		var mark int
		dst, mark = wire.Begin(dst, 4)
		dst = wire.End(m.Value.append(dst), mark)
	}
	return dst
}

func (m *OPCUAWriteValue) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.Node = r.Text(m.Node)
		case 2<<3 | wire.Varint:
			m.Attribute = uint32(r.Uint())
		case 3<<3 | wire.Bytes:
			m.Range = r.Text(m.Range)
		case 4<<3 | wire.Bytes:
			if m.Value == nil {
				m.Value = new(OPCUAValue)
			}
			r.Fail(m.Value.merge(r.Bytes()))
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUAWrite) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	for i := range m.Values {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(m.Values[i].append(dst), mark)
	}
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUAWrite) Decode(src []byte) error {
	*m = OPCUAWrite{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Values = append(m.Values, OPCUAWriteValue{})
			r.Fail(m.Values[len(m.Values)-1].merge(r.Bytes()))
		}
	}
	return r.Err()
}

func (m *OPCUAStatus) append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Code))
	return dst
}

func (m *OPCUAStatus) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Varint {
			m.Code = uint32(r.Uint())
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUAStatuses) Append(dst []byte) []byte {
	for i := range m.Statuses {
		var mark int
		dst, mark = wire.Begin(dst, 1)
		dst = wire.End(m.Statuses[i].append(dst), mark)
	}
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUAStatuses) Decode(src []byte) error {
	*m = OPCUAStatuses{}
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			m.Statuses = append(m.Statuses, OPCUAStatus{})
			r.Fail(m.Statuses[len(m.Statuses)-1].merge(r.Bytes()))
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUABrowse) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendString(dst, 2, m.Node)
	dst = wire.AppendUint(dst, 3, uint64(m.Direction))
	dst = wire.AppendString(dst, 4, m.ReferenceType)
	dst = wire.AppendBool(dst, 5, m.NoSubtypes)
	dst = wire.AppendUint(dst, 6, uint64(m.Classes))
	dst = wire.AppendUint(dst, 7, uint64(m.Max))
	dst = wire.AppendUint(dst, 8, m.Cursor)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUABrowse) Decode(src []byte) error {
	*m = OPCUABrowse{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Node = r.Text(m.Node)
		case 3<<3 | wire.Varint:
			m.Direction = uint32(r.Uint())
		case 4<<3 | wire.Bytes:
			m.ReferenceType = r.Text(m.ReferenceType)
		case 5<<3 | wire.Varint:
			m.NoSubtypes = r.Bool()
		case 6<<3 | wire.Varint:
			m.Classes = uint32(r.Uint())
		case 7<<3 | wire.Varint:
			m.Max = uint32(r.Uint())
		case 8<<3 | wire.Varint:
			m.Cursor = r.Uint()
		}
	}
	return r.Err()
}

func (m *OPCUAReference) append(dst []byte) []byte {
	dst = wire.AppendString(dst, 1, m.ReferenceType)
	dst = wire.AppendBool(dst, 2, m.Forward)
	dst = wire.AppendString(dst, 3, m.Node)
	dst = wire.AppendUint(dst, 4, uint64(m.BrowseNamespace))
	dst = wire.AppendString(dst, 5, m.BrowseName)
	dst = wire.AppendString(dst, 6, m.DisplayName)
	dst = wire.AppendString(dst, 7, m.Locale)
	dst = wire.AppendUint(dst, 8, uint64(m.Class))
	dst = wire.AppendString(dst, 9, m.TypeDefinition)
	return dst
}

func (m *OPCUAReference) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			m.ReferenceType = r.Text(m.ReferenceType)
		case 2<<3 | wire.Varint:
			m.Forward = r.Bool()
		case 3<<3 | wire.Bytes:
			m.Node = r.Text(m.Node)
		case 4<<3 | wire.Varint:
			m.BrowseNamespace = uint32(r.Uint())
		case 5<<3 | wire.Bytes:
			m.BrowseName = r.Text(m.BrowseName)
		case 6<<3 | wire.Bytes:
			m.DisplayName = r.Text(m.DisplayName)
		case 7<<3 | wire.Bytes:
			m.Locale = r.Text(m.Locale)
		case 8<<3 | wire.Varint:
			m.Class = uint32(r.Uint())
		case 9<<3 | wire.Bytes:
			m.TypeDefinition = r.Text(m.TypeDefinition)
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUABrowsePage) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Status))
	for i := range m.References {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(m.References[i].append(dst), mark)
	}
	dst = wire.AppendUint(dst, 3, m.Cursor)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUABrowsePage) Decode(src []byte) error {
	*m = OPCUABrowsePage{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Status = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.References = append(m.References, OPCUAReference{})
			r.Fail(m.References[len(m.References)-1].merge(r.Bytes()))
		case 3<<3 | wire.Varint:
			m.Cursor = r.Uint()
		}
	}
	return r.Err()
}

func (m *OPCUAVariant) append(dst []byte) []byte {
	dst = wire.AppendBytes(dst, 1, m.Variant)
	return dst
}

func (m *OPCUAVariant) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		if r.Tag() == 1<<3|wire.Bytes {
			m.Variant = r.Bytes()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUACall) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendString(dst, 2, m.Object)
	dst = wire.AppendString(dst, 3, m.Method)
	for i := range m.Arguments {
		var mark int
		dst, mark = wire.Begin(dst, 4)
		dst = wire.End(m.Arguments[i].append(dst), mark)
	}
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUACall) Decode(src []byte) error {
	*m = OPCUACall{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Object = r.Text(m.Object)
		case 3<<3 | wire.Bytes:
			m.Method = r.Text(m.Method)
		case 4<<3 | wire.Bytes:
			m.Arguments = append(m.Arguments, OPCUAVariant{})
			r.Fail(m.Arguments[len(m.Arguments)-1].merge(r.Bytes()))
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUACallResult) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Status))
	for i := range m.Inputs {
		var mark int
		dst, mark = wire.Begin(dst, 2)
		dst = wire.End(m.Inputs[i].append(dst), mark)
	}
	for i := range m.Outputs {
		var mark int
		dst, mark = wire.Begin(dst, 3)
		dst = wire.End(m.Outputs[i].append(dst), mark)
	}
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUACallResult) Decode(src []byte) error {
	*m = OPCUACallResult{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Status = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Inputs = append(m.Inputs, OPCUAStatus{})
			r.Fail(m.Inputs[len(m.Inputs)-1].merge(r.Bytes()))
		case 3<<3 | wire.Bytes:
			m.Outputs = append(m.Outputs, OPCUAVariant{})
			r.Fail(m.Outputs[len(m.Outputs)-1].merge(r.Bytes()))
		}
	}
	return r.Err()
}

func (m *OPCUAItem) append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.ID))
	dst = wire.AppendString(dst, 2, m.Node)
	dst = wire.AppendUint(dst, 3, uint64(m.Attribute))
	dst = wire.AppendString(dst, 4, m.Range)
	if m.SamplingMS != nil {
		dst = wire.AppendFixed64Always(dst, 5, math.Float64bits(*m.SamplingMS))
	}
	dst = wire.AppendUint(dst, 6, uint64(m.Queue))
	dst = wire.AppendBool(dst, 7, m.DiscardNewest)
	dst = wire.AppendUint(dst, 8, uint64(m.Trigger))
	dst = wire.AppendUint(dst, 9, uint64(m.Deadband))
	dst = wire.AppendFixed64(dst, 10, math.Float64bits(m.DeadbandValue))
	return dst
}

func (m *OPCUAItem) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.ID = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Node = r.Text(m.Node)
		case 3<<3 | wire.Varint:
			m.Attribute = uint32(r.Uint())
		case 4<<3 | wire.Bytes:
			m.Range = r.Text(m.Range)
		case 5<<3 | wire.Fixed64:
			m.SamplingMS = new(r.Double())
		case 6<<3 | wire.Varint:
			m.Queue = uint32(r.Uint())
		case 7<<3 | wire.Varint:
			m.DiscardNewest = r.Bool()
		case 8<<3 | wire.Varint:
			m.Trigger = uint32(r.Uint())
		case 9<<3 | wire.Varint:
			m.Deadband = uint32(r.Uint())
		case 10<<3 | wire.Fixed64:
			m.DeadbandValue = r.Double()
		}
	}
	return r.Err()
}

// Append adds the encoded message to dst.
func (m *OPCUASubscribe) Append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(m.Handle))
	dst = wire.AppendString(dst, 2, m.Name)
	dst = wire.AppendFixed64(dst, 3, math.Float64bits(m.IntervalMS))
	for i := range m.Items {
		var mark int
		dst, mark = wire.Begin(dst, 4)
		dst = wire.End(m.Items[i].append(dst), mark)
	}
	dst = wire.AppendBool(dst, 5, m.Remove)
	return dst
}

// Decode reads the encoded message into m. Bytes in it alias src.
func (m *OPCUASubscribe) Decode(src []byte) error {
	*m = OPCUASubscribe{}
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			m.Handle = uint32(r.Uint())
		case 2<<3 | wire.Bytes:
			m.Name = r.Text(m.Name)
		case 3<<3 | wire.Fixed64:
			m.IntervalMS = r.Double()
		case 4<<3 | wire.Bytes:
			m.Items = append(m.Items, OPCUAItem{})
			r.Fail(m.Items[len(m.Items)-1].merge(r.Bytes()))
		case 5<<3 | wire.Varint:
			m.Remove = r.Bool()
		}
	}
	return r.Err()
}
