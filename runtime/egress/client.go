package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of the connections that a client keeps.
const (
	maxIdle          = 8
	maxIdlePerHost   = 2
	idleTimeout      = 30 * time.Second
	handshakeTimeout = 10 * time.Second
	streamBuffer     = 1 << 20 // bytes in flight on one HTTP/2 stream
)

// TLS is what a client asks of TLS beyond the system's ways, in PEM.
type TLS struct {
	CA          []byte // authorities beside the system's
	Certificate []byte // the client's, with its chain
	Key         []byte
	ServerName  string // to expect; empty: the URL's host
}

// Client is an HTTP client under these rules. It keeps connections of its own:
// whoever is done with it calls CloseIdleConnections. Its errors are best read by
// Explain. Bodies come decoded (gzip alone is asked for) and end in a TooLarge
// beyond the bound; a body that is not read to its end has to be closed.
func (e *Egress) Client(r Rules) *http.Client {
	return e.client(r, e.tlsConfig())
}

// TLSClient is Client with TLS of its own. The error is an Invalid.
func (e *Egress) TLSClient(r Rules, t TLS) (*http.Client, error) {
	cfg, err := e.TLSConfig(t)
	if err != nil {
		return nil, err
	}
	return e.client(r, cfg), nil
}

// TLSConfig is what TLSClient speaks TLS by, for whoever speaks another protocol
// over a connection of a Dialer: it names the peer itself, where t does not. The
// error is an Invalid.
func (e *Egress) TLSConfig(t TLS) (*tls.Config, error) {
	cfg := e.tlsConfig()
	cfg.ServerName = t.ServerName
	if len(t.CA) > 0 {
		roots, err := e.roots()
		if err != nil {
			return nil, err
		}
		if !roots.AppendCertsFromPEM(t.CA) {
			return nil, fault.New(fault.Invalid, "the CA holds no certificate in PEM")
		}
		cfg.RootCAs = roots
	}
	if len(t.Certificate) > 0 || len(t.Key) > 0 {
		pair, err := tls.X509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the client's certificate and key")
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func (e *Egress) tlsConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.cfg.Roots}
}

// roots is a pool to add to.
func (e *Egress) roots() (*x509.CertPool, error) {
	if e.cfg.Roots != nil {
		return e.cfg.Roots.Clone(), nil
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fault.Wrap(fault.PeerTLS, err, "the system's authorities")
	}
	return roots, nil
}

func (e *Egress) client(r Rules, cfg *tls.Config) *http.Client {
	return &http.Client{
		Timeout:       e.cfg.Timeout,
		CheckRedirect: checkRedirect,
		Transport: &transport{egress: e, rules: r, base: &http.Transport{
			Proxy: nil, DialContext: e.Dialer(r).DialContext, TLSClientConfig: cfg, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: handshakeTimeout, IdleConnTimeout: idleTimeout,
			MaxIdleConns: maxIdle, MaxIdleConnsPerHost: maxIdlePerHost,
			MaxResponseHeaderBytes: MaxHeaders, DisableCompression: true,
			HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: streamBuffer},
		}},
	}
}

// transport holds each request, and so each hop of a chain, to the rules.
type transport struct {
	egress *Egress
	rules  Rules
	base   *http.Transport
}

// RoundTrip implements http.RoundTripper. What is sent is the canonical form of
// the URL, since that is what was allowed.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	out, err := t.prepare(r)
	var release func()
	if err == nil {
		release, err = t.egress.enter(r.Context(), t.rules.places)
	}
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // a RoundTripper closes it, whatever happens
		}
		return nil, err
	}
	resp, err := t.base.RoundTrip(out)
	if err != nil {
		release()
		return nil, err
	}
	body, err := newBody(resp, t.egress.cfg.MaxBody, release)
	if err != nil {
		release()
		return nil, errors.Join(err, resp.Body.Close())
	}
	resp.Body, resp.Request = body, r
	return resp, nil
}

// prepare is the request as it may be sent.
func (t *transport) prepare(r *http.Request) (*http.Request, error) {
	u, err := canonical(r.URL)
	if err != nil {
		return nil, err
	}
	if err := t.rules.Check(r.Method, u); err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.URL, out.Host = u, u.Host
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "snaprail")
	}
	out.Header.Set("Accept-Encoding", "gzip")
	if out.Header.Get("Range") != "" {
		out.Header.Set("Accept-Encoding", "identity") // a part of a gzip is none
	}
	return out, nil
}

// CloseIdleConnections is found by http.Client.
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// enter takes a place among the requests under way: first one of the owner's own,
// for which nobody else waits.
func (e *Egress) enter(ctx context.Context, own Places) (release func(), err error) {
	done := func() {}
	if own != nil {
		if done, err = own.Request(ctx); err != nil {
			return nil, err
		}
	}
	select {
	case e.slots <- struct{}{}:
		return func() {
			<-e.slots
			done()
		}, nil
	case <-ctx.Done():
		done()
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		return nil, fault.New(fault.Exhausted, "the server has too many requests under way")
	}
}

// checkRedirect is asked before each hop but the first; the rules are asked at
// the hop itself.
func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > MaxRedirects {
		return fault.New(fault.EgressForbidden, "more than %d redirects", MaxRedirects).
			WithHint("Ask for the last address in the chain.")
	}
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return fault.New(fault.EgressForbidden, "a redirect from https to %s", r.URL.Scheme).
			WithHint("Ask for an address that answers over https itself.")
	}
	first := via[0].URL
	away := slices.ContainsFunc(append(via[1:len(via):len(via)], r), func(hop *http.Request) bool {
		return !sameOrigin(first.Scheme, first.Host, hop.URL.Scheme, hop.URL.Host)
	})
	if !away {
		return nil
	}
	for name := range r.Header {
		if !isHarmless(name) {
			delete(r.Header, name) // as it is spelled
		}
	}
	return nil
}

// sameOrigin reports whether credentials for one host are good for another: the
// same host and port, or the way from http to https on the ports of both.
func sameOrigin(schemeA, hostA, schemeB, hostB string) bool {
	if schemeA == schemeB {
		return strings.EqualFold(hostA, hostB)
	}
	return strings.EqualFold(strings.TrimSuffix(hostA, ":80"), strings.TrimSuffix(hostB, ":443")) &&
		!strings.Contains(strings.TrimSuffix(hostA, ":80"), ":")
}

// isHarmless reports whether a header says nothing of who asks, so that it may go
// to another host. All others may hold a key: there are too many names for those.
func isHarmless(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Accept", "Accept-Encoding", "Accept-Language", "Content-Encoding", "Content-Language", "Content-Type",
		"Range", "User-Agent", "If-None-Match", "If-Modified-Since":
		return true
	}
	return false
}
