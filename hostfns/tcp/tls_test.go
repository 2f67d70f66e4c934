package tcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

type secrets map[string]string

func (s secrets) Secret(_ context.Context, name string) ([]byte, error) {
	value, ok := s[name]
	if !ok {
		return nil, fault.New(fault.SecretMissing, "no secret %s", name)
	}
	return []byte(value), nil
}

// secure makes the rig speak TLS. It answers the certificate, in PEM, of its
// authority.
func (r *rig) secure() string {
	r.t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate alone
	defer web.Close()
	r.listener = tls.NewListener(r.listener, &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12})
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
}

func TestTLS(t *testing.T) {
	r := listening(t)
	ca := r.secure()
	r.serve(func(line string) string { return "re: " + line + "\n" })
	args := func(name string) []byte {
		return r.args(func(a *abi.TCPOpen) {
			a.TLS = &abi.HTTPTLS{CA: abi.SecretPrefix + name, ServerName: "example.com"}
		}).Append(nil)
	}
	scope := capability.Scope{Grants: r.grants(), Secrets: secrets{"ca": ca, "none": "no-certificate-at-all"}}
	end, err := group().Open(t.Context(), scope, args("ca"))
	if err != nil {
		t.Fatal(err)
	}
	defer closeSession(t, end)
	if got, err := transact(t.Context(), end.(*Session), "on\n", 0); got != "re: on\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for name, want := range map[string]fault.Kind{"none": fault.Invalid, "missing": fault.SecretMissing} {
		if _, err := group().Open(t.Context(), scope, args(name)); !fault.Is(err, want) || strings.Contains(err.Error(), "no-certificate") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := x509.ParseCertificate(nil); err == nil {
		t.Fatal("nothing is a certificate")
	}
	_, err = group().Open(t.Context(), scope, r.args(func(a *abi.TCPOpen) { a.TLS = &abi.HTTPTLS{} }).Append(nil))
	if !fault.Is(err, fault.PeerTLS) {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	_, err = group().Open(t.Context(), capability.Scope{Grants: r.grants()}, args("ca"))
	if !fault.Is(err, fault.SecretMissing) {
		t.Errorf("no secrets: %v", err)
	}
}
