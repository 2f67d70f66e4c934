package secret

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// A sealed value is
//
//	format updated:8 fingerprint:6 nonce:24 box(value)
//
// where updated is in ms since 1970. The box is bound to what stands before it,
// to the tenant and to the name, so that one that was copied elsewhere does not
// open. That it is the latest of its name is what the store sees to.
const (
	sealedFormat    = 1
	fingerprintSize = 6
	sealedHead      = 1 + 8 + fingerprintSize
)

// sealer seals the values of one tenant. Its keys are derived from the tenant's
// data key, one for each purpose.
type sealer struct {
	tenant string
	aead   cipher.AEAD
	prints []byte
}

func newSealer(tenant string, dataKey []byte) sealer {
	return sealer{
		tenant: tenant, aead: aeadOf(derive(dataKey, "snaprail secrets", keySize)),
		prints: derive(dataKey, "snaprail fingerprints", keySize),
	}
}

// fingerprint is the same for equal values of a tenant, whatever their names,
// and tells nothing else.
func (s sealer) fingerprint(value []byte) []byte {
	mac := hmac.New(sha256.New, s.prints)
	mac.Write(value)
	return mac.Sum(nil)[:fingerprintSize]
}

func (s sealer) seal(name string, value []byte, now time.Time) []byte {
	head := make([]byte, 0, sealedHead)
	head = append(head, sealedFormat)
	head = binary.BigEndian.AppendUint64(head, uint64(now.UnixMilli()))
	head = append(head, s.fingerprint(value)...)
	return closeBox(s.aead, head, value, s.tenant, name)
}

func (s sealer) open(name string, sealed []byte) ([]byte, error) {
	value, ok := openBox(s.aead, sealed, sealedHead, s.tenant, name)
	if !ok {
		return nil, fault.New(fault.Integrity, "the secret %q does not carry its seal: it is damaged, or was sealed as another's", name).
			WithHint("Set it again, and look who can write to the server's store.")
	}
	return value, nil
}

// infoOf reads what may be known of a sealed value, without opening it.
func infoOf(name string, sealed []byte) (spec.SecretInfo, error) {
	if len(sealed) < sealedHead+nonceSize+overhead || sealed[0] != sealedFormat {
		return spec.SecretInfo{}, fault.New(fault.Integrity, "what is kept as the secret %q is no sealed value", name).
			WithHint("Set it again, and look who can write to the server's store.")
	}
	return spec.SecretInfo{
		Set:         true,
		UpdatedAt:   time.UnixMilli(int64(binary.BigEndian.Uint64(sealed[1:]))).UTC(), //nolint:gosec // as it was written
		Fingerprint: hex.EncodeToString(sealed[9:sealedHead]),
	}, nil
}
