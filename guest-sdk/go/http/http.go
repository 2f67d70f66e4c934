// Package http asks web servers that were granted (group http). It stands in for
// net/http, whose sockets a guest does not have: the host resolves, dials, speaks
// TLS and HTTP/1.1 or HTTP/2, follows redirects, decodes gzip and tries again,
// and holds every hop to the connector's grants.
//
// A secret of the connector is named, not known: the host puts it where a
// header's value, Username, Password or a field of TLS says secret://name, and
// takes it out of the reply again.
//
//	reply, err := http.Do(http.Request{
//		URL:     "https://api.example.com/v1/items",
//		Query:   map[string]string{"page": "2"},
//		Headers: http.Headers{"Authorization": "Bearer secret://token"},
//		Retries: 2,
//	})
package http

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Request is what to ask. Only URL must be set.
type Request struct {
	Method string // empty: GET
	URL    string // absolute, http or https; no user and no fragment
	// Query is escaped and put behind the URL, by name.
	Query   map[string]string
	Headers Headers
	// Body is sent as it is, at most about 1 MiB with the rest of the request.
	Body []byte
	// Timeout bounds one attempt with its redirects; 0: three seconds. All
	// attempts together end with the call of the guest, and after half a minute.
	Timeout time.Duration
	// Retries is how often to try again when the peer cannot be reached, or
	// answers 429, 502, 503 or 504. A method that is not safe to repeat is tried
	// again only if nothing was sent, or with an Idempotency-Key.
	Retries int
	// RetryDelay is the wait before each of them; 0: half a second, negative:
	// none.
	RetryDelay time.Duration
	// Username and Password make basic authentication. Either may be a secret.
	Username, Password string
	// Redirects is how many to follow; 0: three, which is the most, negative:
	// none, so that their reply is the reply.
	Redirects int
	// MaxBody bounds the body of the reply in bytes; 0: the host's bound, 8 MiB.
	MaxBody int
	TLS     *TLS
}

// TLS is what a request asks of TLS beyond the system's ways, in PEM. Each of CA,
// Certificate and Key may be a secret.
type TLS = abi.HTTPTLS

// Response is what the peer answered. A status of 400 or more is no error.
type Response struct {
	Status  int
	Headers Headers
	Body    []byte
	URL     string // that answered, after redirects
	// Attempts is how often it was tried.
	Attempts int
}

// OK reports whether the status is one of success.
func (r Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Headers are header fields by name. Those of a reply have canonical names
// ("Content-Type"); the values of a name that came several times are joined by
// ", ", those of Set-Cookie by line breaks.
type Headers map[string]string

// Get is the value of a name in any case; empty: there is none.
func (h Headers) Get(name string) string {
	if value, ok := h[name]; ok {
		return value
	}
	for key, value := range h {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// maxPiece is how much of a body to ask for at once.
const maxPiece = 512 << 10

// Do asks and waits for the whole reply, which is the caller's. The error is an
// *abi.Error: denied for what was not granted, unavailable when the peer cannot
// be reached or trusted, timeout, too large for a body beyond MaxBody, exhausted
// when the connector has too many requests under way.
func Do(request Request) (Response, error) {
	encoded := request.message()
	reply, err := hostRequest(encoded.Append(hostcall.Request()))
	if err != nil {
		return Response{}, err
	}
	var message abi.HTTPResponse
	if err := message.Decode(reply); err != nil {
		return Response{}, err
	}
	response := Response{
		Status: int(message.Status), Headers: headersOf(message.Headers), URL: message.URL,
		Attempts: int(message.Attempts),
		Body:     append(make([]byte, 0, uint64(len(message.Body))+message.Rest), message.Body...),
	}
	return response, response.rest(message.Rest)
}

// rest fetches what did not fit into the first reply.
func (r *Response) rest(n uint64) error {
	for n > 0 {
		reply, err := hostRead(abi.HTTPRead{Max: maxPiece}.Append(hostcall.Request()))
		if err != nil {
			return err
		}
		var piece abi.HTTPPiece
		if err := piece.Decode(reply); err != nil {
			return err
		}
		if len(piece.Data) == 0 {
			return &abi.Error{Kind: abi.FaultInternal, Code: "bad_reply", Text: "the host held back the end of a body"}
		}
		r.Body, n = append(r.Body, piece.Data...), piece.Rest
	}
	return nil
}

// message is the request as the host gets it, its headers by name.
func (r Request) message() abi.HTTPRequest {
	m := abi.HTTPRequest{
		Method: r.Method, URL: withQuery(r.URL, r.Query), Body: r.Body,
		TimeoutMS: uint64(max(r.Timeout, 0).Milliseconds()),
		Retries:   uint32(max(r.Retries, 0)),
		Username:  r.Username, Password: r.Password,
		MaxBody: uint64(max(r.MaxBody, 0)),
		TLS:     r.TLS,
	}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		m.Headers = append(m.Headers, abi.Header{Name: name, Value: []byte(r.Headers[name])})
	}
	if r.RetryDelay != 0 {
		m.RetryDelayMS = new(uint64(max(r.RetryDelay, 0).Milliseconds()))
	}
	if r.Redirects != 0 {
		m.Redirects = new(uint32(max(r.Redirects, 0)))
	}
	return m
}

// withQuery puts a query behind a URL, which may have one.
func withQuery(url string, query map[string]string) string {
	separator := byte('?')
	if strings.Contains(url, "?") {
		separator = '&'
	}
	b := []byte(url)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		b = append(escape(append(b, separator), name), '=')
		b = escape(b, query[name])
		separator = '&'
	}
	return string(b)
}

// escape adds a text of which only what is unreserved stands for itself.
func escape(dst []byte, text string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		c := text[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

func headersOf(list []abi.Header) Headers {
	headers := make(Headers, len(list))
	for _, h := range list {
		value := string(h.Value)
		if before, ok := headers[h.Name]; ok {
			separator := ", "
			if h.Name == "Set-Cookie" {
				separator = "\n"
			}
			value = before + separator + value
		}
		headers[h.Name] = value
	}
	return headers
}

// Get asks for a URL with the headers, which may be nil.
func Get(url string, headers Headers) (Response, error) {
	return Do(Request{URL: url, Headers: headers})
}

// Head asks for the headers of a URL alone.
func Head(url string, headers Headers) (Response, error) {
	return Do(Request{Method: "HEAD", URL: url, Headers: headers})
}

// Delete deletes what a URL names.
func Delete(url string, headers Headers) (Response, error) {
	return Do(Request{Method: "DELETE", URL: url, Headers: headers})
}

// Post sends a body of a content type; empty: application/json.
func Post(url, contentType string, body []byte, headers Headers) (Response, error) {
	return send("POST", url, contentType, body, headers)
}

// Put is Post with the method PUT.
func Put(url, contentType string, body []byte, headers Headers) (Response, error) {
	return send("PUT", url, contentType, body, headers)
}

func send(method, url, contentType string, body []byte, headers Headers) (Response, error) {
	all := Headers{"Content-Type": cmp.Or(contentType, "application/json")}
	maps.Copy(all, headers)
	return Do(Request{Method: method, URL: url, Headers: all, Body: body})
}
