package abi_test

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// TestReadsWhatGeneratedCodeWrites draws messages, lets the oracle write
// them, reads them, writes them again and lets the oracle read that. In half
// of the cases fields of another version, and fields out of order, are mixed
// in.
func TestReadsWhatGeneratedCodeWrites(t *testing.T) {
	o := newOracle(t)
	for name, fresh := range messages() {
		t.Run(name, func(t *testing.T) {
			m := fresh() // decoded into again and again
			rapid.Check(t, func(rt *rapid.T) {
				drawn := drawMessage(rt, o.message(t, name))
				src := must(proto.MarshalOptions{AllowPartial: true}.Marshal(drawn))
				if rapid.Bool().Draw(rt, "disturb") {
					src = disturb(rt, src)
				}
				o.compare(t, rt, name, m, src)
			})
		})
	}
}

// TestMergesLikeGeneratedCode feeds two messages one after the other, which
// protobuf defines as their merge.
func TestMergesLikeGeneratedCode(t *testing.T) {
	o := newOracle(t)
	for name, fresh := range messages() {
		if name == "Batch" || name == "Outcome" { // indexes cannot be merged
			continue
		}
		t.Run(name, func(t *testing.T) {
			m := fresh()
			rapid.Check(t, func(rt *rapid.T) {
				md := o.message(t, name)
				src := must(proto.Marshal(drawMessage(rt, md)))
				src = append(src, must(proto.Marshal(drawMessage(rt, md)))...)
				o.compare(t, rt, name, m, src)
			})
		})
	}
}

// TestEmbeddedFieldsMayComeTwice writes all fields inside embedded messages
// twice: the last scalar wins, elements add up.
func TestEmbeddedFieldsMayComeTwice(t *testing.T) {
	o := newOracle(t)
	for name, fresh := range messages() {
		if name == "DeliverInput" { // a part with two batches is refused
			continue
		}
		t.Run(name, func(t *testing.T) {
			m, md := fresh(), o.message(t, name)
			rapid.Check(t, func(rt *rapid.T) {
				src := must(proto.Marshal(drawMessage(rt, md)))
				o.compare(t, rt, name, m, doubleInside(md, src))
			})
		})
	}
}

// doubleInside doubles the content of the messages embedded in src.
func doubleInside(md protoreflect.MessageDescriptor, src []byte) (out []byte) {
	for len(src) > 0 {
		number, typ, n := protowire.ConsumeField(src)
		field := src[:n]
		src = src[n:]
		if inner := md.Fields().ByNumber(number); inner.Message() != nil {
			_, _, tag := protowire.ConsumeTag(field)
			content, _ := protowire.ConsumeBytes(field[tag:])
			content = doubleInside(inner.Message(), content)
			field = protowire.AppendBytes(protowire.AppendTag(nil, number, typ), slices.Concat(content, content))
		}
		out = append(out, field...)
	}
	return out
}

// compare fails unless m reads from src what the oracle reads, and the oracle
// reads from m's encoding the same again.
func (o *oracle) compare(t testing.TB, rt *rapid.T, name string, m message, src []byte) {
	t.Helper()
	theirs, err := o.decode(t, name, src)
	if err != nil {
		rt.Fatalf("the oracle refuses its own: %v", err)
	}
	want, ok := plain(theirs)
	if !ok {
		rt.Fatal("drawn with an index outside its table")
	}
	if err := m.Decode(src); err != nil {
		rt.Fatalf("%x: %v", src, err)
	}
	if got := o.plainOf(t, name, m); !reflect.DeepEqual(got, want) {
		rt.Fatalf("%x\n got %v\nwant %v", src, got, want)
	}
	o.compareWritten(t, rt, name, m, want)
}

func (o *oracle) compareWritten(t testing.TB, f fataler, name string, m message, want map[string]any) {
	t.Helper()
	written := m.Append(nil)
	again, err := o.decode(t, name, written)
	if err != nil {
		f.Fatalf("the oracle refuses what we wrote: %x: %v", written, err)
	}
	if len(again.GetUnknown()) > 0 {
		f.Fatalf("we wrote fields that the proto lacks: %x", again.GetUnknown())
	}
	if got, _ := plain(again); !reflect.DeepEqual(got, want) {
		f.Fatalf("after writing %x\n got %v\nwant %v", written, got, want)
	}
}

type fataler interface {
	Fatalf(format string, args ...any)
}

// drawMessage draws a message with any fields. Indexes stay inside tables,
// because what others mean is not defined.
func drawMessage(rt *rapid.T, md protoreflect.MessageDescriptor) *dynamicpb.Message {
	m := dynamicpb.NewMessage(md)
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if rapid.IntRange(0, 3).Draw(rt, "set "+string(fd.Name())) == 0 {
			continue
		}
		if fd.IsList() {
			for range rapid.IntRange(1, 3).Draw(rt, "len") {
				m.Mutable(fd).List().Append(drawField(rt, fd))
			}
			continue
		}
		m.Set(fd, drawField(rt, fd))
	}
	if md.Name() == "Batch" {
		keepInside(m)
	}
	return m
}

