package opcua

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// trust keeps, for each owner, the certificate that it shows to servers, and
// those that servers have shown to it. Without a folder it forgets them with the
// process.
type trust struct {
	dir string

	mu    sync.Mutex
	known map[string]*papers // by owner
}

// papers are what is kept of one owner.
type papers struct {
	Certificate string            `json:"certificate"` // PEM
	Key         string            `json:"key"`         // PEM
	Servers     map[string]string `json:"servers"`     // PEM by endpoint
}

// identity is a certificate with its key.
type identity struct {
	certificate *x509.Certificate
	key         *rsa.PrivateKey
}

func newTrust(dir string) *trust { return &trust{dir: dir, known: map[string]*papers{}} }

const (
	keyBits  = 2048
	validFor = 20 * 365 * 24 * time.Hour
	maxKnown = 4096 // owners that are kept in memory
)

// own is the certificate of an owner, which is made when there is none.
func (t *trust) own(owner string) (*identity, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := t.load(owner)
	if err != nil {
		return nil, err
	}
	if p.Certificate == "" {
		if err := p.make(owner); err != nil {
			return nil, err
		}
		if err := t.save(owner, p); err != nil {
			return nil, err
		}
	}
	return readIdentity(p.Certificate, p.Key)
}

// server is the certificate that a server has shown to an owner; nil: none yet.
func (t *trust) server(owner, endpoint string) (*x509.Certificate, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := t.load(owner)
	if err != nil || p.Servers[endpoint] == "" {
		return nil, err
	}
	return readCertificate(p.Servers[endpoint])
}

// pin remembers the certificate of a server.
func (t *trust) pin(owner, endpoint string, c *x509.Certificate) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := t.load(owner)
	if err != nil {
		return err
	}
	if p.Servers == nil {
		p.Servers = map[string]string{}
	}
	p.Servers[endpoint] = certificatePEM(c.Raw)
	return t.save(owner, p)
}

// file is where the papers of an owner lie. The name of an owner is no file name.
func (t *trust) file(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return filepath.Join(t.dir, hex.EncodeToString(sum[:])+".json")
}

func (t *trust) load(owner string) (*papers, error) {
	if p := t.known[owner]; p != nil {
		return p, nil
	}
	if len(t.known) >= maxKnown && t.dir != "" {
		clear(t.known)
	}
	p := &papers{}
	if t.dir != "" {
		data, err := os.ReadFile(t.file(owner))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fault.Wrap(fault.Internal, err, "opcua: the certificates of %s", owner)
		default:
			if err := json.Unmarshal(data, p); err != nil {
				return nil, fault.Wrap(fault.Integrity, err, "opcua: the certificates of %s", owner)
			}
		}
	}
	t.known[owner] = p
	return p, nil
}

// save writes the papers whole, or not at all.
func (t *trust) save(owner string, p *papers) error {
	if t.dir == "" {
		return nil
	}
	data, err := json.Marshal(p)
	if err == nil {
		err = os.MkdirAll(t.dir, 0o700)
	}
	if err == nil {
		err = replace(t.file(owner), data)
	}
	if err != nil {
		delete(t.known, owner)
		return fault.Wrap(fault.Internal, err, "opcua: the certificates of %s are not kept", owner)
	}
	return nil
}

func replace(name string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // it is of no use
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	return err
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
