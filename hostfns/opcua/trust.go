package opcua

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/url"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// trust keeps, for each connector, the certificate that it shows to servers, and
// those that servers have shown to it: sealed, where that can be done; otherwise
// they are forgotten with the process.
type trust struct {
	making sync.Mutex // so that a connector has one certificate

	mu    sync.Mutex
	loose map[string]map[string][]byte // by owner and name
}

func newTrust() *trust { return &trust{loose: map[string]map[string][]byte{}} }

// place is where what belongs to an owner is kept.
func (t *trust) place(owner string, sealed capability.Sealed) capability.Sealed {
	if sealed != nil {
		return sealed
	}
	return loose{t, owner}
}

// loose keeps in memory.
type loose struct {
	*trust
	owner string
}

const maxLoose = 1024 // owners, and what each has

// Kept implements capability.Sealed.
func (l loose) Kept(_ context.Context, name string) ([]byte, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	value, found := l.loose[l.owner][name]
	return value, found, nil
}

// Keep implements capability.Sealed.
func (l loose) Keep(_ context.Context, name string, value []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.loose[l.owner]
	if of == nil {
		if len(l.loose) >= maxLoose {
			clear(l.loose)
		}
		of = map[string][]byte{}
		l.loose[l.owner] = of
	}
	if len(of) >= maxLoose {
		return fault.New(fault.Exhausted, "opcua: the certificates of %d servers are known already", maxLoose)
	}
	of[name] = value
	return nil
}

// papers are what a client shows, and proves.
type papers struct {
	Certificate string `json:"certificate"` // PEM
	Key         string `json:"key"`         // PEM
}

// identity is a certificate with its key.
type identity struct {
	certificate *x509.Certificate
	key         *rsa.PrivateKey
}

const (
	keyBits  = 2048
	validFor = 20 * 365 * 24 * time.Hour

	ownName = "identity" // what papers are kept as
)

// own is the certificate of an owner, which is made when there is none.
func (t *trust) own(ctx context.Context, owner string, kept capability.Sealed) (*identity, error) {
	t.making.Lock()
	defer t.making.Unlock()
	data, found, err := kept.Kept(ctx, ownName)
	if err != nil {
		return nil, err
	}
	var p papers
	if found {
		if err := json.Unmarshal(data, &p); err != nil {
			return nil, fault.Wrap(fault.Integrity, err, "opcua: the certificate of %s", owner)
		}
		return readIdentity(p.Certificate, p.Key)
	}
	if err := p.make(owner); err != nil {
		return nil, err
	}
	if data, err = json.Marshal(p); err == nil {
		err = kept.Keep(ctx, ownName, data)
	}
	if err != nil {
		return nil, err
	}
	return readIdentity(p.Certificate, p.Key)
}

// pinName is what the certificate of a server is kept as.
func pinName(endpoint string) string {
	sum := sha256.Sum256([]byte(endpoint))
	return "server/" + hex.EncodeToString(sum[:])
}

// pinned is the certificate that a server has shown; nil: none yet.
func pinned(ctx context.Context, kept capability.Sealed, endpoint string) (*x509.Certificate, error) {
	der, found, err := kept.Kept(ctx, pinName(endpoint))
	if err != nil || !found {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fault.Wrap(fault.Integrity, err, "opcua: the certificate of %s", endpoint)
	}
	return c, nil
}

// pin remembers the certificate of a server.
func pin(ctx context.Context, kept capability.Sealed, endpoint string, c *x509.Certificate) error {
	return kept.Keep(ctx, pinName(endpoint), c.Raw)
}

// make makes a certificate as the standard wants it of a client.
func (p *papers) make(owner string) error {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "opcua: no key")
	}
	sum := sha256.Sum256([]byte(owner))
	uri := &url.URL{Scheme: "urn", Opaque: "snaprail:" + hex.EncodeToString(sum[:8])}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fault.Wrap(fault.Internal, err, "opcua: no serial number")
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Snaprail " + uri.Opaque, Organization: []string{"Snaprail"}},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(validFor), URIs: []*url.URL{uri}, DNSNames: []string{"snaprail"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment | x509.KeyUsageKeyEncipherment |
			x509.KeyUsageDataEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "opcua: no certificate")
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "opcua: no key")
	}
	p.Certificate = certificatePEM(der)
	p.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	return nil
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func fingerprint(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func readCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fault.New(fault.Invalid, "opcua: no certificate in PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "opcua: the certificate cannot be read")
	}
	return c, nil
}

func readIdentity(certificate, key string) (*identity, error) {
	c, err := readCertificate(certificate)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return nil, fault.New(fault.Invalid, "opcua: no key in PEM")
	}
	k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		var ok bool
		if k, ok = any.(*rsa.PrivateKey); err != nil || !ok {
			return nil, fault.New(fault.Invalid, "opcua: the key is no RSA key in PEM")
		}
	}
	if public, ok := c.PublicKey.(*rsa.PublicKey); !ok || !public.Equal(&k.PublicKey) {
		return nil, fault.New(fault.Invalid, "opcua: the key is not the certificate's")
	}
	return &identity{c, k}, nil
}
