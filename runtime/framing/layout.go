package framing

import (
	"encoding/binary"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Layout is what frames of a known length look like on a line with noise, where each
// byte may be the first of one. It is comparable.
type Layout struct {
	Start  string // what they begin with
	Fixed  int    // their length; 0: a field tells it
	At     int    // where that stands
	Size   int    // of the field, 1 to 4
	Little bool   // its byte order
	Adds   int64  // what the frame has beside what the field says
	Check  string // of abi: what its last bytes are
}

// CheckSize is how many bytes a check has at a frame's end; false: there is no such
// check.
func CheckSize(check string) (n int, known bool) {
	switch check {
	case "":
		return 0, true
	case abi.SerialSum8, abi.SerialXor8:
		return 1, true
	case abi.SerialCRC16:
		return 2, true
	}
	return 0, false
}

func (l *Layout) checkSize() int {
	n, _ := CheckSize(l.Check)
	return n
}

// Least is the shortest frame that there can be.
func (l *Layout) Least() int {
	if l.Fixed > 0 {
		return l.Fixed
	}
	return max(l.At+l.Size, len(l.Start)) + l.checkSize()
}

// length is how long the frame at the beginning of b is, or how many bytes have
// to be there to know that. It is false where no frame can begin.
func (l *Layout) length(b []byte, longest int) (n int, ok bool) {
	if m := min(len(b), len(l.Start)); string(b[:m]) != l.Start[:m] {
		return 0, false
	}
	switch end := l.At + l.Size; {
	case l.Fixed > 0:
		return l.Fixed, true
	case len(b) < end:
		return end, true
	default:
		total := int64(l.field(b[l.At:end])) + l.Adds
		return int(total), total >= int64(l.Least()) && total <= int64(longest)
	}
}

func (l *Layout) field(b []byte) (v uint32) {
	if l.Little {
		for _, c := range slices.Backward(b) {
			v = v<<8 | uint32(c)
		}
		return v
	}
	for _, c := range b {
		v = v<<8 | uint32(c)
	}
	return v
}

// holds reports whether a frame's check does.
func (l *Layout) holds(frame []byte) bool {
	n := len(frame) - l.checkSize()
	if n < 0 {
		return false
	}
	body, sum := frame[:n], frame[n:]
	switch l.Check {
	case abi.SerialSum8, abi.SerialXor8:
		var add, xor byte
		for _, c := range body {
			add += c
			xor ^= c
		}
		if l.Check == abi.SerialXor8 {
			return sum[0] == xor
		}
		return sum[0] == add
	case abi.SerialCRC16:
		return binary.LittleEndian.Uint16(sum) == CRC16(body)
	}
	return true
}

// CRC16 is CRC-16/MODBUS.
func CRC16(b []byte) uint16 {
	crc := uint16(0xffff)
	for _, c := range b {
		crc ^= uint16(c)
		for range 8 {
			if crc&1 == 1 {
				crc = crc>>1 ^ 0xa001
			} else {
				crc >>= 1
			}
		}
	}
	return crc
}
