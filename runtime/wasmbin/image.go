package wasmbin

import (
	"cmp"
	"math"
	"slices"

	"github.com/snaprail/snaprail/runtime/fault"
)

// imageSection is the custom section in which a metered module has what its
// memory starts with, in place of data segments: how many pieces there are, and
// of each how far it starts behind the end of the one before, its size and its
// bytes. Go's linker emits tens of thousands of segments for a few bytes each,
// and the runtime would keep and work out an offset for each in each instance.
const imageSection = "snaprail.data"

// imageGap is how far pieces may lie apart and still become one segment of an
// image, with zeros between them.
const imageGap = 64

// Segment is a part of what a memory starts with.
type Segment struct {
	Offset uint32
	Bytes  []byte
}

// Image is what the memory of a metered module starts with, beside its data
// segments, of which few modules keep any. The host writes it when the module
// was instantiated, before it runs anything of it, while the memory is still
// zero. A segment that does not lie inside the memory traps then, even an empty
// one. They are in ascending order and do not overlap, and what they hold is a
// copy. Its errors are faults: WasmMalformed.
func Image(metered []byte) ([]Segment, error) {
	body, found, err := Section(metered, imageSection)
	if err != nil || !found {
		return nil, err
	}
	// The bytes that are copied, with the zeros between them, are counted first.
	segments, size := 0, 0
	var stop uint64
	err = pieces(body, func(from uint64, bytes []byte) {
		if segments == 0 || from-stop > imageGap {
			segments++
		} else {
			size += int(from - stop) //nolint:gosec // at most the gap
		}
		size += len(bytes)
		stop = from + uint64(len(bytes))
	})
	if err != nil {
		return nil, err
	}
	image, room := make([]Segment, 0, segments), make([]byte, size)
	err = pieces(body, func(from uint64, bytes []byte) {
		last := len(image) - 1
		if last < 0 || from-stop > imageGap {
			image = append(image, Segment{Offset: uint32(from), Bytes: room[:0]}) //nolint:gosec // pieces has checked it
			last++
		} else {
			room = room[from-stop:]
		}
		copy(room, bytes)
		room = room[len(bytes):]
		stop = from + uint64(len(bytes))
		s := &image[last]
		s.Bytes = s.Bytes[:stop-uint64(s.Offset)]
	})
	for i, s := range image {
		image[i].Bytes = slices.Clip(s.Bytes)
	}
	return image, err
}

// pieces calls visit for each piece in the content of an image's section.
func pieces(body []byte, visit func(from uint64, bytes []byte)) error {
	c := cursor{src: body, end: len(body)}
	var stop uint64
	for range c.count("pieces of an image", MaxSegments, fault.WasmMalformed) {
		from := stop + uint64(c.u32())
		bytes := c.span("a piece of an image")
		if c.err == nil && from > math.MaxUint32 {
			c.fail(c.pos, "byte %d: a piece of an image at %d", c.pos, from)
		}
		if c.err != nil {
			break
		}
		visit(from, bytes.rest())
		stop = from + uint64(bytes.end-bytes.pos)
	}
	return c.done("an image")
}

// ordered is the data segments by their addresses, and whether they can become
// an image: the module has the memory for itself until it is instantiated,
// nothing else names them, and none lies on another, so that their order does
// not matter.
func (m *meter) ordered() ([]segment, bool) {
	if len(m.segments) == 0 || m.usesData || m.sharedMemory {
		return nil, false
	}
	all := slices.Clone(m.segments)
	slices.SortStableFunc(all, func(a, b segment) int { return cmp.Compare(a.offset, b.offset) })
	var stop uint64
	for i := range all {
		if !all[i].active || uint64(all[i].offset) < stop {
			return nil, false
		}
		stop = all[i].stop()
	}
	return all, true
}

// data writes the image, or copies the data segments.
func (w *output) data() {
	segments, ok := w.ordered()
	if !ok {
		w.copy(idData)
		return
	}
	c := w.sections[idData]
	body := text(make([]byte, 0, c.end-c.pos), imageSection)
	body = uleb(body, uint64(len(segments)))
	var stop uint64
	for i := range segments {
		s := &segments[i]
		body = uleb(body, uint64(s.offset)-stop)
		body = uleb(body, uint64(s.size()))
		body = append(body, w.src[s.data:s.end]...)
		stop = s.stop()
	}
	w.out = uleb(append(w.out, idCustom), uint64(len(body)))
	w.out = append(w.out, body...)
}
