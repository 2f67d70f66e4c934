package wire

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
)

// chunk reads one chunk, which is at most chunkSize long.
func (c *Channel) chunk() ([]byte, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(c.conn, head); err != nil {
		return nil, err
	}
	r := NewReader(head[4:])
	size := int(r.U32())
	if size < len(head) || size > chunkSize {
		return nil, fmt.Errorf("a chunk of %d bytes: %w", size, errMalformed)
	}
	chunk := append(make([]byte, 0, size), head...)[:size]
	if _, err := io.ReadFull(c.conn, chunk[8:]); err != nil {
		return nil, err
	}
	if string(head[:3]) != "ERR" {
		return chunk, nil
	}
	r = NewReader(chunk[8:])
	status := Status(r.U32())
	if text := r.Text(); text != "" {
		return nil, fmt.Errorf("%w: %.200s", status, text)
	}
	return nil, status
}

// read hands replies to those who wait for them, until the connection ends.
func (c *Channel) read() {
	defer close(c.done)
	defer func() {
		if p := recover(); p != nil { // of the cryptography: a peer must not end the process
			c.fail(fmt.Errorf("a message could not be opened: %v", p))
		}
	}()
	for {
		chunk, err := c.chunk()
		if err == nil {
			err = c.take(chunk)
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the server has closed the connection")
			}
			c.fail(err)
			return
		}
	}
}

// take opens a chunk and puts it to the others of its message. Behind a new token it
// waits until that is known: the server may protect its next message by it.
func (c *Channel) take(chunk []byte) error {
	b, n, err := c.boxOf(chunk)
	if err != nil {
		return err
	}
	body, err := b.open(chunk, n)
	if err != nil {
		return err
	}
	r := NewReader(body)
	r.U32()
	handle := r.U32()
	if r.err != nil {
		return r.err
	}
	used, err := c.hand(handle, chunk[3], r)
	if used != nil {
		<-used
	}
	return err
}

// hand gives a part of a reply to who waits for it. used, if there is one, is to be
// waited for when the reply was whole.
func (c *Channel) hand(handle uint32, part byte, r *Reader) (used <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, ok := c.waiting[handle]
	if !ok {
		return nil, nil // nobody waits any more
	}
	switch part {
	case 'C':
		if c.held()+r.Len() > maxMessage {
			return nil, fmt.Errorf("a reply of more than %d bytes: %w", maxMessage, errMalformed)
		}
		w.parts = append(w.parts, r.src...)
		return nil, nil
	case 'F':
		delete(c.waiting, handle)
		w.reply <- answer{body: append(w.parts, r.src...)}
	case 'A':
		delete(c.waiting, handle)
		w.reply <- answer{err: Status(r.U32())}
	default:
		return nil, errMalformed
	}
	return w.used, nil
}

// held is how much of unfinished replies there is. mu must be held.
func (c *Channel) held() (n int) {
	for _, w := range c.waiting {
		n += len(w.parts)
	}
	return n
}

// boxOf finds what a chunk is protected by, and the length of its header.
func (c *Channel) boxOf(chunk []byte) (*box, int, error) {
	r := NewReader(chunk[8:])
	channel := r.U32()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch string(chunk[:3]) {
	case "MSG":
		id := r.U32()
		for i := range c.tokens {
			if t := &c.tokens[i]; t.in != nil && t.channel == channel && t.id == id && r.err == nil {
				return t.in, 16, nil
			}
		}
		return nil, 0, errSecurity
	case "OPN":
		policy, sender := r.Text(), r.Bytes()
		r.Bytes()
		if r.err != nil || policy != c.sec.Policy || c.opening == nil {
			return nil, 0, errSecurity
		}
		if !c.sec.None() && !sameCertificate(sender, c.sec.Server) {
			return nil, 0, errSecurity
		}
		return c.opening, len(chunk) - r.Len(), nil
	case "CLO":
		return nil, 0, io.EOF
	}
	return nil, 0, errMalformed
}

// sameCertificate reports whether a chain begins with a certificate.
func sameCertificate(chain []byte, c *x509.Certificate) bool {
	return c != nil && bytes.HasPrefix(chain, c.Raw)
}
