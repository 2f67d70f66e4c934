package secret

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/snaprail/snaprail/runtime/fault"
)

// XChaCha20-Poly1305 seals everything here: its nonces of 24 bytes may be drawn
// at random for ever under one key, and it needs no AES hardware.
const (
	nonceSize = chacha20poly1305.NonceSizeX
	overhead  = chacha20poly1305.Overhead
)

func aeadOf(key []byte) cipher.AEAD {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // only for a key of another length
	}
	return aead
}

// closeBox appends nonce and box to head; the box is bound to head and to bound.
func closeBox(aead cipher.AEAD, head, plain []byte, bound ...string) []byte {
	out := make([]byte, len(head)+nonceSize, len(head)+nonceSize+len(plain)+overhead)
	copy(out, head)
	nonce := out[len(head):]
	rand.Read(nonce) // it ends the process rather than fail
	return aead.Seal(out, nonce, plain, associated(head, bound))
}

// openBox is the content of what closeBox made, of which the first n bytes are
// the head; false: it is damaged, or another's.
func openBox(aead cipher.AEAD, sealed []byte, n int, bound ...string) ([]byte, bool) {
	if len(sealed) < n+nonceSize+overhead {
		return nil, false
	}
	head, nonce, box := sealed[:n], sealed[n:n+nonceSize], sealed[n+nonceSize:]
	plain, err := aead.Open(nil, nonce, box, associated(head, bound))
	return plain, err == nil
}

// associated is head and texts in a form in which none can run into the next.
func associated(head []byte, bound []string) []byte {
	out := append(binary.AppendUvarint(nil, uint64(len(head))), head...)
	for _, s := range bound {
		out = append(binary.AppendUvarint(out, uint64(len(s))), s...)
	}
	return out
}

// A wrapped key is
//
//	format key-id:6 nonce:24 box(key:32)
//
// where key-id names the KEK, and the box is bound to what the key is for.
const (
	wrapFormat = 1
	wrapHead   = 1 + idSize
	wrapSize   = wrapHead + nonceSize + keySize + overhead
)

// wrap wraps a key under the KEK.
func (k KEK) wrap(key []byte, use ...string) []byte {
	return closeBox(aeadOf(k.wrapping()), append([]byte{wrapFormat}, k.id()...), key, use...)
}

// fits reports whether a wrapped key is one of this KEK.
func (k KEK) fits(wrapped []byte) bool {
	return len(wrapped) == wrapSize && wrapped[0] == wrapFormat && bytes.Equal(wrapped[1:wrapHead], k.id())
}

// unwrap gives a wrapped key back, or fault.KeyWrong when it was wrapped under
// another KEK, or fault.Integrity when it is damaged or for something else.
func (k KEK) unwrap(wrapped []byte, use ...string) ([]byte, error) {
	if len(wrapped) != wrapSize || wrapped[0] != wrapFormat {
		return nil, fault.New(fault.Integrity, "what is kept as a wrapped key is none: %s", use)
	}
	if !k.fits(wrapped) {
		return nil, fault.New(fault.KeyWrong, "the key has the id %s, and the secrets are sealed under the key with the id %x",
			k.ID(), wrapped[1:wrapHead])
	}
	key, ok := openBox(aeadOf(k.wrapping()), wrapped, wrapHead, use...)
	if !ok {
		return nil, fault.New(fault.Integrity, "a wrapped key does not carry its seal: %s", use)
	}
	return key, nil
}
