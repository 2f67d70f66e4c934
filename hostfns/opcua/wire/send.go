package wire

import (
	"errors"
	"time"
)

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
