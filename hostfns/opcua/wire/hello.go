package wire

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// hello agrees with the server on what fits into a chunk.
func (c *Channel) hello(ctx context.Context) error {
	if d, ok := ctx.Deadline(); ok {
		if err := c.conn.SetDeadline(d); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.SetDeadline(time.Unix(1, 0)) }) // in the past
	defer stop()
	w := Writer{}
	w.Raw([]byte("HELF"))
	w.U32(0)
	w.U32(0)
	w.U32(chunkSize)
	w.U32(chunkSize)
	w.U32(maxMessage)
	w.U32(0)
	w.Text(c.url)
	binary.LittleEndian.PutUint32(w.dst[4:], uint32(len(w.dst)))
	if _, err := c.conn.Write(w.dst); err != nil {
		return err
	}
	chunk, err := c.chunk()
	if err != nil {
		return err
	}
	if string(chunk[:3]) != "ACK" {
		return fmt.Errorf("the server greets with %q: %w", chunk[:4], errMalformed)
	}
	r := NewReader(chunk[8:])
	r.U32()
	take := r.U32()
	r.U32()
	c.most = int(r.U32())
	if r.err != nil {
		return r.err
	}
	c.send = int(min(take, chunkSize))
	if c.send < leastChunk/8 {
		return fmt.Errorf("the server takes chunks of %d bytes: %w", take, errMalformed)
	}
	if !stop() {
		return ctx.Err()
	}
	return c.conn.SetDeadline(time.Time{})
}