func drawField(rt *rapid.T, fd protoreflect.FieldDescriptor) protoreflect.Value {
	label := string(fd.Name())
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return protoreflect.ValueOfMessage(drawMessage(rt, fd.Message()))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(rt, label))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.StringN(0, 20, 200).Draw(rt, label))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(rt, label))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(rt, label))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(rt, label))
	case protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(rt, label))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rapid.Float64().Draw(rt, label))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32().Draw(rt, label)))
	default:
		rt.Fatalf("no way to draw %s", fd.Kind())
		return protoreflect.Value{}
	}
}

// keepInside brings the indexes of a batch into its tables, which get an
// entry when they have none.
func keepInside(batch *dynamicpb.Message) {
	fields := batch.Descriptor().Fields()
	size := func(name protoreflect.Name) uint64 {
		l := batch.Mutable(fields.ByName(name)).List()
		if l.Len() == 0 {
			l.Append(protoreflect.ValueOfString("only"))
		}
		return uint64(l.Len())
	}
	limit := func(m protoreflect.Message, name protoreflect.Name, n uint64) {
		fd := m.Descriptor().Fields().ByName(name)
		m.Set(fd, protoreflect.ValueOfUint32(uint32(m.Get(fd).Uint()%n)))
	}
	devices, types, names := size("devices"), size("content_types"), size("names")
	records := batch.Get(fields.ByName("records")).List()
	for i := range records.Len() {
		r := records.Get(i).Message()
		limit(r, "device", devices)
		limit(r, "content_type", types+1)
		points := r.Get(r.Descriptor().Fields().ByName("points")).List()
		for j := range points.Len() {
			limit(points.Get(j).Message(), "name", names)
			limit(points.Get(j).Message(), "unit", names+1)
		}
	}
}

// disturb mixes unknown fields, and known numbers with other wire types, into
// the fields of a message, and moves the first field to the end. The result
// says the same.
func disturb(rt *rapid.T, src []byte) []byte {
	var fields [][]byte
	for len(src) > 0 {
		_, _, n := protowire.ConsumeField(src)
		fields = append(fields, src[:n])
		src = src[n:]
	}
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1<<63)
	unknown = protowire.AppendFixed32(protowire.AppendTag(unknown, 1, protowire.Fixed32Type), 7)
	unknown = protowire.AppendFixed64(protowire.AppendTag(unknown, 2000, protowire.Fixed64Type), 7)
	unknown = protowire.AppendBytes(protowire.AppendTag(unknown, 1<<29-1, protowire.BytesType), []byte{0xff})
	fields = slices.Insert(fields, rapid.IntRange(0, len(fields)).Draw(rt, "at"), unknown)
	if number, _, _ := protowire.ConsumeTag(fields[0]); isScattered(fields, number) {
		fields = append(fields[1:], fields[0])
	}
	return bytes.Join(fields, nil)
}

// isScattered reports whether moving a field of this number changes nothing
// of what the message says: it occurs once, or is the unknown one.
func isScattered(fields [][]byte, number protowire.Number) bool {
	n := 0
	for _, f := range fields {
		if g, _, _ := protowire.ConsumeTag(f); g == number {
			n++
		}
	}
	return n == 1
}

func TestRefusesGarbage(t *testing.T) {
	for name, fresh := range messages() {
		t.Run(name, func(t *testing.T) {
			for _, src := range []string{
				"\x00",        // field number 0
				"\x08",        // a number without a value
				"\x08\x80",    // half a number
				"\x0a\x05abc", // longer than the input
				"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // far longer
				"\x0b\x0c", // a group
				"\x0e",     // wire type 6
				"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", // a tag of 11 bytes
				"\xf8\xff\xff\xff\x1f\x00",                     // a field number of 30 bits
			} {
				m := fresh()
				if err := m.Decode([]byte(src)); !errors.Is(err, abi.ErrMalformed) {
					t.Errorf("%q: %v, want ErrMalformed", src, err)
				}
			}
		})
	}
}

// TestRefusesTextThatIsNotUTF8 puts such a string into each string field.
func TestRefusesTextThatIsNotUTF8(t *testing.T) {
	o := newOracle(t)
	const broken = "\xff\xfe"
	for name, fresh := range messages() {
		fields := o.message(t, name).Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			if fd.Kind() != protoreflect.StringKind {
				continue
			}
			src := protowire.AppendTag(nil, fd.Number(), protowire.BytesType)
			src = protowire.AppendString(src, broken)
			m := fresh()
			for range 2 { // what a fault left behind must not let the next pass
				if err := m.Decode(src); !errors.Is(err, abi.ErrMalformed) {
					t.Errorf("%s.%s: %v, want ErrMalformed", name, fd.Name(), err)
				}
			}
		}
	}
}

// TestDecodeForgetsTheMessageBefore decodes an empty message over a full one.
func TestDecodeForgetsTheMessageBefore(t *testing.T) {
	o := newOracle(t)
	for _, name := range slices.Sorted(maps.Keys(messages())) {
		m := messages()[name]()
		rapid.Check(t, func(rt *rapid.T) {
			src := must(proto.Marshal(drawMessage(rt, o.message(t, name))))
			if err := m.Decode(src); err != nil {
				rt.Fatal(err)
			}
			if err := m.Decode(nil); err != nil {
				rt.Fatal(err)
			}
			if left := o.plainOf(t, name, m); len(left) > 0 {
				rt.Fatalf("%s: left over: %v", name, left)
			}
		})
	}
}
