package serial

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// layout is what frames of a known length look like. It is comparable.
type layout struct {
	start  string // what they begin with
	fixed  int    // their length; 0: a field tells it
	at     int    // where that stands
	size   int
	little bool
	adds   int64
	check  string
}

// checkSize is how many bytes a check has at a frame's end.
var checkSize = map[string]int{"": 0, abi.SerialSum8: 1, abi.SerialXor8: 1, abi.SerialCRC16: 2} //nolint:gochecknoglobals // a table

// least is the shortest frame that there can be.
func (l *layout) least() int {
	if l.fixed > 0 {
		return l.fixed
	}
	return max(l.at+l.size, len(l.start)) + checkSize[l.check]
}

// length is how long the frame at the beginning of b is, or how many bytes have
// to be there to know that. It is false where no frame can begin.
func (l *layout) length(b []byte, longest int) (n int, ok bool) {
	if m := min(len(b), len(l.start)); string(b[:m]) != l.start[:m] {
		return 0, false
	}
	switch end := l.at + l.size; {
	case l.fixed > 0:
		return l.fixed, true
	case len(b) < end:
		return end, true
	default:
		total := int64(l.field(b[l.at:end])) + l.adds
		return int(total), total >= int64(l.least()) && total <= int64(longest)
	}
}

func (l *layout) field(b []byte) (v uint32) {
	if l.little {
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
func (l *layout) holds(frame []byte) bool {
	n := len(frame) - checkSize[l.check]
	if n < 0 {
		return false
	}
	body, sum := frame[:n], frame[n:]
	switch l.check {
	case abi.SerialSum8, abi.SerialXor8:
		var add, xor byte
		for _, c := range body {
			add += c
			xor ^= c
		}
		if l.check == abi.SerialXor8 {
			return sum[0] == xor
		}
		return sum[0] == add
	case abi.SerialCRC16:
		return binary.LittleEndian.Uint16(sum) == crc16(body)
	}
	return true
}

// crc16 is CRC-16/MODBUS.
func crc16(b []byte) uint16 {
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

// lengthFramer cuts frames of a known length. Where one turns out to be none it
// begins anew at the next byte, so that what stands behind noise is found.
type lengthFramer struct {
	layout layout
	max    int
	part   []byte
	from   int  // part before it is done with
	astray bool // bytes have been dropped since the last frame, and it was told
}

func (f *lengthFramer) next(in []byte) (frame, rest []byte, v verdict) {
	if len(in) > 0 {
		f.part, f.from = f.part[:copy(f.part, f.part[f.from:])], 0
		f.part = append(f.part, in...)
	}
	frame, v = f.scan()
	return frame, nil, v
}

func (f *lengthFramer) scan() (frame []byte, v verdict) {
	for {
		have := f.part[f.from:]
		if len(have) == 0 {
			return nil, more
		}
		n, ok := f.layout.length(have, f.max)
		switch {
		case ok && len(have) < n:
			return nil, more
		case ok && f.layout.holds(have[:n]):
			f.from += n
			f.astray = false
			return have[:n], whole
		}
		if f.drop() {
			return nil, broken
		}
	}
}

// drop drops the first byte, and those behind it that begin no frame. It reports
// whether that has to be told.
func (f *lengthFramer) drop() bool {
	f.from++
	if f.layout.start != "" {
		if i := bytes.IndexByte(f.part[f.from:], f.layout.start[0]); i >= 0 {
			f.from += i
		} else {
			f.from = len(f.part)
		}
	}
	tell := !f.astray
	f.astray = true
	return tell
}

// silence gives up a frame that has begun: what stands in it may be whole.
func (f *lengthFramer) silence() (frame []byte, v verdict) {
	for {
		if frame, v = f.scan(); v != more || f.idle() {
			return frame, v
		}
		if f.drop() {
			return nil, broken
		}
	}
}

func (f *lengthFramer) idle() bool { return f.from == len(f.part) }

func (f *lengthFramer) reset() bool {
	had := !f.idle()
	f.part, f.from, f.astray = f.part[:0], 0, false
	return had
}

func (f *lengthFramer) unfinished() []byte {
	rest := f.part[f.from:]
	f.reset()
	return rest
}
