package http

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	nethttp "net/http"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
)

// firstRoom is how much a reply of unknown length gets to begin with, in bytes;
// doubled again and again, it comes to the most with one byte to see its end.
const firstRoom = 4<<10 + 1

// outcome is what one attempt came to.
type outcome struct {
	reply *abi.HTTPResponse
	after time.Duration // what the peer asked to wait
	sent  bool          // the peer may have seen the request
	err   error
}

// exchange sends the request, again if that is asked for, of use and safe, until
// a reply is good enough or the time is used up.
func (x *exchange) exchange(ctx context.Context) (*abi.HTTPResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, egress.Timeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		o := x.attempt(ctx)
		if o.reply != nil {
			o.reply.Attempts = uint32(attempt)
		}
		if attempt > x.retries || !x.mayRepeat(o) || !pause(ctx, max(x.delay, o.after)) {
			return o.reply, o.err
		}
	}
}

// mayRepeat reports whether another attempt can help, and does no harm.
func (x *exchange) mayRepeat(o outcome) bool {
	if o.err != nil {
		kind := fault.Of(egress.Explain(o.err)).Kind
		return (kind == fault.ResourceUnavailable || kind == fault.Timeout) && (!o.sent || x.isIdempotent())
	}
	switch o.reply.Status {
	case nethttp.StatusTooManyRequests, nethttp.StatusBadGateway, nethttp.StatusServiceUnavailable, nethttp.StatusGatewayTimeout:
		return x.isIdempotent()
	}
	return false
}

// isIdempotent reports whether the request may come to the peer twice.
func (x *exchange) isIdempotent() bool {
	switch x.method {
	case nethttp.MethodGet, nethttp.MethodHead, nethttp.MethodOptions, nethttp.MethodPut, nethttp.MethodDelete:
		return true
	}
	return x.header.Get("Idempotency-Key") != ""
}

// pause waits, unless ctx would end before that.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt sends the request once, and reads the whole reply.
func (x *exchange) attempt(ctx context.Context) outcome {
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	r, err := nethttp.NewRequestWithContext(traced, x.method, x.url.String(), bytes.NewReader(x.body))
	if err != nil {
		return outcome{err: fault.Wrap(fault.Invalid, err, "http.request")}
	}
	r.Header = x.header.Clone()
	client := *x.client
	client.CheckRedirect = x.checkRedirect
	resp, err := client.Do(r)
	if err != nil {
		return outcome{err: err, sent: sent.Load()}
	}
	defer resp.Body.Close()
	reply, err := x.read(resp)
	return outcome{reply: reply, err: err, sent: true, after: retryAfter(resp)}
}

// checkRedirect lets the guest have fewer redirects than the host follows.
func (x *exchange) checkRedirect(r *nethttp.Request, via []*nethttp.Request) error {
	if x.redirects == 0 {
		return nethttp.ErrUseLastResponse
	}
	if len(via) > x.redirects {
		return fault.New(fault.EgressForbidden, "more than %d redirects", x.redirects).
			WithHint("Ask for the last address in the chain.")
	}
	return x.client.CheckRedirect(r, via)
}

// read is the reply with its body, free of secrets.
func (x *exchange) read(resp *nethttp.Response) (*abi.HTTPResponse, error) {
	body, err := x.readBody(resp)
	if err != nil {
		return nil, err
	}
	if encoding := resp.Header.Get("Content-Encoding"); x.mask != nil && len(body) > 0 && encoding != "" && encoding != "identity" {
		return nil, fault.New(fault.Unsupported, "the reply is encoded as %q, in which secrets cannot be looked for", fault.Clip(encoding, maxMethod))
	}
	headers, err := x.headersOf(resp.Header)
	if err != nil {
		return nil, err
	}
	return &abi.HTTPResponse{
		Status: uint32(resp.StatusCode), Headers: headers,
		URL: x.mask.Text(resp.Request.URL.String()), Body: x.mask.Bytes(body),
	}, nil
}

// readBody reads up to what the guest wants at most; egress bounds it as well.
func (x *exchange) readBody(resp *nethttp.Response) ([]byte, error) {
	room := int64(firstRoom)
	if resp.ContentLength > 0 {
		room = min(resp.ContentLength, egress.MaxBody) + 1 // one byte to see its end
	}
	x.hold.release() // of the attempt before
	if err := x.hold.grow(int(room)); err != nil {
		return nil, err
	}
	buf := make([]byte, 0, room)
	for {
		n, err := resp.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case x.maxBody > 0 && uint64(len(buf)) > x.maxBody:
			return nil, fault.New(fault.TooLarge, "the reply's body is larger than the %d bytes that were asked for", x.maxBody)
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return nil, err
		}
		if len(buf) == cap(buf) {
			more := max(min(len(buf), egress.MaxBody+1-len(buf)), 1)
			if err := x.hold.grow(len(buf) + more); err != nil {
				return nil, err
			}
			buf = slices.Grow(buf, more)
		}
	}
}

// headersOf lists the headers by name, but for those that are about the
// connection.
func (x *exchange) headersOf(h nethttp.Header) ([]abi.Header, error) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	var list []abi.Header
	for _, name := range names {
		switch name {
		case "Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade", "Proxy-Authenticate":
			continue
		}
		for _, value := range h[name] {
			list = append(list, abi.Header{Name: fault.Clip(name, maxHeaders), Value: []byte(x.mask.Text(value))})
		}
	}
	if len(list) > abi.MaxHeaders {
		return nil, fault.New(fault.TooLarge, "the reply has %d headers, and %d are handed on", len(list), abi.MaxHeaders)
	}
	return list, nil
}

// retryAfter is what a reply asks to wait, in seconds.
func retryAfter(resp *nethttp.Response) time.Duration {
	seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
