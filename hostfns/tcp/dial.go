package tcp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/mask"
)

// dialer makes the connections of one session.
type dialer struct {
	set  *settings
	out  *egress.Revocable
	tls  *tls.Config // nil: none
	mask *mask.Mask  // of the secrets in it; nil: there are none
}

// link is one connection.
type link struct {
	net.Conn // what is read and written

	tcp net.Conn // under it
}

func newDialer(ctx context.Context, out *egress.Egress, set *settings, scope capability.Scope) (*dialer, error) {
	rules, err := egress.NetworkRules(Name, scope.Grants)
	if err != nil {
		return nil, err
	}
	d := &dialer{set: set, out: out.Revocable(rules)}
	if set.args.TLS == nil {
		return d, nil
	}
	v := vault{secrets: scope.Secrets}
	t := egress.TLS{ServerName: set.args.TLS.ServerName}
	for _, f := range []struct {
		to   *[]byte
		from string
	}{{&t.CA, set.args.TLS.CA}, {&t.Certificate, set.args.TLS.Certificate}, {&t.Key, set.args.TLS.Key}} {
		if *f.to, err = v.fill(ctx, f.from); err != nil {
			return nil, err
		}
	}
	if len(v.known) > 0 {
		d.mask = mask.Of(v.known...)
	}
	if d.tls, err = out.TLSConfig(t); err != nil {
		return nil, d.masked(err)
	}
	if d.tls.ServerName == "" {
		d.tls.ServerName, _, _ = net.SplitHostPort(set.args.Address)
	}
	return d, nil
}

// dial makes a connection.
func (d *dialer) dial(ctx context.Context) (*link, error) {
	conn, err := d.out.DialContext(ctx, "tcp", d.set.args.Address)
	if err != nil {
		return nil, d.named(err)
	}
	if err := tune(conn, d.set); err != nil {
		return nil, errors.Join(fault.Wrap(fault.ResourceUnavailable, err, "%s", d.set.args.Address), conn.Close())
	}
	if d.tls == nil {
		return &link{Conn: conn, tcp: conn}, nil
	}
	secure := tls.Client(conn, d.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, d.named(err)
	}
	return &link{Conn: secure, tcp: conn}, nil
}

// tune sets what finds out that a peer is gone without a word.
func tune(conn net.Conn, set *settings) error {
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = inner.NetConn()
	}
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	if err := c.SetNoDelay(!set.args.Delay); err != nil {
		return err
	}
	err := c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: set.keepAlive, Interval: max(set.keepAlive/3, minKeepAlive), Count: 3})
	if err != nil {
		return err
	}
	return unconfirmed(c, 2*set.keepAlive)
}

// named is an error of the network, which says of whom it is.
func (d *dialer) named(err error) error {
	return d.masked(egress.At(d.set.args.Address, d.set.args.Address, err))
}

// masked is an error without the secrets: a peer's words may be in it.
func (d *dialer) masked(err error) error {
	if err == nil || d.mask == nil {
		return err
	}
	return d.mask.Fault(fault.Of(err))
}

// vault gets secrets, and remembers them.
type vault struct {
	secrets capability.Secrets
	known   []string
}

// fill is a text, or the secret that it names.
func (v *vault) fill(ctx context.Context, text string) ([]byte, error) {
	name, found := strings.CutPrefix(text, abi.SecretPrefix)
	switch {
	case !found:
		return []byte(text), nil
	case name == "":
		return nil, fault.New(fault.Invalid, "tcp.open: %s without a name", abi.SecretPrefix)
	case v.secrets == nil:
		return nil, fault.New(fault.SecretMissing, "there are no secrets here, and %s was asked for", fault.Clip(name, 64))
	}
	value, err := v.secrets.Secret(ctx, name)
	if err != nil {
		return nil, err
	}
	v.known = append(v.known, string(value), strings.TrimSpace(string(value)))
	return value, nil
}
