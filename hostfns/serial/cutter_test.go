package serial

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/framing"
)

// framings are settings of every framing, as a guest may open a port.
func framings(t testing.TB) map[string]settings {
	t.Helper()
	all := map[string]settings{}
	for name, in := range map[string]abi.SerialOpen{
		"delimited":      {Delimiter: []byte("\r\n")},
		"fixed, marked":  {Framing: abi.SerialFixed, FrameLength: 12, Start: []byte{0xaa, 0x55}, Check: abi.SerialCRC16},
		"fixed, bare":    {Framing: abi.SerialFixed, FrameLength: 8},
		"prefixed":       {Framing: abi.SerialPrefixed, LengthAt: 2, LengthSize: 1, LengthAdds: 5, Start: []byte{0xaa, 0x55}, Check: abi.SerialCRC16},
		"prefixed, bare": {Framing: abi.SerialPrefixed, LengthSize: 2, LengthLittle: true, LengthAdds: 2},
		"gap":            {Framing: abi.SerialGap},
		"SLIP":           {Framing: abi.SerialSLIP},
	} {
		in.MaxFrame = 64
		set, err := New(Config{}).settings(encoded(in))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = set
	}
	return all
}

// frameOf is a whole frame of a framing with a number in it: what a guest gets,
// and what stands on the wire.
func frameOf(set settings, number uint32) (frame, wire []byte) {
	n := binary.BigEndian.AppendUint32(nil, number|0x80c0db00)
	switch {
	case set.framing == abi.SerialDelimited:
		frame = fmt.Appendf(nil, "%d\r\n", number)
	case set.framing == abi.SerialFixed && set.layout.Check == "":
		frame = append(n, "data"...)
	case set.framing == abi.SerialFixed:
		frame = append(append([]byte{0xaa, 0x55}, n...), "data"...)
	case set.framing == abi.SerialPrefixed && set.layout.Check == "":
		frame = append([]byte{4, 0}, n...)
	case set.framing == abi.SerialPrefixed:
		frame = append([]byte{0xaa, 0x55, 4}, n...)
	default:
		frame = n
	}
	if set.layout.Check == abi.SerialCRC16 {
		frame = binary.LittleEndian.AppendUint16(frame, framing.CRC16(frame))
	}
	return frame, onWire(set, frame)
}

// needsSilence says which framings find back in step by silence alone.
func needsSilence(set settings) bool {
	return set.framing == abi.SerialGap || set.framing != abi.SerialDelimited && set.framing != abi.SerialSLIP && set.layout.Check == ""
}

// feed hands a stream in by pieces; silence follows with quiet.
func feed(c framing.Framer, in []byte, quiet bool, step func() int, found func(frame []byte)) (dropped int) {
	for len(in) > 0 {
		n := min(step(), len(in))
		piece := in[:n]
		in = in[n:]
		for {
			frame, rest, v := c.Next(piece)
			if v == framing.More && len(rest) == 0 {
				break
			}
			if piece = rest; v == framing.Whole {
				found(frame)
			} else if v != framing.More {
				dropped++
			}
		}
	}
	for quiet {
		frame, v := c.Silence()
		switch v {
		case framing.More:
			return dropped
		case framing.Whole:
			found(frame)
		default:
			dropped++
		}
	}
	return dropped
}

func TestFramesOfEveryFramingSplitAtEveryByte(t *testing.T) {
	for name, set := range framings(t) {
		quiet := set.framing == abi.SerialGap
		var want, got []string
		var wires [][]byte
		for i := range uint32(3) {
			frame, wire := frameOf(set, i)
			want, wires = append(want, string(frame)), append(wires, wire)
		}
		stream := bytes.Join(wires, nil)
		if quiet { // what silence does not end is one frame
			want = []string{strings.Join(want, "")}
		}
		for i := range len(stream) + 1 {
			for j := i; j <= len(stream); j++ {
				got = nil
				sizes := []int{i, j - i, len(stream) - j}
				step := func() int { n := sizes[0]; sizes = sizes[1:]; return n }
				dropped := feed(newCutter(set, nil), stream, quiet, step, func(f []byte) { got = append(got, string(f)) })
				if fmt.Sprintf("%q %d", got, dropped) != fmt.Sprintf("%q 0", want) {
					t.Fatalf("%s cut at %d and %d: %q, %d dropped; want %q", name, i, j, got, dropped, want)
				}
			}
		}
	}
}

// noiseBytes is how much noise each framing is put through.
func noiseBytes(t *testing.T) int {
	t.Helper()
	switch {
	case os.Getenv("SNAPRAIL_SOAK") != "":
		return 1 << 30
	case testing.Short():
		return 1 << 20
	}
	return 16 << 20
}

