package wire

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gopcua/opcua/id"
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
