package kafka

import (
	"bytes"
	"context"
	"strconv"

	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/snaprail/snaprail/runtime/fault"
)

// maxIterations bounds what a broker may have the host compute at each login, which
// nothing could end once it has begun. Kafka's own tools take no more than 16,384.
const maxIterations = 1_000_000

// scramLogin is a SCRAM mechanism that does not compute more than maxIterations.
type scramLogin struct{ sasl.Mechanism }

// Authenticate implements sasl.Mechanism.
func (m scramLogin) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	inner, first, err := m.Mechanism.Authenticate(ctx, host)
	if err != nil {
		return nil, nil, err
	}
	return &scramSession{Session: inner}, first, nil
}

type scramSession struct {
	sasl.Session

	begun bool
}

// Challenge implements sasl.Session. The number of iterations is in the broker's
// first message alone: "r=nonce,s=salt,i=4096".
func (s *scramSession) Challenge(said []byte) (done bool, reply []byte, err error) {
	if !s.begun {
		s.begun = true
		if parts := bytes.SplitN(said, []byte(","), 4); len(parts) >= 3 {
			text, _ := bytes.CutPrefix(parts[2], []byte("i="))
			// Read as the mechanism reads it, which refuses what is no number.
			if n, err := strconv.Atoi(string(text)); err == nil && n > maxIterations {
				return false, nil, fault.New(fault.ConfigInvalid, "the broker asks for %s iterations of SCRAM, and at most %d are computed", fault.Clip(string(text), 24), maxIterations).
					WithHint("Make the user's credentials anew with the usual number of iterations (4096 to 16384); if the broker is not yours, somebody leads this connector astray.")
			}
		}
	}
	return s.Session.Challenge(said)
}
