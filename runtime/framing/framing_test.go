package framing_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/framing"
)

func normal(t testing.TB, f *abi.Framing) abi.Framing {
	t.Helper()
	n, err := framing.Normal(f, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// cut feeds pieces and writes what comes out: frames quoted, verdicts by name.
func cut(f framing.Framer, pieces ...string) string {
	var words []string
	for _, p := range pieces {
		for in := []byte(p); len(in) > 0; {
			frame, rest, v := f.Next(in)
			in = rest
			switch v {
			case framing.More:
			case framing.Whole:
				words = append(words, fmt.Sprintf("%q", frame))
			case framing.TooLong:
				words = append(words, "long")
			case framing.Broken:
				words = append(words, "broken")
			case framing.Lost:
				words = append(words, "lost")
				f.Reset()
				in = nil
			}
		}
	}
	return strings.Join(words, " ")
}

func TestFrames(t *testing.T) {
	modbus := abi.Framing{Kind: abi.FramingLength, LengthOffset: 4, MaxFrame: 12}
	for _, tt := range []struct {
		name string
		set  abi.Framing
		in   []string
		want string
	}{
		{"none", abi.Framing{MaxFrame: 4}, []string{"abc", "abcdef"}, `"abc" "abcd" "ef"`},
		{"delimiter", abi.Framing{Kind: abi.FramingDelimiter, Delimiter: []byte("\r\n"), MaxFrame: 6}, []string{"a\r", "\nb\r\nc", "\r\n", "toolong\r\nd\r\n", "longer", "and longer\r", "\ne\r\n"}, `"a\r\n" "b\r\n" "c\r\n" long "d\r\n" long "e\r\n"`},
		{"fixed", abi.Framing{Kind: abi.FramingFixed, Size: 3}, []string{"a", "bcd", "efghi"}, `"abc" "def" "ghi"`},
		{"modbus", modbus, []string{"\x00\x01\x00\x00\x00\x03abc\x00\x02", "\x00\x00", "\x00", "\x01d"}, `"\x00\x01\x00\x00\x00\x03abc" "\x00\x02\x00\x00\x00\x01d"`},
		{"too long by its word", modbus, []string{"\x00\x01\x00\x00\x00\x09abc", "defghi\x00\x02\x00\x00\x00\x01d"}, `long "\x00\x02\x00\x00\x00\x01d"`},
		{"whole length, little endian", abi.Framing{Kind: abi.FramingLength, LengthSize: 4, LittleEndian: true, LengthAdjust: -4}, []string{"\x06\x00\x00\x00ab\x04\x00\x00\x00\x05\x00\x00\x00c"}, `"\x06\x00\x00\x00ab" "\x04\x00\x00\x00" "\x05\x00\x00\x00c"`},
		{"shorter than its head", abi.Framing{Kind: abi.FramingLength, LengthSize: 1, LengthAdjust: -1}, []string{"\x00abc", "\x02a"}, `lost "\x02a"`},
		{"no frame is so long", abi.Framing{Kind: abi.FramingLength, LengthSize: 8}, []string{"\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x00\x00\x00\x00\x00\x00\x01a"}, `lost "\x00\x00\x00\x00\x00\x00\x00\x01a"`},
		{"nobody waits for so much", abi.Framing{Kind: abi.FramingLength, LengthSize: 4}, []string{"\x7f\x00\x00\x00abc"}, `lost`},
		{"three bytes", abi.Framing{Kind: abi.FramingLength, LengthSize: 3}, []string{"\x00\x00\x01a"}, `"\x00\x00\x01a"`},
		{"slip", abi.Framing{Kind: abi.FramingSLIP, MaxFrame: 4}, []string{"\xc0ab\xdb", "\xdc\xdb\xdd\xc0\xc0c\xc0"}, `"ab\xc0\xdb" "c"`},
		{"slip, bad escape", abi.Framing{Kind: abi.FramingSLIP}, []string{"a\xdbxb\xc0c\xc0d\xdb\xc0e\xc0"}, `broken "c" broken "e"`},
		{"slip, too long", abi.Framing{Kind: abi.FramingSLIP, MaxFrame: 2}, []string{"abcdefg\xc0h\xc0"}, `long "h"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := cut(framing.New(normal(t, &tt.set)), tt.in...); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			// One byte at a time makes no difference, but to bytes as they come and
			// to what is thrown away with a broken frame.
			if tt.set.Kind == abi.FramingNone || strings.Contains(tt.want, "lost") {
				return
			}
			if got := cut(framing.New(normal(t, &tt.set)), strings.Split(strings.Join(tt.in, ""), "")...); got != tt.want {
				t.Errorf("byte by byte: %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestSilenceEndsAFrame(t *testing.T) {
	f := framing.New(normal(t, &abi.Framing{Kind: abi.FramingGap, GapUS: 1750, MaxFrame: 4}))
	if got := cut(f, "ab", "c"); got != "" || !f.Pending() {
		t.Errorf("before the silence: %s", got)
	}
	if got := f.Unfinished(); string(got) != "abc" || f.Pending() {
		t.Errorf("after it: %q", got)
	}
	if got := cut(f, "abcde", "f"); got != "long" || !f.Pending() || f.Unfinished() != nil || f.Pending() {
		t.Errorf("too long: %s", got)
	}
	cut(f, "ab")
	if !f.Reset() || f.Reset() || f.Unfinished() != nil {
		t.Error("Reset leaves something behind")
	}
}

// TestAnotherFramerGoesOn: what there is of a frame, as the stream had it, is all that
// another one needs, wherever the stream is cut; and what silence makes of it.
func TestAnotherFramerGoesOn(t *testing.T) {
	scan := framing.Layout{Start: "*", At: 1, Size: 1, Adds: 3, Check: abi.SerialSum8}
	for name, tt := range map[string]struct {
		fresh   func() framing.Framer
		stream  string
		frame   string
		silence string // behind all but the last byte
	}{
		"delimiter": {func() framing.Framer {
			return framing.New(normal(t, &abi.Framing{Kind: abi.FramingDelimiter, Delimiter: []byte("\r\n")}))
		}, "ab\r\n", `"ab\r\n"`, `"ab\r"`},
		"fixed":   {func() framing.Framer { return framing.New(normal(t, &abi.Framing{Kind: abi.FramingFixed, Size: 4})) }, "abcd", `"abcd"`, "broken"},
		"length":  {func() framing.Framer { return framing.New(normal(t, &abi.Framing{Kind: abi.FramingLength})) }, "\x00\x02ab", `"\x00\x02ab"`, "broken"},
		"SLIP":    {func() framing.Framer { return framing.New(normal(t, &abi.Framing{Kind: abi.FramingSLIP})) }, "\xc0a\xdb\xdc\xdb\xddb\xdb\xdc\xc0", `"a\xc0\xdbb\xc0"`, "broken"},
		"scanned": {func() framing.Framer { return framing.NewScan(scan, 64) }, "*\x02ab\xef", `"*\x02ab\xef"`, "broken"},
		"expected": {func() framing.Framer {
			return framing.NewGap(64, []abi.SerialExpect{{At: 1, Mask: 0x80, Value: 0x80, Length: 3}, {Length: 5}})
		}, "a\x03bcd", `"a\x03bcd"`, `"a\x03bc"`},
	} {
		for i := range len(tt.stream) {
			first, second := tt.fresh(), tt.fresh()
			got := cut(first, tt.stream[:i])
			got += cut(second, string(first.Rest())+tt.stream[i:])
			if got != tt.frame || first.Pending() || first.Reset() {
				t.Errorf("%s, cut after %d bytes: %s, want %s", name, i, got, tt.frame)
			}
		}
		f := tt.fresh()
		cut(f, tt.stream[:len(tt.stream)-1])
		if got := silence(f); got != tt.silence || f.Pending() {
			t.Errorf("%s, silent: %s, want %s", name, got, tt.silence)
		}
		if got := silence(f); got != "" {
			t.Errorf("%s, silent with nothing begun: %s", name, got)
		}
	}
	if _, known := framing.CheckSize("md5"); known {
		t.Error("any name is a check")
	}
}

// silence writes what silence makes of what there is.
func silence(f framing.Framer) string {
	var words []string
	for {
		frame, v := f.Silence()
		switch v {
		case framing.More:
			return strings.Join(words, " ")
		case framing.Whole:
			words = append(words, fmt.Sprintf("%q", frame))
		default:
			words = append(words, "broken")
		}
	}
}

func TestSLIPEncodes(t *testing.T) {
	f := framing.New(normal(t, &abi.Framing{Kind: abi.FramingSLIP}))
	const data = "a\xc0\xdbb"
	if got := cut(f, string(f.Encode(nil, []byte(data)))); got != fmt.Sprintf("%q", data) {
		t.Errorf("there and back: %s", got)
	}
}

func TestNormal(t *testing.T) {
	same, err := framing.Normal(&abi.Framing{Kind: abi.FramingLength, Delimiter: []byte("x"), Size: 3, GapUS: 1}, 4096)
	if want, _ := framing.Normal(&abi.Framing{Kind: abi.FramingLength, LengthSize: 2, MaxFrame: 4096}, 4096); err != nil || fmt.Sprint(same) != fmt.Sprint(want) {
		t.Errorf("%+v is not %+v, %v", same, want, err)
	}
	for _, bad := range []abi.Framing{
		{Kind: 9},
		{MaxFrame: 1 << 30},
		{Kind: abi.FramingDelimiter},
		{Kind: abi.FramingDelimiter, Delimiter: make([]byte, 17)},
		{Kind: abi.FramingDelimiter, Delimiter: []byte("ab"), MaxFrame: 2},
		{Kind: abi.FramingFixed},
		{Kind: abi.FramingFixed, Size: 5000},
		{Kind: abi.FramingLength, LengthSize: 5},
		{Kind: abi.FramingLength, LengthSize: 1 << 31},
		{Kind: abi.FramingLength, LengthOffset: 63},
		{Kind: abi.FramingLength, LengthOffset: 1<<32 - 2},
		{Kind: abi.FramingLength, LengthAdjust: 1 << 40},
		{Kind: abi.FramingLength, LengthOffset: 3, MaxFrame: 4},
		{Kind: abi.FramingGap},
		{Kind: abi.FramingGap, GapUS: 1 << 40},
	} {
		if _, err := framing.Normal(&bad, 4096); !fault.Is(err, fault.Invalid) || len(fault.Of(err).Fields) != 1 {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if n, err := framing.Normal(nil, 4096); err != nil || n.Kind != abi.FramingNone {
		t.Errorf("nil: %+v, %v", n, err)
	}
}

// FuzzFramer holds every framer to its word: no panic, frames within the bound, and
// the same frames however the stream comes in pieces.
func FuzzFramer(f *testing.F) {
	f.Add(uint8(1), uint8(8), uint8(2), int64(0), []byte("a\r\nb\r\n"), uint16(3))
	f.Add(uint8(3), uint8(12), uint8(4), int64(-2), []byte("\x00\x01\x00\x00\x00\x03abc"), uint16(1))
	f.Add(uint8(4), uint8(4), uint8(0), int64(0), []byte("\xc0a\xdb\xdcb\xc0"), uint16(2))
	f.Fuzz(func(t *testing.T, kind, most, size uint8, adjust int64, in []byte, piece uint16) {
		set, err := framing.Normal(&abi.Framing{
			Kind: abi.FramingKind(kind % 6), MaxFrame: uint32(most), Delimiter: []byte("\r\n")[:1+size%2], Size: uint32(size),
			LengthOffset: uint32(size % 7), LengthSize: uint32(size % 9), LittleEndian: size > 99, LengthAdjust: adjust, GapUS: 5,
		}, 255)
		if err != nil {
			return
		}
		whole := drain(t, framing.New(set), set, in, len(in)+1)
		if again := drain(t, framing.New(set), set, in, int(piece)+1); set.Kind != abi.FramingNone && !bytes.Equal(again, whole) {
			t.Fatalf("in pieces of %d: %q, at once %q", piece+1, again, whole)
		}
	})
}

// drain answers all frames up to where the stream is lost, each with its length in
// front.
func drain(t *testing.T, f framing.Framer, set abi.Framing, in []byte, piece int) (all []byte) {
	t.Helper()
	for len(in) > 0 {
		n := min(piece, len(in))
		part := in[:n]
		in = in[n:]
		for len(part) > 0 {
			frame, rest, v := f.Next(part)
			if len(rest) >= len(part) {
				t.Fatal("no byte was taken")
			}
			if part = rest; v == framing.Lost {
				return all
			}
			if v == framing.Whole {
				if len(frame) == 0 || len(frame) > int(set.MaxFrame) {
					t.Fatalf("a frame of %d bytes", len(frame))
				}
				all = append(append(all, byte(len(frame))), frame...)
			}
		}
	}
	return all
}
