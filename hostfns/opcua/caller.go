package opcua

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/opcua/wire"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// caller knows how to connect to one server. One goroutine at a time connects.
type caller struct {
	set    *settings
	owner  string
	trust  *trust
	kept   capability.Sealed
	secret capability.Secrets // nil: there are none
	out    *egress.Revocable
	answer time.Duration // that the server has
	alive  time.Duration // the longest that a subscription is to be silent

	papers atomic.Pointer[credentials] // of the last attempt
}

// credentials are what we show to a server.
type credentials struct {
	password string
	user     *identity // nil: no user certificate
	own      *identity
}

// fetch fetches the secrets that are named, and the client's certificate. It is
// done for each connection: they may be others by then.
func (c *caller) fetch(ctx context.Context) (who *credentials, err error) {
	a := &c.set.args
	texts := []string{a.Password, a.UserCertificate, a.UserKey, a.Certificate, a.Key}
	for i, text := range texts {
		name, named := strings.CutPrefix(text, abi.SecretPrefix)
		if !named {
			continue
		}
		if c.secret == nil {
			return nil, fault.New(fault.SecretMissing, "there are no secrets here, and %s was asked for", text)
		}
		value, err := c.secret.Secret(ctx, name)
		if err != nil {
			return nil, err
		}
		texts[i] = strings.TrimRight(string(value), "\r\n")
	}
	who = &credentials{password: texts[0]}
	if texts[1] != "" {
		if who.user, err = readIdentity(texts[1], texts[2]); err != nil {
			return nil, err
		}
	}
	if texts[3] != "" {
		who.own, err = readIdentity(texts[3], texts[4])
	} else {
		who.own, err = c.trust.own(ctx, c.owner, c.kept)
	}
	return who, err
}

// own is what the client shows of itself.
func (c *caller) own() *identity { return c.papers.Load().own }

// uri is the name of the client's application: the one in its certificate.
func (i *identity) uri() string {
	if len(i.certificate.URIs) > 0 {
		return i.certificate.URIs[0].String()
	}
	return "urn:snaprail"
}

// channel opens a channel of its own.
func (c *caller) channel(ctx context.Context, sec wire.Security) (*wire.Channel, error) {
	conn, err := c.out.DialContext(ctx, "tcp", addressOf(c.set.endpoint))
	if err != nil {
		return nil, err
	}
	return wire.Open(ctx, conn, c.set.endpoint, sec)
}

// connect makes a link: the endpoints are asked for, the best of those that may
// be used is taken, and its certificate is held to what is known of the server.
func (c *caller) connect(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.answer)
	defer cancel()
	l, err := c.tryConnect(ctx)
	if err != nil {
		return nil, c.explain(err)
	}
	return l, nil
}

func (c *caller) tryConnect(ctx context.Context) (*link, error) {
	who, err := c.fetch(ctx)
	if err != nil {
		return nil, err
	}
	c.papers.Store(who)
	offers, err := c.offers(ctx)
	if err != nil {
		return nil, err
	}
	offer, err := c.choose(offers)
	if err != nil {
		return nil, err
	}
	sec := wire.Security{Policy: offer.Policy, Mode: offer.Mode}
	if !sec.None() {
		server, err := c.check(ctx, offer)
		if err != nil {
			return nil, err
		}
		sec.Server, sec.Key, sec.Certificate = server, who.own.key, who.own.certificate.Raw
	}
	ch, err := c.channel(ctx, sec)
	if err != nil {
		return nil, err
	}
	l := &link{caller: c, who: who, ch: ch, sec: sec, names: map[string]*watched{}, ids: map[uint32]*watched{}, made: make(chan struct{}, 1)}
	if err := l.logIn(ctx, offer); err != nil {
		ch.Close()
		return nil, err
	}
	if err := l.look(ctx); err != nil {
		l.close(ctx)
		return nil, err
	}
	// It has proved to have the key of the certificate: from now on it is known.
	if !sec.None() && c.set.args.ServerCertificate == "" {
		if err := c.remember(ctx, sec.Server); err != nil {
			l.close(ctx)
			return nil, err
		}
	}
	return l, nil
}

func (c *caller) remember(ctx context.Context, server *x509.Certificate) error {
	known, err := pinned(ctx, c.kept, c.set.endpoint)
	if err != nil || known != nil {
		return err
	}
	return pin(ctx, c.kept, c.set.endpoint, server)
}

// offers asks the server for its endpoints, on a channel without security. What
// they say is believed only as far as it is checked.
func (c *caller) offers(ctx context.Context) (offers []wire.Endpoint, err error) {
	ch, err := c.channel(ctx, wire.Security{Policy: ua.SecurityPolicyURINone, Mode: ua.MessageSecurityModeNone})
	if err != nil {
		return nil, err
	}
	defer ch.Close()
	err = ch.Do(ctx, wire.Request{
		Type: id.GetEndpointsRequest_Encoding_DefaultBinary, Reply: id.GetEndpointsResponse_Encoding_DefaultBinary,
		Write: func(w *wire.Writer) {
			w.Text(c.set.endpoint)
			w.Count(0)
			w.Count(0)
		},
		Read: func(r *wire.Reader) { offers = r.Endpoints() },
	})
	return offers, err
}

