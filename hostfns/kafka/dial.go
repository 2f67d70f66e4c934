package kafka

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// dialer opens the connections of one session. The library keeps its errors to
// itself and tries again: the last one is remembered here, to be told.
type dialer struct {
	out    *egress.Revocable
	tls    *tls.Config // nil: none
	grants atomic.Pointer[[]spec.Grant]
	topic  string
	log    *slog.Logger
	guard  *guard

	mu     sync.Mutex
	failed map[string]*fault.Fault // by address, while it fails
}

// maxFailed bounds the addresses that are remembered: a broker may advertise any
// number.
const maxFailed = 64

// maxAddress bounds what a broker may say that an address is, in bytes.
const maxAddress = 300

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if len(address) > maxAddress {
		return nil, fault.New(fault.EgressForbidden, "a broker is said to be at %s…, which is no address", address[:maxAddress])
	}
	conn, err := d.open(ctx, network, address)
	if err != nil && (over(ctx) || fault.Is(err, fault.Canceled)) {
		return nil, err // nobody waits any more
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		delete(d.failed, address)
		return d.guard.wrap(conn), nil
	}
	f := fault.Of(err)
	if _, known := d.failed[address]; !known {
		d.log.Warn("kafka broker not reached", "address", address, "error", f)
	}
	if len(d.failed) >= maxFailed {
		clear(d.failed)
	}
	d.failed[address] = f
	return nil, f
}

// over reports whether the time of a dial is up: its deadline may be noticed
// before ctx knows of it.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) <= 0
}

func (d *dialer) open(ctx context.Context, network, address string) (net.Conn, error) {
	if err := d.allow(address); err != nil {
		return nil, err
	}
	conn, err := d.out.DialContext(ctx, network, address)
	if err != nil {
		return nil, egress.At("the broker "+address, address, err)
	}
	if d.tls == nil {
		return conn, nil
	}
	cfg := d.tls.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(address)
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, egress.At("the broker "+address, address, err)
	}
	return secure, nil
}

// allow refuses an address that no grant covers: brokers say where the others
// are, and may lie.
func (d *dialer) allow(address string) error {
	canonical, err := broker(address)
	if err == nil && granted(*d.grants.Load(), canonical, d.topic) {
		return nil
	}
	shown := fault.Clip(address, 256)
	resource := resourceOf(shown, d.topic)
	return fault.New(fault.EgressForbidden, "a broker is said to be at %s, and no grant covers %q", shown, resource).
		WithHint("If this is a broker of the cluster: `snaprail grants add CONNECTOR kafka %q`, with --write to produce there; if not, somebody leads this connector astray.", resource)
}

// trouble is what is wrong with an address that was dialled last; one that may
// not be reached before one that cannot. nil: nothing.
func (d *dialer) trouble() *fault.Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found *fault.Fault
	for _, f := range d.failed {
		if found == nil || mayHelp(found) && !mayHelp(f) {
			found = f
		}
	}
	return found
}
