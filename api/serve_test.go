package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// listener listens on this machine.
func listener(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// streaming is a handler with a request that ends when streams have to.
type streaming struct {
	http.Handler
	ended chan struct{}
}

func (s *streaming) EndStreams() { close(s.ended) }

func TestServeDrains(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	entered := make(chan struct{})
	h := &streaming{ended: make(chan struct{})}
	h.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		close(entered)
		<-h.ended
		if q.Context().Err() != nil {
			t.Error("the request was cut off")
		}
		_, _ = io.WriteString(w, "whole")
	})
	ctx, stop := context.WithCancel(t.Context())
	ln := listener(t)
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, ln, h, nil, log) }()
	answered := make(chan string, 1)
	go func() {
		q, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+ln.Addr().String(), nil)
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(q)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answered <- string(body)
	}()
	<-entered
	stop()
	if got := <-answered; got != "whole" {
		t.Error(got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestServeTLS(t *testing.T) {
	files, pool := certificate(t)
	ctx, stop := context.WithCancel(t.Context())
	ln := listener(t)
	served := make(chan error, 1)
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	go func() { served <- Serve(ctx, ln, hello, files, slog.New(slog.DiscardHandler)) }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	q, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+ln.Addr().String(), nil)
	resp, err := transport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if string(body) != "hello" || resp.TLS.Version < tls.VersionTLS12 {
		t.Errorf("%s %x", body, resp.TLS.Version)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestServeRefusesAWrongCertificate(t *testing.T) {
	ln := listener(t)
	err := Serve(t.Context(), ln, http.NotFoundHandler(), &TLSFiles{Cert: "/nowhere", Key: "/nowhere"}, slog.New(slog.DiscardHandler))
	if !fault.Is(err, fault.Usage) {
		t.Error(err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error("the listener is open")
	}
}

// certificate makes one for this machine.
func certificate(t *testing.T) (*TLSFiles, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := &TLSFiles{Cert: filepath.Join(t.TempDir(), "cert"), Key: filepath.Join(t.TempDir(), "key")}
	for name, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return files, pool
}
