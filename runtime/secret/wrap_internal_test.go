package secret

import "testing"

// TestBoundTextsDoNotRunTogether: what is bound to two texts is not bound to two
// others that read the same one after the other.
func TestBoundTextsDoNotRunTogether(t *testing.T) {
	aead := aeadOf(make([]byte, keySize))
	box := closeBox(aead, []byte("head"), []byte("plain"), "plant", "named/a")
	for _, c := range []struct {
		head  int
		bound []string
		opens bool
	}{
		{4, []string{"plant", "named/a"}, true},
		{4, []string{"plan", "tnamed/a"}, false},
		{4, []string{"plantnamed/a"}, false},
		{4, []string{"plantnamed/a", ""}, false},
		{4, []string{"named/a", "plant"}, false},
		{3, []string{"plant", "named/a"}, false},
	} {
		if _, ok := openBox(aead, box, c.head, c.bound...); ok != c.opens {
			t.Errorf("bound to %q after a head of %d: %t", c.bound, c.head, ok)
		}
	}
	box[0] ^= 1
	if _, ok := openBox(aead, box, 4, "plant", "named/a"); ok {
		t.Error("it opens under another head")
	}
}
