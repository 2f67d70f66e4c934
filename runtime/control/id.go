package control

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// newID is a prefix and a ULID (github.com/ulid/spec): 48 bits of time in
// milliseconds and 80 random bits in Crockford's base 32, so that ids sort by
// age and are never used again.
func newID(prefix string) (string, error) {
	var raw [18]byte // two leading zero bytes make 26 digits of 5 bits fit
	binary.BigEndian.PutUint64(raw[0:8], uint64(time.Now().UnixMilli()))
	if _, err := rand.Read(raw[8:]); err != nil {
		return "", fault.Wrap(fault.Internal, err, "new id")
	}
	text := base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding).EncodeToString(raw[2:])
	return prefix + "_" + text, nil
}
