package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// File is a file that rows of a configuration refer to.
type File = spec.File

// AddFile uploads a file; mime may be "".
func (c *Client) AddFile(ctx context.Context, name, mime string, content io.Reader) (f File, err error) {
	if mime == "" {
		mime = "application/octet-stream"
	}
	err = c.do(ctx, call{
		method: http.MethodPost, path: "/api/files", query: url.Values{"name": {name}}, body: content, kind: mime,
	}, &f)
	return f, err
}

// Files lists all files.
func (c *Client) Files(ctx context.Context) ([]File, error) {
	return all[File](ctx, c, "/api/files", nil)
}

// File is what is known of a file.
func (c *Client) File(ctx context.Context, id string) (f File, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: filePath(id)}, &f)
	return f, err
}

// FileContent is a file's bytes.
func (c *Client) FileContent(ctx context.Context, id string) ([]byte, error) {
	resp, err := c.send(ctx, call{method: http.MethodGet, path: filePath(id) + "/content"})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	const most = 1 << 20
	raw, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return nil, fault.Wrap(fault.Unreachable, err, "the file broke off")
	}
	return raw, nil
}

// DeleteFile removes a file.
func (c *Client) DeleteFile(ctx context.Context, id string) error {
	return c.do(ctx, call{method: http.MethodDelete, path: filePath(id), header: whichever()}, nil)
}

func filePath(id string) string { return "/api/files/" + url.PathEscape(id) }
