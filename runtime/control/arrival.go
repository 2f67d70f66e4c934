package control

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/snaprail/snaprail/runtime/fault"
)

// arrival is a module on its way in: what is read of it is hashed, and its end
// is only an end when it is the module that was announced.
type arrival struct {
	from io.Reader
	want string // sha256 in hex; "": whatever comes
	sum  hash.Hash
	// digest is known when all has come.
	digest string
}

func newArrival(from io.Reader, want string) *arrival {
	return &arrival{from: from, want: want, sum: sha256.New()}
}

// Read hashes what it reads.
func (a *arrival) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	a.sum.Write(p[:n])
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	a.digest = hex.EncodeToString(a.sum.Sum(nil))
	if a.want != "" && a.want != a.digest {
		return n, fault.New(fault.BodyInvalid, "the module that came has the digest %s, and %s was announced", a.digest, a.want).
			WithHint("It was damaged or replaced on its way, or is not the file that you think: compare the digests and upload it again.")
	}
	return n, err
}

// isDigest reports whether s is a sha256 in lower-case hex.
func isDigest(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == sha256.Size && hex.EncodeToString(raw) == s
}
