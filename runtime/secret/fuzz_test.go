package secret

import (
	"testing"
	"time"
)

// FuzzSealed: nothing but what was sealed opens, and only as what it was sealed.
func FuzzSealed(f *testing.F) {
	s := newSealer("acme", make([]byte, keySize))
	good := s.seal("named/a", []byte("correct horse"), time.UnixMilli(1))
	f.Add("named/a", good)
	f.Add("named/b", good)
	f.Add("named/a", good[:len(good)-1])
	f.Add("named/a", append([]byte{2}, good[1:]...))
	f.Add("", []byte{})
	f.Add("named/a", newSealer("zoo", make([]byte, keySize)).seal("named/a", []byte("correct horse"), time.UnixMilli(1)))
	f.Fuzz(func(t *testing.T, name string, sealed []byte) {
		value, err := s.open(name, sealed)
		if err == nil && (name != "named/a" || string(value) != "correct horse") {
			t.Fatalf("opened %q as %q: %q", sealed, name, value)
		}
		info, err2 := infoOf(name, sealed)
		if err2 == nil && (!info.Set || len(info.Fingerprint) != 2*fingerprintSize) {
			t.Fatalf("info of %q: %+v", sealed, info)
		}
		if err == nil && err2 != nil {
			t.Fatalf("it opens, and has no info: %v", err2)
		}
		kek := KEK{1}
		if _, err := kek.unwrap(sealed, dataKey, name); err == nil {
			t.Fatalf("unwrapped %q", sealed)
		}
	})
}
