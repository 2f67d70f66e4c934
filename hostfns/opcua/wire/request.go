package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gopcua/opcua/ua"
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

// waiter gets the reply to one request.
type waiter struct {
	parts []byte
	reply chan answer
	// used is closed when the reply has been made use of; nil: nobody waits for that.
	used chan struct{}
}

// answer is the body of a whole reply, or why there is none.
type answer struct {
	body []byte
	err  error
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
