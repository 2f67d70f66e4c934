package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"

	"github.com/snaprail/snaprail/runtime/fault"
)

// pageSize is how much of a list is asked for at once.
const pageSize = 500

// PushModule uploads a module, as a stream, with its digest, so that the server
// takes in no other. manifest is a side-car that takes the place of the
// module's own; nil: none. created is false when the server had this very
// module already.
func (c *Client) PushModule(ctx context.Context, wasm io.ReadSeeker, manifest []byte) (m Module, created bool, err error) {
	digest, err := digestOf(wasm)
	if err != nil {
		return m, false, err
	}
	r := call{
		method: http.MethodPost, path: "/api/modules", query: url.Values{"sha256": {digest}},
		body: wasm, kind: "application/wasm",
	}
	if manifest != nil {
		if r.body, r.kind, err = parts(wasm, manifest); err != nil {
			return m, false, err
		}
	}
	status, err := c.exchange(ctx, r, &m)
	if err != nil {
		return m, false, err
	}
	return m, status == http.StatusCreated, nil
}

// PushExtism uploads an Extism manifest with a module in it.
func (c *Client) PushExtism(ctx context.Context, manifest io.ReadSeeker) (m Module, created bool, err error) {
	r := call{method: http.MethodPost, path: "/api/modules", body: manifest, kind: "application/json"}
	status, err := c.exchange(ctx, r, &m)
	if err != nil {
		return m, false, err
	}
	return m, status == http.StatusCreated, nil
}

// digestOf reads a module once, before it is sent.
func digestOf(wasm io.ReadSeeker) (string, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, wasm)
	if err == nil {
		_, err = wasm.Seek(0, io.SeekStart)
	}
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "cannot read the module")
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// parts is a multipart body of the manifest and the module, which is not held
// in memory.
func parts(wasm io.Reader, manifest []byte) (io.Reader, string, error) {
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	part, err := w.CreatePart(partHeader("manifest", "application/json"))
	if err == nil {
		_, err = part.Write(manifest)
	}
	if err == nil {
		_, err = w.CreatePart(partHeader("module", "application/wasm"))
	}
	if err != nil {
		return nil, "", fault.Wrap(fault.Internal, err, "upload")
	}
	tail := bytes.NewBufferString("\r\n--" + w.Boundary() + "--\r\n")
	return io.MultiReader(&head, wasm, tail), w.FormDataContentType(), nil
}

func partHeader(name, kind string) textproto.MIMEHeader {
	return textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="` + name + `"; filename="` + name + `"`},
		"Content-Type":        {kind},
	}
}

// Modules lists all modules.
func (c *Client) Modules(ctx context.Context) ([]Module, error) {
	return all[Module](ctx, c, "/api/modules", nil)
}

// Module shows a module by its digest or the first digits of it.
func (c *Client) Module(ctx context.Context, digest string) (m Module, err error) {
	err = c.do(ctx, call{method: http.MethodGet, path: "/api/modules/" + url.PathEscape(digest)}, &m)
	return m, err
}

// Difference says what changes when a module takes the place of another.
func (c *Client) Difference(ctx context.Context, from, to string) (d Difference, err error) {
	r := call{
		method: http.MethodGet, path: "/api/modules/" + url.PathEscape(to) + "/difference",
		query: url.Values{"from": {from}},
	}
	err = c.do(ctx, r, &d)
	return d, err
}

// DeleteModule removes a module that no connector uses.
func (c *Client) DeleteModule(ctx context.Context, digest string) error {
	return c.do(ctx, call{
		method: http.MethodDelete, path: "/api/modules/" + url.PathEscape(digest), header: whichever(),
	}, nil)
}

// all reads a list to its end.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	items := []T{}
	q := url.Values{}
	maps.Copy(q, query)
	q.Set("limit", strconv.Itoa(pageSize))
	for {
		var page List[T]
		if err := c.do(ctx, call{method: http.MethodGet, path: path, query: q}, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items, nil
		}
		q.Set("after", page.Next)
	}
}
