package http_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A peer that sends the guest somewhere by its secret does not tell it by the
// refusal, neither to the guest nor to whoever reads of it.
func TestSecretsInRefusals(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		nethttp.Redirect(w, r, "/v2/"+r.Header.Get("X-Token"), nethttp.StatusFound)
	})
	c := &caller{}
	scope := capability.Scope{Grants: granted(s.URL+"/v1/*", local), Secrets: secrets{"token": "hidden-value"}, Caller: c}
	_, err := ask(t, session(t, egress.New(egress.Config{}), scope), abi.HTTPRequest{URL: s.URL + "/v1/x", Headers: headers("X-Token", "secret://token")})
	f := fault.Of(err)
	if !fault.Is(err, fault.Denied) || !strings.Contains(f.Text, "/v2/") || strings.Contains(f.Text+f.Advice(), "hidden-value") {
		t.Errorf("%s: %s (%s)", f.Kind, f.Text, f.Advice())
	}
	if len(c.refused) != 1 || !strings.Contains(c.refused[0], "/v2/") || strings.Contains(c.refused[0], "hidden-value") {
		t.Errorf("told: %q", c.refused)
	}
}

// Of two secrets of which one begins as the other, nothing of the longer is left.
func TestSecretsThatBeginAlike(t *testing.T) {
	s := serve(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { write(t, w, r.Header.Get("X-Long")) })
	scope := capability.Scope{Grants: granted(s.URL, local), Secrets: secrets{"short": "hidden", "long": "hidden-value"}}
	reply, err := ask(t, session(t, egress.New(egress.Config{}), scope), abi.HTTPRequest{URL: s.URL, Headers: headers("X-Long", "secret://long", "X-Short", "secret://short")})
	if err != nil || strings.Contains(string(reply.Body), "value") {
		t.Errorf("%s, %v", reply.Body, err)
	}
}

// A connection by one authority is none by another.
func TestAuthoritiesAreKeptApart(t *testing.T) {
	s := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(nethttp.ResponseWriter, *nethttp.Request) {}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	h := session(t, egress.New(egress.Config{}), capability.Scope{Grants: granted(s.URL, local)})
	right := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	if _, err := ask(t, h, abi.HTTPRequest{URL: s.URL, TLS: &abi.HTTPTLS{CA: right}}); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, h, abi.HTTPRequest{URL: s.URL, TLS: &abi.HTTPTLS{CA: authority(t)}}); !fault.Is(err, fault.PeerTLS) {
		t.Errorf("by another authority: %v", err)
	}
}

// authority is one that has signed nothing, in PEM.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}
