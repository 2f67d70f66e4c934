package badger

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/snaprail/snaprail/runtime/store"
)

// The layout of the keys. The first byte tells the store's own keys from rows,
// and is followed, for a row, by
//
//	space 00 bucket 00 id
//
// No space and no bucket holds a zero byte and the id comes last, so that
// different rows have different keys, no key of one bucket has the prefix of
// another, and keys of a bucket sort as their ids do.
const (
	ownKeys = 0x00
	rowKeys = 0x01
)

func rowKey(space string, b store.Bucket, id string) []byte {
	key := make([]byte, 0, 3+len(space)+len(b)+len(id))
	key = append(append(key, rowKeys), space...)
	key = append(append(key, 0), b...)
	return append(append(key, 0), id...)
}

// seal closes rows with XChaCha20-Poly1305, whose 24-byte nonces may be drawn
// at random for ever under one key; those of AES-GCM, of 12 bytes, are worn
// out after 2^32 writes, which a busy store does in a year. It needs no AES
// hardware, which small edge computers lack.
//
//	sealed = format version:8 nonce:24 box(state value)
//
// The box is bound to format, version and key.
type seal struct{ aead cipher.AEAD }

const (
	sealFormat = 1
	headerSize = 1 + 8
	stateLive  = 1
	stateGone  = 2
)

func newSeal(k Key) *seal {
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		panic(err) // only for a key of another length, which the type rules out
	}
	return &seal{aead}
}

func (s *seal) close(key []byte, row store.Row) []byte {
	const front = headerSize + chacha20poly1305.NonceSizeX
	out := make([]byte, front, front+1+len(row.Value)+chacha20poly1305.Overhead)
	out[0] = sealFormat
	binary.BigEndian.PutUint64(out[1:], row.Version)
	rand.Read(out[headerSize:]) // it ends the process rather than fail

	if row.Deleted {
		out = append(out, stateGone)
	} else {
		out = append(append(out, stateLive), row.Value...)
	}
	// What is to be in the box stands where the box will be.
	return s.aead.Seal(out[:front], out[headerSize:front], out[front:], bound(out[:headerSize], key))
}

func (s *seal) open(key []byte, id string, sealed []byte) (store.Row, error) {
	if len(sealed) < headerSize+chacha20poly1305.NonceSizeX || sealed[0] != sealFormat {
		return store.Row{}, damaged(nil, "the value under %q is no sealed value", key)
	}
	header, rest := sealed[:headerSize], sealed[headerSize:]
	nonce, box := rest[:chacha20poly1305.NonceSizeX], rest[chacha20poly1305.NonceSizeX:]
	plain, err := s.aead.Open(nil, nonce, box, bound(header, key))
	if err != nil || len(plain) == 0 {
		return store.Row{}, damaged(nil, "the value under %q does not carry its seal", key)
	}
	return store.Row{
		ID: id, Version: binary.BigEndian.Uint64(header[1:]),
		Deleted: plain[0] == stateGone, Value: plain[1:],
	}, nil
}

// bound is what a box is bound to. The header has a fixed size, so that the
// two cannot run into each other.
func bound(header, key []byte) []byte {
	return append(append(make([]byte, 0, len(header)+len(key)), header...), key...)
}

// checkKeyID is where the store keeps a value that only its key opens.
func checkKeyID() []byte { return append([]byte{ownKeys}, "key check"...) }
