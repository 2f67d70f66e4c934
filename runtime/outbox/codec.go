package outbox

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// Blocks and snapshots are protobuf messages; Timer and DeviceChange are the
// contract's. Numbers are never reused, and unknown fields are ignored.
//
//	message Block {
//	  string connector = 1;  uint64 epoch = 2;      uint64 first = 3;
//	  sfixed64 received = 4; string module = 5;     uint64 revision = 6;
//	  uint64 count = 7;      optional bytes records = 8; optional bytes cursor = 9;
//	  repeated KV kv = 10;   repeated DeviceChange devices = 11;
//	  repeated Timer timers = 12; repeated Reject rejects = 13; bool stopped = 14;
//	  string lane = 15;
//	}
//	message KV     { string key = 1; bytes value = 2; bool delete = 3; }
//	message Reject { string device = 1; string reason = 2; bytes input = 3; uint64 of = 4; string group = 5; }

// appendBlock encodes b without its sequence, which its record carries.
func appendBlock(dst []byte, b *Block) []byte {
	dst = wire.AppendString(dst, 1, b.Connector)
	dst = wire.AppendUint(dst, 2, b.Epoch)
	dst = wire.AppendUint(dst, 3, b.First)
	dst = wire.AppendFixed64(dst, 4, uint64(b.Received))
	dst = wire.AppendString(dst, 5, b.Module)
	dst = wire.AppendUint(dst, 6, b.Revision)
	dst = wire.AppendUint(dst, 7, uint64(b.Count))
	dst = appendOptional(dst, 8, b.Records)
	dst = appendOptional(dst, 9, b.Cursor)
	var mark int
	for i := range b.KV {
		dst, mark = wire.Begin(dst, 10)
		dst = wire.AppendString(dst, 1, b.KV[i].Key)
		dst = wire.AppendBytes(dst, 2, b.KV[i].Value)
		dst = wire.End(wire.AppendBool(dst, 3, b.KV[i].Delete), mark)
	}
	for i := range b.Devices {
		dst, mark = wire.Begin(dst, 11)
		dst = wire.End(b.Devices[i].Append(dst), mark)
	}
	for i := range b.Timers {
		dst, mark = wire.Begin(dst, 12)
		dst = wire.End(b.Timers[i].Append(dst), mark)
	}
	for i := range b.Rejects {
		dst, mark = wire.Begin(dst, 13)
		dst = wire.AppendString(dst, 1, b.Rejects[i].Device)
		dst = wire.AppendString(dst, 2, b.Rejects[i].Reason)
		dst = wire.AppendBytes(dst, 3, b.Rejects[i].Input)
		dst = wire.AppendUint(dst, 4, uint64(b.Rejects[i].Of))
		dst = wire.End(wire.AppendString(dst, 5, b.Rejects[i].Group), mark)
	}
	dst = wire.AppendBool(dst, 14, b.Stopped)
	return wire.AppendString(dst, 15, b.Lane)
}

// appendOptional writes a field that may be there and empty; nil is not there.
func appendOptional(dst []byte, field int, v []byte) []byte {
	if v == nil {
		return dst
	}
	return wire.AppendBytesAlways(dst, field, v)
}

// decodeBlock replaces *b, whose slices it reuses. Bytes alias src.
func decodeBlock(src []byte, b *Block) error {
	*b = Block{
		Connector: b.Connector, Lane: b.Lane, Module: b.Module,
		KV: b.KV[:0], Devices: b.Devices[:0], Timers: b.Timers[:0], Rejects: b.Rejects[:0],
	}
	var connector, lane, module string
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			connector = r.Text(b.Connector)
		case 2<<3 | wire.Varint:
			b.Epoch = r.Uint()
		case 3<<3 | wire.Varint:
			b.First = r.Uint()
		case 4<<3 | wire.Fixed64:
			b.Received = int64(r.Uint()) //nolint:gosec // sfixed64 carries its two's complement
		case 5<<3 | wire.Bytes:
			module = r.Text(b.Module)
		case 6<<3 | wire.Varint:
			b.Revision = r.Uint()
		case 7<<3 | wire.Varint:
			b.Count = int(r.Uint()) //nolint:gosec // checked below
		case 8<<3 | wire.Bytes:
			b.Records = r.Bytes()
		case 9<<3 | wire.Bytes:
			b.Cursor = r.Bytes()
		case 14<<3 | wire.Varint:
			b.Stopped = r.Bool()
		case 15<<3 | wire.Bytes:
			lane = r.Text(b.Lane)
		default:
			decodeLists(&r, b)
		}
	}
	b.Connector, b.Lane, b.Module = connector, lane, module
	if r.Err() == nil && (b.Count < 0 || b.First+uint64(b.Count) < b.First) {
		return wire.ErrMalformed
	}
	return r.Err()
}

// decodeLists reads the current field when it is an element of a list.
func decodeLists(r *wire.Reader, b *Block) {
	switch r.Tag() {
	case 10<<3 | wire.Bytes:
		var kv KV
		r.Fail(kv.decode(r.Bytes()))
		b.KV = append(b.KV, kv)
	case 11<<3 | wire.Bytes:
		var d abi.DeviceChange
		r.Fail(d.Decode(r.Bytes()))
		b.Devices = append(b.Devices, d)
	case 12<<3 | wire.Bytes:
		var t abi.Timer
		r.Fail(t.Decode(r.Bytes()))
		b.Timers = append(b.Timers, t)
	case 13<<3 | wire.Bytes:
		var j Reject
		r.Fail(j.decode(r.Bytes()))
		b.Rejects = append(b.Rejects, j)
	}
}

func (k *KV) decode(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			k.Key = r.Text("")
		case 2<<3 | wire.Bytes:
			k.Value = r.Bytes()
		case 3<<3 | wire.Varint:
			k.Delete = r.Bool()
		}
	}
	return r.Err()
}

func (j *Reject) decode(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Bytes:
			j.Device = r.Text("")
		case 2<<3 | wire.Bytes:
			j.Reason = r.Text("")
		case 3<<3 | wire.Bytes:
			j.Input = r.Bytes()
		case 4<<3 | wire.Varint:
			j.Of = RejectOf(min(r.Uint(), 1<<8-1))
		case 5<<3 | wire.Bytes:
			j.Group = r.Text("")
		}
	}
	return r.Err()
}
