package secret

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/snaprail/snaprail/runtime/fault"
)

// keySize is the size of every key, in bytes.
const keySize = 32

// KEK is the key-encryption key: whoever has it and the data has the secrets.
// It does not print.
type KEK [keySize]byte

// Format writes the same text for every key and verb.
func (KEK) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// ID tells keys apart without telling anything of them: 12 hex digits.
func (k KEK) ID() string { return hex.EncodeToString(k.id()) }

const idSize = 6

func (k KEK) id() []byte { return derive(k[:], "snaprail key id", idSize) }

// wrapping is the key that wraps others. It is derived, so that a KEK is never
// used for anything else at the same time.
func (k KEK) wrapping() []byte { return derive(k[:], "snaprail key wrapping", keySize) }

// derive makes a key for one purpose out of another key.
func derive(key []byte, purpose string, size int) []byte {
	out, err := hkdf.Key(sha256.New, key, nil, purpose, size)
	if err != nil {
		panic(err) // only for more than 255 hashes, which no caller asks for
	}
	return out
}

// ParseKEK reads a key as people and tools write it: 64 hex digits, 32 bytes in
// base64, or the 32 bytes themselves; white space around a text does not count.
// from names the place in errors. A text of 32 letters is taken for a password
// and refused.
func ParseKEK(raw []byte, from string) (KEK, error) {
	if len(raw) == keySize && !printable(raw) {
		return KEK(raw), nil
	}
	text := string(bytes.TrimSpace(raw))
	if key, err := hex.DecodeString(text); err == nil && len(key) == keySize {
		return KEK(key), nil
	}
	for _, e := range []*base64.Encoding{
		base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding,
	} {
		if key, err := e.DecodeString(text); err == nil && len(key) == keySize {
			return KEK(key), nil
		}
	}
	return KEK{}, fault.New(fault.KeyWrong, "%s does not hold a key of 32 bytes, as 64 hex digits or in base64", from).
		WithHint("Put the server's own key back; a new one is made with `openssl rand -hex 32`.")
}

func printable(raw []byte) bool {
	for _, b := range raw {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}
