package framing

import (
	"bytes"
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

// NewScan is a framer of frames of a layout, of at most so many bytes. Where one
// turns out to be none it begins anew at the next byte, so that what stands behind
// noise is found; a framer of New says that it is Lost instead, for a stream that
// brings what was sent or nothing.
func NewScan(l Layout, most int) Framer { return &scanned{layout: l, max: most} }

type scanned struct {
	layout Layout
	max    int
	part   []byte
	from   int  // part before it is done with
	astray bool // bytes have been dropped since the last frame, and that was told
}

// Next implements Framer.
func (f *scanned) Next(in []byte) (frame, rest []byte, v Verdict) {
	if len(in) > 0 {
		f.part, f.from = f.part[:copy(f.part, f.part[f.from:])], 0
		f.part = append(f.part, in...)
	}
	frame, v = f.scan()
	return frame, nil, v
}

func (f *scanned) scan() (frame []byte, v Verdict) {
	for {
		have := f.part[f.from:]
		if len(have) == 0 {
			return nil, More
		}
		n, ok := f.layout.length(have, f.max)
		switch {
		case ok && len(have) < n:
			return nil, More
		case ok && f.layout.holds(have[:n]):
			f.from += n
			f.astray = false
			return have[:n], Whole
		}
		if f.drop() {
			return nil, Broken
		}
	}
}

// drop drops the first byte, and those behind it that begin no frame. It reports
// whether that has to be told.
func (f *scanned) drop() bool {
	f.from++
	if f.layout.Start != "" {
		if i := bytes.IndexByte(f.part[f.from:], f.layout.Start[0]); i >= 0 {
			f.from += i
		} else {
			f.from = len(f.part)
		}
	}
	tell := !f.astray
	f.astray = true
	return tell
}

// Silence gives up a frame that has begun: what stands in it may be whole.
func (f *scanned) Silence() (frame []byte, v Verdict) {
	for {
		if frame, v = f.scan(); v != More || f.idle() {
			return frame, v
		}
		if f.drop() {
			return nil, Broken
		}
	}
}

func (f *scanned) idle() bool { return f.from == len(f.part) }

// Reset implements Framer.
func (f *scanned) Reset() bool {
	had := !f.idle()
	f.part, f.from, f.astray = f.part[:0], 0, false
	return had
}

// Unfinished implements Framer.
func (f *scanned) Unfinished() []byte {
	rest := f.part[f.from:]
	if !f.Reset() {
		return nil
	}
	return rest
}

// Rest implements Framer.
func (f *scanned) Rest() []byte { return f.Unfinished() }

// Pending implements Framer.
func (f *scanned) Pending() bool { return !f.idle() }

// Encode implements Framer: the guest has made the whole frame.
func (*scanned) Encode(dst, data []byte) []byte { return append(dst, data...) }