// Line noise, time-compressed: the frames behind it are found, all but two at
// most, and nothing grows.
func TestSoakAbuse47NoiseInEveryFraming(t *testing.T) {
	total := noiseBytes(t)
	for name, set := range framings(t) {
		t.Run(name, func(t *testing.T) {
			source := rand.NewChaCha8([32]byte{47})
			random := rand.New(source)
			c := newCutter(set, nil)
			noise := make([]byte, 16<<10)
			chunk := func() int { return 1 + random.IntN(readSize) }
			var number uint32
			worst := 0
			for fed := 0; fed < total; {
				burst := noise[:1+random.IntN(len(noise))]
				_, _ = source.Read(burst)
				feed(c, burst, needsSilence(set), chunk, func([]byte) {})
				fed += len(burst)
				const good = 5
				want := map[string]bool{}
				for range good {
					number = (number + 1) & 0xff
					frame, wire := frameOf(set, number)
					want[string(frame)] = true
					feed(c, wire, set.framing == abi.SerialGap, chunk, func(f []byte) { delete(want, string(f)) })
				}
				feed(c, nil, set.layout.Size+set.layout.Fixed > 0, chunk, func(f []byte) { delete(want, string(f)) })
				if worst = max(worst, len(want)); worst > 2 {
					t.Fatalf("%d of %d frames behind noise were not found", len(want), good)
				}
			}
			t.Logf("%d MiB of noise: at most %d frames lost behind a burst", total>>20, worst)
		})
	}
}

func TestBadFramesAreToldOnce(t *testing.T) {
	all := framings(t)
	for _, c := range []struct {
		framing, stream string
		frames, dropped int
	}{
		{"fixed, marked", "xxxx\xaa", 0, 1},
		{"SLIP", "\xc0a\xdbb\xc0\xc0ok\xc0", 1, 1},
		{"SLIP", "\xc0a\xdb\xc0ok\xc0", 1, 1},
		{"SLIP", "\xc0\xc0\xc0", 0, 0},
		{"SLIP", "\xc0" + strings.Repeat("x", 65) + "\xc0ok\xc0", 1, 1},
		{"prefixed", "\xaa\x55\xff\xaa\x55", 0, 1},
		{"prefixed, bare", "\xff\xff", 0, 1},
		{"gap", strings.Repeat("x", 65), 0, 1},
	} {
		frames := 0
		dropped := feed(newCutter(all[c.framing], nil), []byte(c.stream), false, func() int { return 1 }, func([]byte) { frames++ })
		if frames != c.frames || dropped != c.dropped {
			t.Errorf("%s, %q: %d frames and %d dropped, want %d and %d", c.framing, c.stream, frames, dropped, c.frames, c.dropped)
		}
	}
}

// What is handed over to a session that takes the port over gives the same frames.
func TestAnUnfinishedFrameGoesOnElsewhere(t *testing.T) {
	for name, set := range framings(t) {
		frame, wire := frameOf(set, 7)
		for i := range len(wire) {
			var got []string
			keep := func(f []byte) { got = append(got, string(f)) }
			all := func() int { return len(wire) }
			first, second := newCutter(set, nil), newCutter(set, nil)
			feed(first, wire[:i], false, all, keep)
			feed(second, bytes.Clone(first.Rest()), false, all, keep)
			feed(second, wire[i:], set.framing == abi.SerialGap, all, keep)
			if len(got) != 1 || got[0] != string(frame) || first.Reset() {
				t.Fatalf("%s, handed over after %d bytes: %q, want %q", name, i, got, frame)
			}
		}
	}
}

// FuzzCutters: whatever comes, no framing panics, grows, or gives frames that
// depend on how the bytes were read.
func FuzzCutters(f *testing.F) {
	f.Add([]byte("\xaa\x55\x04\xc0\xdb\xdc\xc0\r\n"), uint8(1))
	f.Add([]byte("\xc0ab\xdb\xdd\xc0\xaa\x55\xff\x00"), uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		for name, set := range framings(t) {
			var results [2]string
			for i, size := range []int{max(len(stream), 1), int(step)%7 + 1} {
				var frames []string
				dropped := feed(newCutter(set, nil), stream, true, func() int { return size }, func(f []byte) {
					if len(f) == 0 || len(f) > set.maxFrame {
						t.Fatalf("%s: a frame of %d bytes", name, len(f))
					}
					frames = append(frames, string(f))
				})
				results[i] = fmt.Sprintf("%q %d", frames, dropped)
			}
			if results[0] != results[1] {
				t.Fatalf("%s: %s at once, %s by pieces of %d", name, results[0], results[1], int(step)%7+1)
			}
		}
	})
}

// A mark in noise that announces more than comes holds up the frames behind it
// until the line is silent, and loses none of them.
func TestSilenceFindsWhatAFalseStartHeldUp(t *testing.T) {
	set := framings(t)["prefixed"]
	stream := []byte{0xaa, 0x55, 58}
	for i := range uint32(5) {
		_, wire := frameOf(set, i)
		stream = append(stream, wire...)
	}
	frames := 0
	c := newCutter(set, nil)
	feed(c, stream, false, func() int { return len(stream) }, func([]byte) { frames++ })
	if frames != 0 || !c.Pending() {
		t.Fatalf("%d frames before silence", frames)
	}
	if dropped := feed(c, nil, true, nil, func([]byte) { frames++ }); frames != 5 || dropped != 1 || c.Pending() {
		t.Errorf("%d frames and %d dropped, want 5 and 1", frames, dropped)
	}
}
