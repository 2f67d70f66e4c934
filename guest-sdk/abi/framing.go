package abi

import "github.com/snaprail/snaprail/guest-sdk/abi/wire"

// Framing says how a stream of bytes is cut into frames.
type Framing struct {
	Kind      FramingKind
	Delimiter []byte // of FramingDelimiter: ends a frame, and is part of it
	Size      uint32 // of FramingFixed: the bytes of each frame
	MaxFrame  uint32 // bytes; a longer frame is dropped and told by a gap; 0: 64 KiB
	// LengthOffset is where the length field of FramingLength begins, LengthSize
	// how many bytes it has (1, 2, 3, 4 or 8; 0: 2), most significant first unless
	// LittleEndian. A frame ends so many bytes behind the field as it says, and
	// LengthAdjust more (or fewer: -6 for a field that counts the whole frame and
	// itself ends at byte 6). The field is part of the frame.
	LengthOffset uint32
	LengthSize   uint32
	LittleEndian bool
	LengthAdjust int64
	GapUS        uint64 // of FramingGap: so much silence ends a frame, in microseconds
}

// FramingKind is a way to cut a stream.
type FramingKind uint32

// The ways to cut a stream.
const (
	FramingNone      FramingKind = iota // as it comes, in pieces of any size
	FramingDelimiter                    // each frame ends with a delimiter
	FramingFixed                        // all frames have the same size
	FramingLength                       // a field in each frame says how long it is
	FramingSLIP                         // RFC 1055: frames are decoded, and encoded when written
	FramingGap                          // silence ends a frame
)

func (f *Framing) append(dst []byte) []byte {
	dst = wire.AppendUint(dst, 1, uint64(f.Kind))
	dst = wire.AppendBytes(dst, 2, f.Delimiter)
	dst = wire.AppendUint(dst, 3, uint64(f.Size))
	dst = wire.AppendUint(dst, 4, uint64(f.MaxFrame))
	dst = wire.AppendUint(dst, 5, uint64(f.LengthOffset))
	dst = wire.AppendUint(dst, 6, uint64(f.LengthSize))
	dst = wire.AppendBool(dst, 7, f.LittleEndian)
	dst = wire.AppendSint(dst, 8, f.LengthAdjust)
	return wire.AppendUint(dst, 9, f.GapUS)
}

// merge reads what is encoded over what is there. Delimiter aliases src.
func (f *Framing) merge(src []byte) error {
	r := wire.Read(src)
	for r.Next() {
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			f.Kind = FramingKind(r.Uint())
		case 2<<3 | wire.Bytes:
			f.Delimiter = r.Bytes()
		case 3<<3 | wire.Varint:
			f.Size = uint32(r.Uint())
		case 4<<3 | wire.Varint:
			f.MaxFrame = uint32(r.Uint())
		case 5<<3 | wire.Varint:
			f.LengthOffset = uint32(r.Uint())
		case 6<<3 | wire.Varint:
			f.LengthSize = uint32(r.Uint())
		case 7<<3 | wire.Varint:
			f.LittleEndian = r.Bool()
		case 8<<3 | wire.Varint:
			f.LengthAdjust = r.Sint()
		case 9<<3 | wire.Varint:
			f.GapUS = r.Uint()
		}
	}
	return r.Err()
}
