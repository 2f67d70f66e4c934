package api

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// How long the rest of a refused body is read, and how much of it.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 8 << 20
)

// lingering answers before a body has come to its end, and then reads on for a
// while. A connection that is closed with bytes unread is reset, which takes
// the answer from a client that still sends; and a server that waits for the
// body first would wait for a client that does not send.
func lingering(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.Body == nil || r.Body == http.NoBody || r.ProtoMajor != 1 { // HTTP/2 ends streams, not connections
			return next(c)
		}
		conn := controller(c)
		_ = conn.EnableFullDuplex() // not every writer can
		body := &countedBody{ReadCloser: r.Body}
		r.Body = body
		c.Response().Before(func() {
			if (!body.ended || body.broken) && c.Response().Status >= http.StatusBadRequest {
				c.Response().Header().Set("Connection", "close")
			}
		})
		err := next(c)
		if body.ended || !c.Response().Committed {
			return err
		}
		_ = conn.Flush()
		_ = conn.SetReadDeadline(time.Now().Add(lingerTime)) // for net/http too, which reads on a little
		if body.begun || r.Header.Get("Expect") == "" {      // else a read would ask the client to send
			_, _ = io.CopyN(io.Discard, body, lingerBytes)
		}
		return err
	}
}

// countedBody knows how far a body was read.
type countedBody struct {
	io.ReadCloser
	begun, ended bool
	broken       bool // it ended before its end: nothing that follows is a request
}

// Read notes that the body was begun, and whether it came to its end.
func (b *countedBody) Read(p []byte) (int, error) {
	b.begun = true
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err != nil
	b.broken = b.broken || (err != nil && !errors.Is(err, io.EOF))
	return n, err
}
