package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// Config says which server is called, and how.
type Config struct {
	Server  string        // such as http://127.0.0.1:8080
	Token   string        // "": none
	Timeout time.Duration // of one call, streams excepted; 0: none
	Agent   string        // User-Agent; "": snaprail-client
}

// Client calls one server. It is safe for use by several goroutines.
type Client struct {
	base  *url.URL
	cfg   Config
	http  *http.Client
	sleep func(context.Context, time.Duration) error
}

// New is a client of this server. It calls nothing yet.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(cfg.Server, "/"))
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") {
		return nil, fault.New(fault.Usage, "%q is not the address of a server", cfg.Server).
			WithHint("Write it as http://host:port or https://host:port.")
	}
	if cfg.Agent == "" {
		cfg.Agent = "snaprail-client"
	}
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 0, // a connection test may take its time
		MaxIdleConns:          4,
		IdleConnTimeout:       30 * time.Second,
	}
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		base: base, cfg: cfg,
		http:  &http.Client{Transport: transport, CheckRedirect: refuse},
		sleep: sleep,
	}, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Version asks the server what it is. It needs no token.
func (c *Client) Version(ctx context.Context) (v Version, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/version"}, &v)
	return v, err
}

// call is one request.
type call struct {
	method, path string
	query        url.Values
	header       http.Header
	body         io.Reader
	kind         string // content type of body
}

// do makes a call and decodes its answer into out, unless that is nil.
func (c *Client) do(ctx context.Context, r call, out any) error {
	_, err := c.exchange(ctx, r, out)
	return err
}

// exchange is do with the answer's status.
func (c *Client) exchange(ctx context.Context, r call, out any) (status int, err error) {
	if c.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.Timeout)
		defer cancel()
	}
	resp, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if out == nil {
		return resp.StatusCode, nil
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, c.unreachable(ctx, err)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return 0, fault.Wrap(fault.Internal, err, "the server's answer to %s %s", r.method, r.path)
	}
	return resp.StatusCode, nil
}

// send makes a request and sees that it was answered well. The caller closes
// the body.
func (c *Client) send(ctx context.Context, r call) (*http.Response, error) {
	u := *c.base
	u.Path, u.RawPath = "", ""
	target := u.String() + c.base.EscapedPath() + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, r.body)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "request")
	}
	maps.Copy(req.Header, r.header)
	if r.kind != "" {
		req.Header.Set("Content-Type", r.kind)
	}
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	req.Header.Set("User-Agent", c.cfg.Agent)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if isProblem(resp) {
		defer resp.Body.Close()
		return nil, asFault(resp)
	}
	return resp, nil
}

// unreachable tells a call that was given up from one that found nobody.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if known, ok := errors.AsType[*fault.Fault](err); ok { // of the body that was sent
		return known
	}
	if ctx.Err() != nil {
		return fault.Of(ctx.Err())
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the method and the address are said already
	}
	return fault.Wrap(fault.Unreachable, err, "cannot reach %s", c.base.Redacted())
}

// jsonBody is a body of JSON.
func jsonBody(raw []byte) (io.Reader, string) { return bytes.NewReader(raw), "application/json" }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return fault.Of(ctx.Err())
	case <-t.C:
		return nil
	}
}
