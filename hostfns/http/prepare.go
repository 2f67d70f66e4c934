package http

import (
	"bytes"
	"context"
	"encoding/base64"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/mask"
)

// The defaults and bounds of a request.
const (
	defaultTimeout = 3 * time.Second
	defaultDelay   = 500 * time.Millisecond
	maxRetries     = 10
	maxHeaders     = 64 << 10 // bytes of names and values
	maxMethod      = 32       // bytes
)

// exchange is a request that may be sent, perhaps several times.
type exchange struct {
	client    *nethttp.Client
	method    string
	url       *url.URL // canonical
	header    nethttp.Header
	body      []byte
	timeout   time.Duration // of one attempt
	retries   int
	delay     time.Duration
	redirects int
	maxBody   uint64
	mask      *mask.Mask
	hold      *hold // counts the reply's memory
}

// prepare reads what a guest asks for. The errors are Invalid, NotActive, and
// those of secrets.
func (s *session) prepare(ctx context.Context, q *abi.HTTPRequest) (*exchange, error) {
	x := &exchange{
		timeout: defaultTimeout, delay: defaultDelay, redirects: egress.MaxRedirects, maxBody: q.MaxBody,
		retries: int(min(q.Retries, maxRetries)),
		// What is sent may be read after the reply has come: the guest's memory
		// is its own again by then.
		body: bytes.Clone(q.Body),
	}
	if q.TimeoutMS > 0 {
		x.timeout = milliseconds(q.TimeoutMS)
	}
	if q.RetryDelayMS != nil {
		x.delay = milliseconds(*q.RetryDelayMS)
	}
	if q.Redirects != nil {
		x.redirects = int(min(*q.Redirects, egress.MaxRedirects))
	}
	var err error
	if x.method, err = methodOf(q.Method); err != nil {
		return nil, err
	}
	if s.scope.Caller != nil {
		if err := s.scope.Caller.Allow(ctx, "request", egress.RightOf(x.method)); err != nil {
			return nil, err
		}
	}
	if x.url, err = egress.Canonical(q.URL); err != nil {
		return nil, err
	}
	v := vault{ctx: ctx, secrets: s.scope.Secrets}
	if err := x.readHeaders(&v, q); err != nil {
		return nil, err
	}
	t, err := v.tls(q.TLS)
	if err != nil {
		return nil, err
	}
	x.mask = v.mask()
	x.client, err = s.clientFor(t)
	return x, masked(x.mask, err)
}

// milliseconds is at most the time that any request may take.
func milliseconds(ms uint64) time.Duration {
	return time.Duration(min(ms, uint64(egress.Timeout.Milliseconds()))) * time.Millisecond //nolint:gosec // below the minimum's second
}

func methodOf(text string) (string, error) {
	method := strings.ToUpper(text)
	switch {
	case method == "":
		return nethttp.MethodGet, nil
	case len(method) > maxMethod || !isToken(method):
		return "", fault.New(fault.Invalid, "http.request: %q is no method", fault.Clip(text, maxMethod))
	case slices.Contains([]string{"CONNECT", "TRACE", "TRACK"}, method):
		return "", fault.New(fault.Invalid, "http.request: %s is not sent", method).
			WithHint("Use a method that asks for a resource, as GET or POST.")
	}
	return method, nil
}

// readHeaders puts the headers together, with the secrets that they name.
func (x *exchange) readHeaders(v *vault, q *abi.HTTPRequest) error {
	x.header = make(nethttp.Header, len(q.Headers)+1)
	size := 0
	for _, h := range q.Headers {
		key := nethttp.CanonicalHeaderKey(h.Name)
		if err := checkHeader(key, h.Name); err != nil {
			return err
		}
		value, err := v.fill(string(h.Value))
		if err != nil {
			return err
		}
		if !isFieldValue(value) {
			return fault.New(fault.Invalid, "http.request: the value of the header %s holds a control character", key)
		}
		if size += len(key) + len(value); size > maxHeaders {
			return fault.New(fault.TooLarge, "http.request: the headers have more than %d bytes", maxHeaders)
		}
		x.header.Add(key, value)
	}
	return x.readUser(v, q)
}

// readUser makes basic authentication.
func (x *exchange) readUser(v *vault, q *abi.HTTPRequest) error {
	if q.Username == "" && q.Password == "" {
		return nil
	}
	user, err := v.fill(q.Username)
	if err != nil {
		return err
	}
	password, err := v.fill(q.Password)
	if err != nil {
		return err
	}
	if strings.Contains(user, ":") || len(user)+len(password) > maxHeaders {
		return fault.New(fault.Invalid, "http.request: a user name has no colon, and is no longer than headers may be")
	}
	if x.header.Get("Authorization") != "" {
		return fault.New(fault.Invalid, "http.request: a user, and a header Authorization beside it")
	}
	x.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	return nil
}

// checkHeader refuses what is no header, and those that the host writes itself:
// they say where the request ends and to whom it goes. So do some to some servers
// that take another method or path from them than the one that is granted.
func checkHeader(key, name string) error {
	if !isToken(name) {
		return fault.New(fault.Invalid, "http.request: %q is no name of a header", fault.Clip(name, maxMethod))
	}
	switch key {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Expect",
		"Accept-Encoding", "Http2-Settings", "Via",
		"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "X-Original-Url", "X-Rewrite-Url":
	default:
		if !strings.HasPrefix(key, "Proxy-") {
			return nil
		}
	}
	return fault.New(fault.Invalid, "http.request: the header %s is the host's to write", key).
		WithHint("Leave it out: the host goes by the method, the URL and the body.")
}

// isToken reports whether a text may be a method or the name of a header.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// isFieldValue reports whether a text may be the value of a header.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
