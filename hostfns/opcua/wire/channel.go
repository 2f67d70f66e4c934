package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uapolicy"
)

// The bounds of a channel.
const (
	chunkSize  = 64 << 10 // bytes of one chunk, either way
	leastChunk = 8 << 10  // that the standard asks of a server
	maxMessage = 4 << 20  // bytes of a reply
	maxWaiting = 256      // requests under way

	sequenceHeader = 8
	writeTime      = 10 * time.Second
	lifetime       = 10 * time.Minute // of a token, asked for
)

// Status is what a server answered instead of a reply.
type Status uint32

// Error is the name of the status.
func (s Status) Error() string {
	if d, ok := ua.StatusCodes[ua.StatusCode(s&0xffff0000)]; ok {
		return d.Name
	}
	return fmt.Sprintf("status 0x%08X", uint32(s))
}

// errClosed is why the calls of a channel end that was closed.
var errClosed = errors.New("the channel is closed")

// Channel is a secure channel on a connection. It is safe for use by several
// goroutines.
type Channel struct {
	conn net.Conn
	url  string
	sec  Security
	send int // bytes of a chunk that the server takes
	most int // bytes of a message that the server takes; 0: any

	stop  context.CancelFunc // ends what runs beside the reader
	done  chan struct{}      // closed when the reader has returned
	group sync.WaitGroup

	writing  sync.Mutex // one message at a time
	sequence uint32

	mu      sync.Mutex // guards what follows
	err     error
	request uint32
	waiting map[uint32]*waiter
	opening *box
	tokens  [2]token // the newest first
}

type token struct {
	channel, id uint32
	in, out     *box
}

// waiter gets the reply to one request.
type waiter struct {
	parts []byte
	reply chan answer
	// used is closed when the reply has been made use of; nil: nobody waits for that.
	used chan struct{}
}

type answer struct {
	body []byte
	err  error
}

// Open makes a channel of a connection, which it owns from then on. url is what
// the server is told that it was asked for.
func Open(ctx context.Context, conn net.Conn, url string, sec Security) (*Channel, error) {
	c := &Channel{
		conn: conn, url: url, sec: sec, done: make(chan struct{}),
		waiting: map[uint32]*waiter{},
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = stop
	if err := c.hello(ctx); err != nil {
		stop()
		_ = conn.Close() // it is of no use
		return nil, err
	}
	go c.read()
	life, err := c.open(ctx, issue)
	if err != nil {
		c.Close()
		return nil, err
	}
	c.group.Go(func() { c.renew(background, life) })
	return c, nil
}

// Done is closed when the channel is broken or closed.
func (c *Channel) Done() <-chan struct{} { return c.done }

// Err says why the channel is of no use any more.
func (c *Channel) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close closes the connection, with a word to the server if that is possible at
// once, and waits for the channel's goroutines.
func (c *Channel) Close() {
	c.mu.Lock()
	open := c.err == nil && c.tokens[0].out != nil
	c.mu.Unlock()
	c.stop()
	if open {
		w := Writer{}
		w.typeID(id.CloseSecureChannelRequest_Encoding_DefaultBinary)
		w.header(nil, 0, 0)
		_ = c.write("CLO", 0, w.dst, time.Now().Add(200*time.Millisecond)) // it is closed all the same
	}
	c.fail(errClosed)
	<-c.done
	c.group.Wait()
}

// fail ends everything for the first reason there is.
func (c *Channel) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	for at, w := range c.waiting {
		delete(c.waiting, at)
		w.reply <- answer{err: c.err}
	}
	_ = c.conn.Close() // again and again, as it may be
}

// Request is one service called.
type Request struct {
	Type  uint16 // of the request
	Reply uint16 // of its reply
	Token []byte // of the session
	Write func(w *Writer)
	Read  func(r *Reader) // nil: nothing of interest
}

// Do sends a request and reads its reply. The error is a Status when the server
// refused it, and the context's when that ended first; any other means that the
// channel is broken.
func (c *Channel) Do(ctx context.Context, q Request) error {
	handle, w, err := c.enter()
	if err != nil {
		return err
	}
	defer c.leave(handle)
	body := Writer{}
	body.typeID(q.Type)
	body.header(q.Token, handle, hint(ctx))
	q.Write(&body)
	if err := c.write("MSG", handle, body.dst, deadline(ctx)); err != nil {
		if errors.Is(err, errRequestTooLarge) {
			return err
		}
		c.fail(err)
		return err
	}
	select {
	case a := <-w.reply:
		if a.err != nil {
			return a.err
		}
		return readReply(a.body, q)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readReply reads the body of a reply. A server that sends what cannot be read
// has not answered.
func readReply(body []byte, q Request) error {
	r := NewReader(body)
	kind := r.Node()
	r.U64()
	r.U32()
	status := Status(r.U32())
	r.skipDiagnostic()
	for range r.Count(4) {
		r.Bytes()
	}
	r.SkipExtension()
	switch {
	case r.err != nil:
		return r.err
	case status&0x80000000 != 0:
		return status
	case kind != fmt.Sprintf("i=%d", q.Reply):
		return fmt.Errorf("the server answered with a message of type %s: %w", kind, errMalformed)
	}
	if q.Read != nil {
		q.Read(r)
	}
	return r.err
}

func hint(ctx context.Context) time.Duration {
	if d, ok := ctx.Deadline(); ok {
		return max(time.Until(d), 0)
	}
	return 0
}

func deadline(ctx context.Context) time.Time {
	latest := time.Now().Add(writeTime)
	if d, ok := ctx.Deadline(); ok && d.Before(latest) {
		return d
	}
	return latest
}

func (c *Channel) enter() (uint32, *waiter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	if len(c.waiting) >= maxWaiting {
		return 0, nil, errors.New("too many requests wait for the server")
	}
	c.request++
	if c.request == 0 {
		c.request = 1
	}
	w := &waiter{reply: make(chan answer, 1)}
	c.waiting[c.request] = w
	return c.request, w, nil
}

func (c *Channel) leave(handle uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, handle)
}

var errRequestTooLarge = errors.New("the request is larger than the server takes")

// write sends a message in as many chunks as it needs.
func (c *Channel) write(kind string, handle uint32, body []byte, until time.Time) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	t := c.tokens[0]
	c.mu.Unlock()
	if c.most > 0 && len(body) > c.most {
		return errRequestTooLarge
	}
	h := Writer{}
	h.Raw([]byte(kind + "C"))
	h.U32(0)
	h.U32(t.channel)
	h.U32(t.id)
	room := t.out.room(c.send, len(h.dst))
	for first := true; first || len(body) > 0; first = false {
		part := body[:min(len(body), room)]
		if body = body[len(part):]; len(body) == 0 {
			h.dst[3] = 'F'
		}
		if err := c.writeChunk(t.out, h.dst, handle, part, until); err != nil {
			return err
		}
	}
	return nil
}

func (c *Channel) writeChunk(b *box, header []byte, handle uint32, part []byte, until time.Time) error {
	c.sequence++
	if c.sequence > 1<<32-1024 {
		c.sequence = 1
	}
	w := Writer{}
	w.U32(c.sequence)
	w.U32(handle)
	w.Raw(part)
	chunk, err := b.seal(header, w.dst)
	if err != nil {
		return err
	}
	if err := c.conn.SetWriteDeadline(until); err != nil {
		return err
	}
	_, err = c.conn.Write(chunk)
	return err
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
