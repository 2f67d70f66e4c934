package egress_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

func grant(mayWrite bool, patterns ...string) []spec.Grant {
	rights := []spec.Right{spec.Read}
	if mayWrite {
		rights = append(rights, spec.Write)
	}
	return []spec.Grant{{Group: "http", Resources: patterns, Rights: rights}}
}

// selfSigned is a client's certificate and key, in PEM.
func selfSigned(t *testing.T, name string) (cert *x509.Certificate, certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return cert, encode("CERTIFICATE", der), encode("PRIVATE KEY", raw)
}

func encode(what string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: what, Bytes: der})
}

// secure is a TLS server that tells the protocol, and who asks.
func secure(t *testing.T, h2 bool, cfg *tls.Config) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			who = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		fmt.Fprint(w, r.Proto, " ", who)
	}))
	s.EnableHTTP2, s.TLS = h2, cfg
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestTLS(t *testing.T) {
	for h2, want := range map[bool]string{true: "HTTP/2.0 nobody", false: "HTTP/1.1 nobody"} {
		s := secure(t, h2, nil)
		e := egress.New(egress.Config{})
		if _, err := get(t, client(t, e, s.URL, local), s.URL); !fault.Is(err, fault.PeerTLS) {
			t.Errorf("an authority that nobody knows: %v", err)
		}
		c, err := e.TLSClient(only(t, s.URL, local), egress.TLS{CA: encode("CERTIFICATE", s.Certificate().Raw)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.CloseIdleConnections)
		if got, err := get(t, c, s.URL); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
		named, err := e.TLSClient(only(t, s.URL, local), egress.TLS{CA: encode("CERTIFICATE", s.Certificate().Raw), ServerName: "other.test"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(named.CloseIdleConnections)
		if _, err := get(t, named, s.URL); !fault.Is(err, fault.PeerTLS) {
			t.Errorf("another name: %v", err)
		}
	}
}

func TestClientCertificate(t *testing.T) {
	cert, certPEM, keyPEM := selfSigned(t, "meter-7")
	s := secure(t, true, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(cert)})
	e := egress.New(egress.Config{Roots: pool(s.Certificate())})
	if _, err := get(t, client(t, e, s.URL, local), s.URL); !fault.Is(err, fault.PeerTLS) && !fault.Is(err, fault.ResourceUnavailable) {
		t.Errorf("without a certificate: %v", err)
	}
	c, err := e.TLSClient(only(t, s.URL, local), egress.TLS{Certificate: certPEM, Key: keyPEM})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	if got, err := get(t, c, s.URL); err != nil || got != "HTTP/2.0 meter-7" {
		t.Errorf("%q, %v", got, err)
	}
	for _, wrong := range []egress.TLS{{CA: []byte("x")}, {Certificate: certPEM}, {Key: keyPEM}, {Certificate: keyPEM, Key: certPEM}} {
		if _, err := e.TLSClient(egress.Rules{}, wrong); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v", err)
		}
	}
}

// TestOldTLS: nothing older than TLS 1.2 is spoken.
func TestOldTLS(t *testing.T) {
	s := secure(t, false, &tls.Config{MaxVersion: tls.VersionTLS11})
	e := egress.New(egress.Config{Roots: pool(s.Certificate())})
	if _, err := get(t, client(t, e, s.URL, local), s.URL); !fault.Is(err, fault.PeerTLS) {
		t.Error(err)
	}
}
