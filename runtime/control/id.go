package control

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// newID is a prefix and a ULID (github.com/ulid/spec): 48 bits of time in
// milliseconds and 80 random bits, in 26 digits of Crockford's base 32, so that
// ids sort by age and none is ever used again.
func newID(prefix string) (string, error) {
	var random [10]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fault.Wrap(fault.Internal, err, "new id")
	}
	high := uint64(time.Now().UnixMilli())<<16 | uint64(binary.BigEndian.Uint16(random[:2]))
	low := binary.BigEndian.Uint64(random[2:])
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var digits [26]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = alphabet[low&31]
		low, high = low>>5|high<<59, high>>5
	}
	return prefix + "_" + string(digits[:]), nil
}
