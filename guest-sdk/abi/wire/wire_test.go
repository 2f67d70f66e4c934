package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/snaprail/snaprail/guest-sdk/abi/wire"
)

// TestWritesLikeProtowire holds each Append function to protobuf's own.
func TestWritesLikeProtowire(t *testing.T) {
	field := func(n protowire.Number, typ protowire.Type, value []byte) []byte {
		return append(protowire.AppendTag(nil, n, typ), value...)
	}
	for _, n := range []int{1, 15, 16, 2047, 2048, 1<<29 - 1} {
		num := protowire.Number(n)
		for _, v := range []uint64{0, 1, 127, 128, 1 << 32, math.MaxUint64} {
			want := field(num, protowire.VarintType, protowire.AppendVarint(nil, v))
			same(t, wire.AppendUintAlways(nil, n, v), want)
			same(t, wire.AppendUint(nil, n, v), unless(v == 0, want))
			want = field(num, protowire.VarintType, protowire.AppendVarint(nil, protowire.EncodeZigZag(int64(v))))
			same(t, wire.AppendSint(nil, n, int64(v)), unless(v == 0, want))
			want = field(num, protowire.Fixed64Type, protowire.AppendFixed64(nil, v))
			same(t, wire.AppendFixed64Always(nil, n, v), want)
			same(t, wire.AppendFixed64(nil, n, v), unless(v == 0, want))
		}
		for _, v := range []string{"", "a", strings.Repeat("b", 127), strings.Repeat("c", 300)} {
			want := field(num, protowire.BytesType, protowire.AppendString(nil, v))
			same(t, wire.AppendStringAlways(nil, n, v), want)
			same(t, wire.AppendString(nil, n, v), unless(v == "", want))
			same(t, wire.AppendBytesAlways(nil, n, []byte(v)), want)
			same(t, wire.AppendBytes(nil, n, []byte(v)), unless(v == "", want))
		}
		same(t, wire.AppendBool(nil, n, true), field(num, protowire.VarintType, []byte{1}))
		same(t, wire.AppendBool(nil, n, false), nil)
	}
}

func unless(empty bool, b []byte) []byte {
	if empty {
		return nil
	}
	return b
}

func same(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("wrote %x, want %x", got, want)
	}
}

// TestVarintsOfAllLengths holds the ways by words to protowire's loops, with
// and without bytes behind the number.
func TestVarintsOfAllLengths(t *testing.T) {
	for bit := range 64 {
		for _, v := range []uint64{1 << bit, 1<<bit - 1, 1<<bit | 1, 0x5555_5555_5555_5555 >> bit, math.MaxUint64 >> bit} {
			want := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), v)
			same(t, wire.AppendUintAlways(nil, 1, v), want)
			same(t, wire.AppendUintAlways(make([]byte, 0, 64), 1, v), want)
			if v < wire.MaxWord {
				word, size := wire.Word(1<<3|wire.Varint, v)
				same(t, binary.LittleEndian.AppendUint64(nil, word), append(want, make([]byte, 8-size)...))
			}
			for behind := range 10 {
				r := wire.Read(append(bytes.Clone(want), "\x10\x00\x10\x00\x10\x00\x10\x00\x10\x00"[:behind&^1]...))
				if !r.Next() || r.Uint() != v || len(r.Bytes()) != 0 {
					t.Errorf("%d was read as %d, %v", v, r.Uint(), r.Err())
				}
			}
		}
	}
}

// TestEmbeddedMessages goes over the sizes at which the length grows by a
// byte, nested, and behind bytes that must stay.
func TestEmbeddedMessages(t *testing.T) {
	for _, size := range []int{0, 1, 100, 127, 128, 129, 16383, 16384, 1<<21 - 1, 1 << 21} {
		body := bytes.Repeat([]byte{'x'}, size)
		inner := append(protowire.AppendTag(nil, 3, protowire.BytesType), protowire.AppendBytes(nil, body)...)
		want := append([]byte("before"), protowire.AppendTag(nil, 2, protowire.BytesType)...)
		want = protowire.AppendBytes(want, inner)

		got, outer := wire.Begin([]byte("before"), 2)
		got, mark := wire.Begin(got, 3)
		got = wire.End(append(got, body...), mark)
		got = wire.End(got, outer)
		if !bytes.Equal(got, want) {
			t.Errorf("a body of %d bytes came out as %d bytes, want %d", size, len(got), len(want))
		}
	}
}

func TestZigzag(t *testing.T) {
	for _, v := range []int64{0, 1, -1, 63, -64, math.MaxInt64, math.MinInt64} {
		if got := wire.Zigzag(v); got != protowire.EncodeZigZag(v) || wire.Unzigzag(got) != v {
			t.Errorf("%d became %d", v, got)
		}
	}
}

