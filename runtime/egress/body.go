package egress

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/snaprail/snaprail/runtime/fault"
)

// body is a reply's body: decoded, and bounded both before that and after.
type body struct {
	raw     io.ReadCloser // from the connection
	gzip    bool
	plain   io.Reader // nil until the first Read
	left    int64     // bytes that may still come
	most    int64
	release func() // gives the request's place back, once
	err     error  // that ended it
}

// newBody takes the place of resp.Body. It fails for one that says that it is too
// large.
func newBody(resp *http.Response, most int64, release func()) (*body, error) {
	b := &body{raw: resp.Body, left: most, most: most, release: sync.OnceFunc(release)}
	if resp.Request.Method == http.MethodHead || resp.ContentLength == 0 {
		return b, nil
	}
	if isGzip(resp.Header.Values("Content-Encoding")) {
		b.gzip = true
		resp.Header.Del("Content-Encoding")
		resp.Header.Del("Content-Length")
		resp.ContentLength, resp.Uncompressed = -1, true
	}
	if resp.ContentLength > most && !isRedirect(resp.StatusCode) {
		return nil, b.tooLarge()
	}
	return b, nil
}

// isGzip reports whether a body is one gzip. What is encoded in another way is
// handed on as it is, with the header that says so.
func isGzip(encodings []string) bool {
	if len(encodings) != 1 {
		return false
	}
	switch strings.ToLower(strings.TrimSpace(encodings[0])) {
	case "gzip", "x-gzip":
		return true
	}
	return false
}

// isRedirect reports whether nobody may want the body.
func isRedirect(status int) bool { return status >= 300 && status < 400 }

func (b *body) tooLarge() error {
	return fault.New(fault.TooLarge, "the reply's body is larger than %d bytes", b.most).
		WithHint("Ask for less at once, as by a page or a range.")
}

// Read implements io.Reader. It ends with a TooLarge rather than with more than
// may come.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.plain == nil {
		b.open()
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one more than may come, to see whether it does
	}
	n, err := b.plain.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), b.tooLarge()
	}
	b.left -= int64(n)
	if err != nil {
		b.err = err
		b.release()
	}
	return n, err
}

// open starts to decode. A gzip may say nothing at any length: what comes in is
// bounded as well.
func (b *body) open() {
	b.plain = b.raw
	if !b.gzip {
		return
	}
	z, err := gzip.NewReader(&bounded{b.raw, b.most, b})
	if err != nil {
		b.plain = failed{err}
		return
	}
	b.plain = z
}

// Close implements io.Closer.
func (b *body) Close() error {
	if b.err == nil {
		b.err = http.ErrBodyReadAfterClose
	}
	b.release()
	return b.raw.Close()
}

// bounded ends with the body's TooLarge after so many bytes.
type bounded struct {
	io.Reader

	left int64
	of   *body
}

func (r *bounded) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, r.of.tooLarge()
	}
	n, err := r.Reader.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }
