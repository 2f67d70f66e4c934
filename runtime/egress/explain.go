package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
)

// maxReason bounds what an error says of the network's own words, in bytes.
const maxReason = 512

// Explain is an error of a client, or of reading a body, as a fault: Denied or
// EgressForbidden for what may not be asked, TooLarge, Timeout, PeerTLS, and
// ResourceUnavailable for all that the network can do. It does not repeat the URL,
// which may hold what is secret.
func Explain(err error) error {
	var (
		f        *fault.Fault
		timeout  interface{ Timeout() bool }
		name     *net.DNSError
		outer    *url.Error
		mismatch *tls.CertificateVerificationError
		op       *net.OpError
		record   tls.RecordHeaderError
		unknown  x509.UnknownAuthorityError
	)
	if errors.As(err, &outer) {
		err = outer.Err // without the URL
	}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return f
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Canceled, err, "the request was cancelled")
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Timeout, "the peer did not answer in time").
			WithHint("Check that the peer is up, or allow the request more time.")
	case errors.As(err, &name):
		return fault.New(fault.ResourceUnavailable, "the name %s was not resolved: %s", name.Name, name.Err).
			WithHint("Check the spelling of the host, and the server's DNS.")
	case errors.As(err, &mismatch), errors.As(err, &record), errors.As(err, &unknown),
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"): // an alert, of no type that is exported
		return fault.New(fault.PeerTLS, "TLS with the peer: %s", fault.Clip(err.Error(), maxReason))
	case strings.Contains(err.Error(), "response headers exceeded"), strings.Contains(err.Error(), "header list larger"):
		return fault.New(fault.TooLarge, "the reply's headers are larger than %d bytes", MaxHeaders)
	}
	return fault.New(fault.ResourceUnavailable, "the peer: %s", fault.Clip(err.Error(), maxReason)).
		WithHint("Check that the peer is up, and that its address and port are right.")
}
