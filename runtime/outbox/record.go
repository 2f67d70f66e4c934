package outbox

import (
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
)

// A record is what a segment file is made of, numbers little-endian:
//
//	magic   uint32  the segment's
//	length  uint32  of the payload
//	seq     uint64  of a block; of anything else, of the block before it
//	crc     uint32  CRC-32C over length, seq and payload, seeded by the segment
//	payload         its first byte is the kind
const (
	headerLen  = 20
	maxPayload = 16 * mib
)

// kind says what a payload holds. An unknown one is skipped.
type kind byte

const (
	kindBlock kind = iota + 1
	kindSnapshot
	kindForget
	kindCursors
)

// record is one that was found intact. body aliases the buffer it was read
// into.
type record struct {
	off  int64
	size int64
	seq  uint64
	kind kind
	body []byte
}

func (r *record) end() int64 { return r.off + r.size }

// salt is a segment's secret, from which come its magic and the seed of its
// checksums. A payload can therefore not hold what the search behind a damaged
// record would take for one: not by accident (a log carried in a record of a
// log) and not by the will of a guest.
type salt uint64

func newSalt() salt {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return salt(binary.LittleEndian.Uint64(b[:]))
}

// magic is never 0, which a hole in a file is full of.
func (s salt) magic() uint32 { return uint32(s) | 1 } //nolint:gosec // the lower half is meant

func (s salt) sum(header, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(uint32(s>>32), table, header[4:16]), table, payload)
}

// appendRecord adds a record; payload starts with its kind.
func appendRecord(dst []byte, s salt, seq uint64, payload []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, s.magic())
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint64(dst, seq)
	dst = binary.LittleEndian.AppendUint32(dst, s.sum(dst[at:], payload))
	return append(dst, payload...)
}

// header is the head of a record, of which nothing is proven yet.
type header struct {
	magic  uint32
	length int64
	seq    uint64
	crc    uint32
}

// parseHeader reads the first headerLen bytes of b.
func parseHeader(b []byte) header {
	return header{
		magic:  binary.LittleEndian.Uint32(b),
		length: int64(binary.LittleEndian.Uint32(b[4:])),
		seq:    binary.LittleEndian.Uint64(b[8:]),
		crc:    binary.LittleEndian.Uint32(b[16:]),
	}
}

// plausible reports whether a record of this segment could have this header
// and end within room bytes.
func (h header) plausible(s salt, room int64) bool {
	return h.magic == s.magic() && h.length > 0 && h.length <= maxPayload && headerLen+h.length <= room
}