func TestReaderReadsAllFields(t *testing.T) {
	src := wire.AppendUint(nil, 1, 300)
	src = wire.AppendSint(src, 2, -5)
	src = wire.AppendBool(src, 3, true)
	src = wire.AppendFixed64(src, 4, math.Float64bits(-0.5))
	src = append(wire.AppendTag(src, 5, wire.Fixed32), 1, 0, 0, 0x80)
	src = wire.AppendString(src, 6, "text")
	src = wire.AppendBytesAlways(src, 1<<29-1, nil)
	seen := 0
	r := wire.Read(src)
	for r.Next() {
		seen++
		ok := false
		switch r.Tag() {
		case 1<<3 | wire.Varint:
			ok = r.Uint() == 300
		case 2<<3 | wire.Varint:
			ok = r.Sint() == -5
		case 3<<3 | wire.Varint:
			ok = r.Bool()
		case 4<<3 | wire.Fixed64:
			ok = r.Double() == -0.5
		case 5<<3 | wire.Fixed32:
			ok = r.Uint() == 0x80000001
		case 6<<3 | wire.Bytes:
			ok = r.Text("") == "text" && string(r.Bytes()) == "text"
		case (1<<29-1)<<3 | wire.Bytes:
			ok = r.Bytes() != nil && len(r.Bytes()) == 0 // empty, not absent
		}
		if !ok {
			t.Errorf("field %d, type %d: wrong", r.Tag()>>3, r.Tag()&7)
		}
	}
	if r.Err() != nil || seen != 7 {
		t.Errorf("%d fields, %v", seen, r.Err())
	}
}

func TestBytesCannotGrowIntoTheNextField(t *testing.T) {
	src := wire.AppendString(wire.AppendString(nil, 1, "a"), 2, "b")
	want := bytes.Clone(src)
	r := wire.Read(src)
	r.Next()
	_ = append(r.Bytes(), "overwritten"...)
	if !bytes.Equal(src, want) {
		t.Errorf("the input became %x", src)
	}
}

func TestTextIsACopyOrTheOldOne(t *testing.T) {
	src := wire.AppendString(nil, 1, "name")
	r := wire.Read(src)
	r.Next()
	text := r.Text("")
	old := text
	if n := testing.AllocsPerRun(10, func() { text = r.Text(old) }); n != 0 || text != "name" {
		t.Errorf("a known text is copied %v times: %q", n, text)
	}
	clear(src)
	if text != "name" {
		t.Errorf("the text changed with the input: %q", text)
	}
}

func TestTextThatIsNotUTF8(t *testing.T) {
	const broken = "\xff"
	src := wire.AppendUint(wire.AppendString(nil, 1, broken), 2, 1)
	r := wire.Read(src)
	r.Next()
	if got := r.Text(broken); got != "" || r.Next() || !errors.Is(r.Err(), wire.ErrMalformed) {
		t.Errorf("%q, %v", got, r.Err())
	}
}

func TestTheFirstFaultStays(t *testing.T) {
	first := errors.New("first")
	r := wire.Read([]byte{0x08, 0x01, 0x00})
	r.Next()
	r.Fail(nil)
	if r.Err() != nil {
		t.Errorf("nil became the fault %v", r.Err())
	}
	r.Fail(first)
	r.Fail(errors.New("second"))
	if r.Next() || !errors.Is(r.Err(), first) {
		t.Errorf("the fault became %v", r.Err())
	}
}

func TestZeroReaderIsEmpty(t *testing.T) {
	var r wire.Reader
	if r.Next() || r.Err() != nil {
		t.Errorf("a field, or %v", r.Err())
	}
}

// FuzzReader compares the walk with protowire's on any bytes.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"", "\x08\x01", "\x08\x80\x01\x12\x01a\x19........\x25....", "\x0b\x0c", "\x00",
		"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\xf8\xff\xff\xff\x0f\x00", "\xf8\xff\xff\xff\x1f\x00",
		"\x88\x80\x80\x80\x80\x80\x80\x80\x80\x00\x01", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		rest := src
		r := wire.Read(src)
		for r.Next() {
			rest = compareField(t, &r, rest)
		}
		if r.Err() == nil && len(rest) > 0 {
			t.Fatalf("stopped before %x", rest)
		}
		if r.Err() == nil {
			return
		}
		number, typ, n := protowire.ConsumeField(rest)
		isGroup := typ == protowire.StartGroupType
		if n >= 0 && number <= protowire.MaxValidNumber && !isGroup {
			t.Fatalf("refused field %d of type %d in %x", number, typ, rest)
		}
	})
}

// compareField reads the reader's current field from rest, and returns what
// follows.
func compareField(t *testing.T, r *wire.Reader, rest []byte) []byte {
	t.Helper()
	number, typ, n := protowire.ConsumeTag(rest)
	if n < 0 || number > protowire.MaxValidNumber {
		t.Fatalf("accepted a tag that protowire refuses in %x", rest)
	}
	if r.Tag() != wire.Tag(number)<<3|wire.Tag(typ) {
		t.Fatalf("tag %d, want field %d of type %d", r.Tag(), number, typ)
	}
	rest = rest[n:]
	ok := false
	switch typ {
	case protowire.VarintType:
		var v uint64
		v, n = protowire.ConsumeVarint(rest)
		ok = v == r.Uint()
	case protowire.Fixed64Type:
		var v uint64
		v, n = protowire.ConsumeFixed64(rest)
		ok = v == r.Uint()
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(rest)
		ok = uint64(v) == r.Uint()
	case protowire.BytesType:
		var v []byte
		v, n = protowire.ConsumeBytes(rest)
		ok = bytes.Equal(v, r.Bytes())
	default: // groups, which the reader refuses
	}
	if n < 0 || !ok {
		t.Fatalf("field %d of type %d: another value in %x", number, typ, rest)
	}
	return rest[n:]
}

func BenchmarkReader(b *testing.B) {
	var src []byte
	for range 100 {
		src = wire.AppendUint(src, 1, 7)
		src = wire.AppendSint(src, 2, 1_000_000)
		src = wire.AppendString(src, 3, "payload")
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		r := wire.Read(src)
		for r.Next() {
		}
		if r.Err() != nil {
			b.Fatal(r.Err())
		}
	}
}