// choose takes the strongest endpoint that the settings allow.
func (c *caller) choose(offers []wire.Endpoint) (best wire.Endpoint, err error) {
	at := -1
	for _, o := range offers {
		if n := strength(o.Policy, o.Mode); n > at && c.allows(o) {
			best, at = o, n
		}
	}
	if at >= 0 {
		return best, nil
	}
	var have []string
	for _, o := range offers {
		if strength(o.Policy, o.Mode) >= 0 && len(have) < 16 {
			have = append(have, shortPolicy(o.Policy)+" "+modeName(o.Mode))
		}
	}
	return best, fault.New(fault.PeerTLS, "%s offers no security that may be used: it has %s", c.set.endpoint, strings.Join(have, ", ")).
		WithHint("Turn on Basic256Sha256 or better at the server, or set allow_insecure if the network is trusted.")
}

func (c *caller) allows(o wire.Endpoint) bool {
	set := c.set
	return o.IsTCP() && (set.policy == "" || set.policy == o.Policy) && (set.mode == 0 || set.mode == o.Mode) &&
		(set.args.AllowInsecure || !insecure(o.Policy))
}

func shortPolicy(uri string) string { return uri[strings.LastIndexByte(uri, '#')+1:] }

func modeName(m ua.MessageSecurityMode) string {
	switch m {
	case ua.MessageSecurityModeNone:
		return "None"
	case ua.MessageSecurityModeSign:
		return "Sign"
	case ua.MessageSecurityModeSignAndEncrypt:
		return "SignAndEncrypt"
	default:
		return "?"
	}
}

// check holds the certificate of an endpoint to what is known of the server.
func (c *caller) check(ctx context.Context, o wire.Endpoint) (*x509.Certificate, error) {
	chain, err := x509.ParseCertificates(o.Certificate)
	if err != nil || len(chain) == 0 {
		return nil, fault.New(fault.PeerTLS, "%s shows no certificate that can be read", c.set.endpoint)
	}
	server, now := chain[0], time.Now()
	public, ok := server.PublicKey.(*rsa.PublicKey)
	least := keyBits
	if insecure(o.Policy) {
		least = keyBits / 2
	}
	switch {
	case !ok || public.Size()*8 < least || public.Size()*8 > 2*keyBits:
		return nil, fault.New(fault.PeerTLS, "the certificate of %s has no RSA key of %d to %d bits", c.set.endpoint, least, 2*keyBits)
	case !c.set.args.AllowInsecure && (now.Before(server.NotBefore) || now.After(server.NotAfter)):
		return nil, fault.New(fault.PeerTLS, "the certificate of %s is valid from %s to %s, and now is %s", c.set.endpoint,
			server.NotBefore.UTC().Format(time.RFC3339), server.NotAfter.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return server, c.known(ctx, server)
}

// known holds a certificate to the one that is configured, or that was seen
// first.
func (c *caller) known(ctx context.Context, server *x509.Certificate) error {
	has := fingerprint(server)
	want := c.set.args.ServerCertificate
	switch {
	case want == "":
		first, err := pinned(ctx, c.kept, c.set.endpoint)
		if err != nil || first == nil {
			return err
		}
		want = fingerprint(first)
	case strings.Contains(want, "-----BEGIN"):
		given, err := readCertificate(want)
		if err != nil {
			return err
		}
		want = fingerprint(given)
	default:
		want = strings.ToLower(strings.ReplaceAll(want, ":", ""))
	}
	if has == want {
		return nil
	}
	return fault.New(fault.PeerTLS, "%s shows another certificate than the one that is trusted: %s, and not %s", c.set.endpoint, has, want).
		WithHint("If the server was given a new certificate, set server_certificate to %s; if not, somebody is in between.", has)
}

// explain makes a fault of what went wrong while connecting.
func (c *caller) explain(err error) error {
	if f, ok := errors.AsType[*fault.Fault](err); ok {
		if f.Kind == fault.EgressForbidden {
			return egress.At(c.set.endpoint, addressOf(c.set.endpoint), err)
		}
		return f
	}
	if _, ok := errors.AsType[net.Error](err); ok && !errors.Is(err, context.Canceled) {
		return egress.At(c.set.endpoint, addressOf(c.set.endpoint), err)
	}
	if status, ok := errors.AsType[wire.Status](err); ok {
		switch ua.StatusCode(status) {
		case ua.StatusBadUserAccessDenied, ua.StatusBadIdentityTokenInvalid, ua.StatusBadIdentityTokenRejected, ua.StatusBadUserSignatureInvalid:
			return fault.Wrap(fault.ConfigInvalid, err, "%s does not let the user in", c.set.endpoint).
				WithHint("Check the user name and the password or the certificate, and the user's rights at the server.")
		case ua.StatusBadSecurityChecksFailed, ua.StatusBadCertificateUntrusted, ua.StatusBadCertificateInvalid, ua.StatusBadCertificateURIInvalid,
			ua.StatusBadCertificateHostNameInvalid, ua.StatusBadCertificateUseNotAllowed, ua.StatusBadCertificateTimeInvalid:
			return fault.Wrap(fault.ResourceUnavailable, err, "%s does not trust this client", c.set.endpoint).
				WithHint("Trust the client's certificate at the server: its fingerprint is %s.", fingerprint(c.own().certificate))
		}
	}
	if errors.Is(err, context.Canceled) {
		return fault.Wrap(fault.Canceled, err, "%s", c.set.endpoint)
	}
	return fault.Wrap(fault.ResourceUnavailable, err, "%s does not answer as it should", c.set.endpoint)
}
