package framing

import (
	"math/rand/v2"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// TestNoiseGrowsNothing: whatever comes, a framer holds no more than a few frames.
func TestNoiseGrowsNothing(t *testing.T) {
	f, _ := New(abi.Framing{Kind: abi.FramingDelimiter, Delimiter: []byte("\n"), MaxFrame: 64}).(*delimited)
	random := rand.NewChaCha8([32]byte{47})
	noise := make([]byte, 64<<10)
	for range 64 {
		_, _ = random.Read(noise)
		for in := noise; len(in) > 0; {
			_, in, _ = f.Next(in)
		}
		if cap(f.part) > 4*f.max {
			t.Fatalf("the framer holds %d bytes for frames of at most %d", cap(f.part), f.max)
		}
	}
}
