package wire

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the standard names certificates by it
	"crypto/x509"
	"encoding/binary"
	"errors"

	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// Security is what a channel is protected by.
type Security struct {
	Policy string // URI
	Mode   ua.MessageSecurityMode
	// Key and Certificate are the client's, Server is the server's certificate;
	// not used with the policy None.
	Key         *rsa.PrivateKey
	Certificate []byte // DER
	Server      *x509.Certificate
}

// None reports whether nothing is protected.
func (s *Security) None() bool { return s.Policy == ua.SecurityPolicyURINone }

func (s *Security) asymmetric() (*uapolicy.EncryptionAlgorithm, error) {
	if s.None() {
		return uapolicy.Asymmetric(s.Policy, nil, nil)
	}
	public, err := s.ServerKey()
	if err != nil {
		return nil, err
	}
	return uapolicy.Asymmetric(s.Policy, s.Key, public)
}

// Sign signs for the server, as sessions want it.
func (s *Security) Sign(data []byte) (signature []byte, uri string, err error) {
	if s.None() {
		return nil, "", nil
	}
	algo, err := s.asymmetric()
	if err != nil {
		return nil, "", err
	}
	signature, err = algo.Signature(data)
	return signature, algo.SignatureURI(), err
}

// Verify checks a signature of the server.
func (s *Security) Verify(data, signature []byte) error {
	if s.None() {
		return nil
	}
	algo, err := s.asymmetric()
	if err != nil {
		return err
	}
	return algo.VerifySignature(data, signature)
}

// box protects the chunks of one direction or the other.
type box struct {
	algo          *uapolicy.EncryptionAlgorithm
	sign, encrypt bool
	asymmetric    bool
}

// keyBytes is the length from which on padding has a second byte of length.
const keyBytes = 256

// seal makes a chunk of a header, whose length it fills in, and a body.
func (b *box) seal(header, body []byte) ([]byte, error) {
	out := append(bytes.Clone(header), body...)
	if b.encrypt {
		block, extra := b.algo.PlaintextBlockSize(), 1
		if b.asymmetric && b.algo.RemoteSignatureLength() > keyBytes {
			extra = 2
		}
		padding := (block - (len(body)+b.algo.SignatureLength()+extra)%block) % block
		for range padding + 1 {
			out = append(out, byte(padding)) //nolint:gosec // its low byte
		}
		if extra == 2 {
			out = append(out, byte(padding>>8)) //nolint:gosec // its high byte
		}
	}
	size := len(out)
	if b.sign {
		size += b.algo.SignatureLength()
	}
	if b.encrypt {
		size = len(header) + (size-len(header))/b.algo.PlaintextBlockSize()*b.algo.BlockSize()
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(size))
	if b.sign {
		signature, err := b.algo.Signature(out)
		if err != nil {
			return nil, err
		}
		out = append(out, signature...)
	}
	if !b.encrypt {
		return out, nil
	}
	sealed, err := b.algo.Encrypt(out[len(header):])
	if err != nil {
		return nil, err
	}
	return append(out[:len(header)], sealed...), nil
}

var errSecurity = errors.New("a message is not protected as it has to be")

// open is the body of a chunk with a header of n bytes.
func (b *box) open(chunk []byte, n int) ([]byte, error) {
	if b.encrypt {
		plain, err := b.algo.Decrypt(chunk[n:])
		if err != nil {
			return nil, errSecurity
		}
		chunk = append(bytes.Clone(chunk[:n]), plain...)
	}
	if !b.sign {
		return chunk[n:], nil
	}
	end := len(chunk) - b.algo.RemoteSignatureLength()
	if end < n || b.algo.VerifySignature(chunk[:end], chunk[end:]) != nil {
		return nil, errSecurity
	}
	body := chunk[n:end]
	if !b.encrypt {
		return body, nil
	}
	return unpad(body, b.asymmetric && b.algo.SignatureLength() > keyBytes)
}

func unpad(body []byte, long bool) ([]byte, error) {
	if len(body) < 2 {
		return nil, errSecurity
	}
	padding := int(body[len(body)-1])
	if long {
		padding = padding<<8 + int(body[len(body)-2]) + 1
	}
	if padding++; padding > len(body) {
		return nil, errSecurity
	}
	return body[:len(body)-padding], nil
}

// room is how much of a message fits into a chunk of size bytes.
func (b *box) room(size, header int) int {
	size -= header
	if b.encrypt {
		size = size/b.algo.BlockSize()*b.algo.PlaintextBlockSize() - 1
	}
	if b.sign {
		size -= b.algo.SignatureLength()
	}
	return size - sequenceHeader
}

func thumbprint(c *x509.Certificate) []byte {
	sum := sha1.Sum(c.Raw) //nolint:gosec // as above
	return sum[:]
}

// ServerKey is the public key of the server.
func (s *Security) ServerKey() (*rsa.PublicKey, error) {
	public, ok := s.Server.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("the server's certificate has no RSA key")
	}
	return public, nil
}
