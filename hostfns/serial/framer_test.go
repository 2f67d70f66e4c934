package serial

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/framing"
)

func lineFramer(delim string, limit int) framing.Framer {
	return newCutter(settings{delimiter: delim, maxFrame: limit}, nil)
}

// cut feeds the parts to a fresh framer.
func cut(delim string, limit int, parts ...[]byte) (frames []string, dropped int, f framing.Framer) {
	f = lineFramer(delim, limit)
	for _, in := range parts {
		for len(in) > 0 {
			frame, rest, v := f.Next(in)
			switch v {
			case framing.Whole:
				frames = append(frames, string(frame))
			case framing.TooLong:
				dropped++
			case framing.More, framing.Broken, framing.Lost:
			}
			in = rest
		}
	}
	return frames, dropped, f
}

// cutAtOnce is what a framer does, said in the plainest way.
func cutAtOnce(delim string, limit int, stream string) (frames []string, dropped int) {
	for {
		i := strings.Index(stream, delim)
		if i < 0 {
			if len(stream) > limit {
				dropped++
			}
			return frames, dropped
		}
		if n := i + len(delim); n > limit {
			dropped++
		} else {
			frames = append(frames, stream[:n])
		}
		stream = stream[i+len(delim):]
	}
}

func TestFramer(t *testing.T) {
	for _, c := range []struct{ name, delim, stream, want string }{
		{"one", "\n", "422498\n", `["422498\n"] 0`},
		{"two in one read", "\n", "1\n2\n", `["1\n" "2\n"] 0`},
		{"empty frames", "\n", "\n\n", `["\n" "\n"] 0`},
		{"unfinished", "\n", "1\n2", `["1\n"] 0`},
		{"as long as allowed", "\n", "1234567\n", `["1234567\n"] 0`},
		{"one too long", "\n", "12345678\nok\n", `["ok\n"] 1`},
		{"two too long", "\n", "123456789\n123456789\nok\n", `["ok\n"] 2`},
		{"much too long", "\n", strings.Repeat("x", 100) + "\nok\n", `["ok\n"] 1`},
		{"never ends", "\n", strings.Repeat("x", 100), `[] 1`},
		{"two bytes", "\r\n", "1\r\n2\n\r3\r\n", `["1\r\n" "2\n\r3\r\n"] 0`},
		{"two bytes, too long", "\r\n", "12345678\r\r\nok\r\n", `["ok\r\n"] 1`},
		{"overlaps itself", "aa", "xaaayaa", `["xaa" "ayaa"] 0`},
		{"not text", "\x00", "\xff\xfe\x00\x80\x00", `["\xff\xfe\x00" "\x80\x00"] 0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Cut in three at every pair of places.
			for i := range len(c.stream) + 1 {
				for j := i; j <= len(c.stream); j++ {
					s := []byte(c.stream)
					frames, dropped, _ := cut(c.delim, 8, s[:i], s[i:j], s[j:])
					if got := fmt.Sprintf("%q %d", frames, dropped); got != c.want {
						t.Fatalf("cut at %d and %d: got %s, want %s", i, j, got, c.want)
					}
				}
			}
		})
	}
}

func TestFramerResetTellsOfALoss(t *testing.T) {
	_, _, f := cut("\n", 8, []byte("12"))
	if !f.Reset() {
		t.Error("an unfinished frame was not told")
	}
	if f.Reset() {
		t.Error("the same frame was told twice")
	}
	_, _, f = cut("\n", 8, []byte("123456789"))
	if f.Reset() {
		t.Error("a frame that was counted as too long was told again")
	}
}

// Line noise, time-compressed: the framer stays within its bound, and every
// good frame after a delimiter is found.
func TestAbuse47GarbageOnTheLine(t *testing.T) {
	total := 64 << 20
	if testing.Short() {
		total = 4 << 20
	}
	noise := make([]byte, 64<<10)
	random := rand.NewChaCha8([32]byte{47})
	f := lineFramer("\n", 64)
	good := 0
	for range total / len(noise) {
		_, _ = random.Read(noise)
		copy(noise[len(noise)-16:], "\n422498\n422499\n\n")
		for in := noise; len(in) > 0; {
			frame, rest, v := f.Next(in)
			if v == framing.Whole && (string(frame) == "422498\n" || string(frame) == "422499\n") {
				good++
			}
			in = rest
		}
	}
	if want := 2 * (total / len(noise)); good != want {
		t.Errorf("%d good frames found, want %d", good, want)
	}
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte("422498\n1\n"), []byte("\n"), uint8(8), uint8(3))
	f.Add([]byte("a\r\r\nb\r\n"), []byte("\r\n"), uint8(4), uint8(1))
	f.Add([]byte("aaaaaaa"), []byte("aaa"), uint8(3), uint8(2))
	f.Fuzz(func(t *testing.T, stream, delim []byte, limit, step uint8) {
		if len(delim) == 0 || len(delim) > maxDelimiter {
			return
		}
		most := len(delim) + 1 + int(limit)
		var parts [][]byte
		for in := stream; len(in) > 0; {
			n := min(int(step)%17+1, len(in))
			parts, in = append(parts, bytes.Clone(in[:n])), in[n:]
		}
		frames, dropped, _ := cut(string(delim), most, parts...)
		wantFrames, wantDropped := cutAtOnce(string(delim), most, string(stream))
		if fmt.Sprintf("%q %d", frames, dropped) != fmt.Sprintf("%q %d", wantFrames, wantDropped) {
			t.Fatalf("got %q, %d dropped; want %q, %d dropped", frames, dropped, wantFrames, wantDropped)
		}
	})
}

func BenchmarkFramer(b *testing.B) {
	in := bytes.Repeat([]byte("422498\n"), 64)
	f := lineFramer("\n", 4096)
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		for rest := in[:len(in)-3]; len(rest) > 0; {
			_, rest, _ = f.Next(rest)
		}
		for rest := in[len(in)-3:]; len(rest) > 0; {
			_, rest, _ = f.Next(rest)
		}
	}
}
