package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"os"
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
	if err == nil {
		return nil
	}
	if f := known(err); f != nil {
		return f
	}
	return noAnswer("the peer", "", err)
}

// At is Explain for who knows where: its text begins with that, which names the
// address that was dialled, and says neither of them again.
func At(where, address string, err error) *fault.Fault {
	f := known(err)
	if f == nil {
		return noAnswer(where, address, err)
	}
	at := *f
	at.Text = where + ": " + f.Text
	return &at
}

// known is the fault of an error that does not hang on who the peer is; nil: it does.
func known(err error) *fault.Fault {
	var (
		f        *fault.Fault
		timeout  interface{ Timeout() bool }
		name     *net.DNSError
		mismatch *tls.CertificateVerificationError
		op       *net.OpError
		record   tls.RecordHeaderError
		unknown  x509.UnknownAuthorityError
	)
	err = bare(err)
	switch {
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
	return nil
}

// noAnswer is what the network says of a peer, without the names of our calls, and with
// the peer's address if that is another one than was dialled.
func noAnswer(who, dialled string, err error) *fault.Fault {
	err = bare(err)
	text := err.Error()
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		inner := op.Err
		if call, ok := errors.AsType[*os.SyscallError](inner); ok {
			inner = call.Err
		}
		text = strings.Replace(text, op.Error(), inner.Error(), 1)
		if at := op.Addr.String(); at != dialled {
			who += " at " + at
		}
	}
	return fault.New(fault.ResourceUnavailable, "%s: %s", who, fault.Clip(text, maxReason)).
		WithHint("Check that the peer is up, and that its address and port are right.")
}

// bare is an error without the URL.
func bare(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}
