package hooks

import (
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// encode is the request as the guest gets it.
func (c *call) encode(t *ticket, body []byte) []byte {
	m := abi.HookRequest{
		ID: t.id, Method: t.method, Path: t.path, Query: c.request.URL.RawQuery, Headers: c.headers(),
		Body: body, Remote: place(c.client), Key: t.key, Pattern: t.pattern,
	}
	return m.Append(make([]byte, 0, len(body)+512))
}

// headers are those of the request that are the guest's business: not those of the
// connection, and nothing that proves who the caller is, here or to this server.
func (c *call) headers() (list []abi.Header) {
	h := c.request.Header
	hidden := []string{
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Content-Length", "Expect", "Authorization", "Cookie",
	}
	for _, value := range h["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			hidden = append(hidden, textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)))
		}
	}
	if set := &c.session.set.args; set.Auth == authBearer {
		hidden = append(hidden, set.Header)
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if slices.Contains(hidden, name) {
			continue
		}
		for _, value := range h[name] {
			list = append(list, abi.Header{Name: name, Value: []byte(value)})
		}
	}
	return list
}

// maxHeaders bounds the headers of one request. The listener bounds their bytes.
const maxHeaders = abi.MaxHeaders

func headersIn(h map[string][]string) (n int) {
	for _, values := range h {
		n += len(values)
	}
	return n
}
