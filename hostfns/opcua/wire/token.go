package wire

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// token is a name that the server gave the channel for some time, with what protects the
// messages that bear it.
type token struct {
	channel, id uint32
	in, out     *box
}

// The ways to ask for a token.
const (
	issue = uint32(ua.SecurityTokenRequestTypeIssue)
	again = uint32(ua.SecurityTokenRequestTypeRenew)
)

// open asks for a token, and uses it from then on.
func (c *Channel) open(ctx context.Context, how uint32) (time.Duration, error) {
	algo, err := c.sec.asymmetric()
	if err != nil {
		return 0, err
	}
	outer := &box{algo: algo, sign: !c.sec.None(), encrypt: !c.sec.None(), asymmetric: true}
	nonce, err := algo.MakeNonce()
	if err != nil {
		return 0, err
	}
	handle, w, err := c.enter()
	if err != nil {
		return 0, err
	}
	defer c.leave(handle)
	used := make(chan struct{})
	defer close(used)
	c.mu.Lock()
	w.used = used
	c.opening = outer
	channel := c.tokens[0].channel
	c.mu.Unlock()
	if err := c.writeOpen(ctx, outer, channel, handle, how, nonce); err != nil {
		c.fail(err)
		return 0, err
	}
	select {
	case a := <-w.reply:
		if a.err != nil {
			return 0, a.err
		}
		return c.opened(a.body, nonce)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (c *Channel) writeOpen(ctx context.Context, b *box, channel, handle, how uint32, nonce []byte) error {
	h := Writer{}
	h.Raw([]byte("OPNF"))
	h.U32(0)
	h.U32(channel)
	h.Text(c.sec.Policy)
	if c.sec.None() {
		h.Bytes(nil)
		h.Bytes(nil)
	} else {
		h.Bytes(c.sec.Certificate)
		h.Bytes(thumbprint(c.sec.Server))
	}
	body := Writer{}
	body.typeID(id.OpenSecureChannelRequest_Encoding_DefaultBinary)
	body.header(nil, handle, hint(ctx))
	body.U32(0)
	body.U32(how)
	body.U32(uint32(c.sec.Mode))
	if c.sec.None() {
		nonce = nil
	}
	body.Bytes(nonce)
	body.U32(uint32(lifetime.Milliseconds()))
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.writeChunk(b, h.dst, handle, body.dst, deadline(ctx))
}

// opened takes the token that the server gave.
func (c *Channel) opened(body, nonce []byte) (life time.Duration, err error) {
	var t token
	var server []byte
	err = readReply(body, Request{Reply: id.OpenSecureChannelResponse_Encoding_DefaultBinary, Read: func(r *Reader) {
		r.U32()
		t.channel, t.id = r.U32(), r.U32()
		r.U64()
		life = time.Duration(r.U32()) * time.Millisecond
		server = bytes.Clone(r.Bytes())
	}})
	if err != nil {
		return 0, err
	}
	if !c.sec.None() && len(server) != len(nonce) {
		return 0, errSecurity
	}
	algo, err := uapolicy.Symmetric(c.sec.Policy, nonce, server)
	if err != nil {
		return 0, err
	}
	b := &box{algo: algo, sign: !c.sec.None(), encrypt: c.sec.Mode == ua.MessageSecurityModeSignAndEncrypt}
	t.in, t.out = b, b
	if t.out.room(c.send, 16) < 1024 {
		return 0, fmt.Errorf("the server takes chunks of %d bytes: %w", c.send, errMalformed)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[1], c.tokens[0] = c.tokens[0], t
	return life, nil
}

// renew gets a new token in time, again and again.
func (c *Channel) renew(ctx context.Context, life time.Duration) {
	for {
		wait := time.NewTimer(min(max(life, 10*time.Second), lifetime) * 3 / 4)
		select {
		case <-wait.C:
		case <-c.done:
			wait.Stop()
			return
		case <-ctx.Done():
			wait.Stop()
			return
		}
		call, cancel := context.WithTimeout(ctx, writeTime)
		var err error
		life, err = c.Renew(call)
		cancel()
		if err != nil {
			return
		}
	}
}

// Renew gets a new token, which happens by itself in time. It answers how long
// that is good for. A channel that cannot be renewed is broken.
func (c *Channel) Renew(ctx context.Context) (time.Duration, error) {
	life, err := c.open(ctx, again)
	if err != nil {
		err = fmt.Errorf("the channel could not be renewed: %w", err)
		c.fail(err)
	}
	return life, err
}
