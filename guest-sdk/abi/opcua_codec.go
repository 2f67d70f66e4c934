package abi

import (
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
	dst = appendList(dst, 8, m.Namespaces, (*OPCUAText).append)
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
