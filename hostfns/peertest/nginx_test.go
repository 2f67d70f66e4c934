package peertest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"
)

func TestNginx(t *testing.T) {
	n := StartNginx(t, `location /teapot { return 418; }`)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(n.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for address, proto := range map[string]int{n.HTTP: 1, n.HTTPS: 2} {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/teapot", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		p, err := transport.RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		if _ = p.Body.Close(); p.StatusCode != 418 || p.ProtoMajor != proto {
			t.Errorf("%s: %d, HTTP/%d", address, p.StatusCode, p.ProtoMajor)
		}
	}
}
