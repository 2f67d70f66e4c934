// Package framing cuts streams of bytes into frames: by a delimiter, a fixed size,
// a length field, SLIP, or silence; on a line with noise, by what a frame begins with
// and its check, too. It holds bytes alone, no more than one frame of
// them, and knows nothing of where they come from; the groups of host functions
// that read streams import it. Whatever comes in, a Framer does not panic, and it is
// in step again after the next frame that it can tell.
package framing

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Verdict is what Next found.
type Verdict uint8

// The verdicts.
const (
	More    Verdict = iota // no frame yet, or the end of a dropped one
	Whole                  // a frame
	TooLong                // a frame beyond the bound is being dropped
	Broken                 // a frame that cannot be is being dropped
	Lost                   // nobody can tell where the next frame begins: Reset, and begin where one does
)

// Framer cuts one stream. It is used by one goroutine.
type Framer interface {
	// Next reads from in up to the end of a frame and answers the rest. Only after
	// More with no rest there is nothing left in it. The frame is valid until the
	// next call and while in is.
	Next(in []byte) (frame, rest []byte, v Verdict)
	// Pending reports whether a frame has begun, so that silence would end it.
	Pending() bool
	// Unfinished answers what there is of a frame, and forgets it; nil: nothing, or
	// the rest of a dropped one. The frame is valid until the next call.
	Unfinished() []byte
	// Silence says that the stream is quiet, and is called until it answers More:
	// where silence ends a frame that is whole, and else one that has begun is none.
	Silence() (frame []byte, v Verdict)
	// Rest is Unfinished as the stream had it: another framer goes on with it.
	Rest() []byte
	// Reset forgets an unfinished frame and reports whether there was one.
	Reset() bool
	// Encode adds data as the stream has it to dst.
	Encode(dst, data []byte) []byte
}

// The bounds of settings.
const (
	MaxDelimiter    = 16
	MaxHeader       = 64 // bytes up to the end of a length field
	defaultMaxFrame = 64 << 10
	// maxSkipped is how long a dropped frame may be by its own word: one that says
	// more has most likely not said it.
	maxSkipped = 16 << 20
)

// Normal is f in the one form of all that mean the same, with the defaults filled
// in and a bound of most bytes for a frame; nil: bytes as they come. The error is a
// fault.Invalid with pointers into f.
func Normal(f *abi.Framing, most uint32) (abi.Framing, error) {
	if f == nil {
		f = &abi.Framing{}
	}
	out := abi.Framing{Kind: f.Kind, MaxFrame: f.MaxFrame}
	if out.MaxFrame == 0 {
		out.MaxFrame = min(defaultMaxFrame, most)
	}
	if out.MaxFrame > most {
		return out, invalid("max_frame", "is %d: at most %d", out.MaxFrame, most)
	}
	switch f.Kind {
	case abi.FramingNone, abi.FramingSLIP:
	case abi.FramingDelimiter:
		out.Delimiter = f.Delimiter
		if n := len(f.Delimiter); n == 0 || n > MaxDelimiter || n >= int(out.MaxFrame) {
			return out, invalid("delimiter", "has %d bytes: want 1 to %d, and fewer than a frame", n, MaxDelimiter)
		}
	case abi.FramingFixed:
		out.Size = f.Size
		if f.Size == 0 || f.Size > out.MaxFrame {
			return out, invalid("size", "is %d: want 1 to %d", f.Size, out.MaxFrame)
		}
	case abi.FramingLength:
		return normalLength(f, out)
	case abi.FramingGap:
		if out.GapUS = f.GapUS; f.GapUS == 0 || f.GapUS > 60_000_000 {
			return out, invalid("gap_us", "is %d: want 1 to 60000000", f.GapUS)
		}
	default:
		return out, invalid("kind", "is %d, which is none of this version", f.Kind)
	}
	return out, nil
}

func normalLength(f *abi.Framing, out abi.Framing) (abi.Framing, error) {
	out.LengthOffset, out.LengthSize, out.LengthAdjust = f.LengthOffset, f.LengthSize, f.LengthAdjust
	if out.LengthSize == 0 {
		out.LengthSize = 2
	}
	out.LittleEndian = f.LittleEndian && out.LengthSize > 1
	switch {
	case out.LengthSize > 4 && out.LengthSize != 8:
		return out, invalid("length_size", "is %d: want 1, 2, 3, 4 or 8", out.LengthSize)
	case out.LengthOffset > MaxHeader-out.LengthSize || out.LengthOffset+out.LengthSize > out.MaxFrame:
		return out, invalid("length_offset", "is %d: the length field has to end in the first %d bytes", out.LengthOffset, min(MaxHeader, out.MaxFrame))
	case out.LengthAdjust > int64(out.MaxFrame) || out.LengthAdjust < -int64(out.MaxFrame):
		return out, invalid("length_adjust", "is %d: beyond a frame", out.LengthAdjust)
	}
	return out, nil
}

func invalid(field, format string, args ...any) error {
	detail := fault.New(fault.Invalid, format, args...).Text
	return fault.New(fault.Invalid, "framing: %s %s", field, detail).
		WithFields(fault.Field{Pointer: "/framing/" + field, Detail: detail})
}

// New is a framer for settings out of Normal.
func New(f abi.Framing) Framer {
	b := buffer{max: int(f.MaxFrame)}
	switch f.Kind {
	case abi.FramingDelimiter:
		return &delimited{buffer: b, delim: f.Delimiter}
	case abi.FramingFixed:
		return &fixed{buffer: b, size: int(f.Size)}
	case abi.FramingLength:
		return &counted{buffer: b, set: f}
	case abi.FramingSLIP:
		return &slip{buffer: b}
	case abi.FramingGap:
		return NewGap(int(f.MaxFrame), nil)
	default:
		return &plain{buffer: b}
	}
}
