package mask_test

import (
	"bytes"
	"testing"

	"github.com/snaprail/snaprail/runtime/mask"
)

// FuzzMask: masking never fails, leaves nothing of the secret, and changes
// nothing else.
func FuzzMask(f *testing.F) {
	m := mask.New()
	const value = "correct horse"
	m.Learn("a", []byte(value))
	f.Add("a correct horse")
	f.Add("Y29ycmVjdCBob3JzZQ==")
	f.Add("correct correct horse horse")
	f.Fuzz(func(t *testing.T, text string) {
		masked := m.Text(text)
		if bytes.Contains([]byte(masked), []byte(value)) {
			t.Fatalf("%q is masked to %q", text, masked)
		}
		if masked != text && !bytes.Contains([]byte(masked), []byte(mask.Masked)) {
			t.Fatalf("%q became %q", text, masked)
		}
	})
}
