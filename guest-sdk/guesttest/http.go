package guesttest

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// maxReply is how much of a body goes with the first reply, as from a host.
const maxReply = 512 << 10

// HTTP grants the group http; answer plays the web. It is handed what the guest
// asked for, secrets by their names, and answers the whole body: what is long is
// handed on in pieces, as a host does. What was asked is collected.
func (h *Harness) HTTP(answer func(abi.HTTPRequest) (abi.HTTPResponse, error)) *[]abi.HTTPRequest {
	asked := new([]abi.HTTPRequest)
	var waiting []byte
	h.Host("http", "request", func(request []byte) ([]byte, error) {
		waiting = nil
		var q abi.HTTPRequest
		if err := q.Decode(slices.Clone(request)); err != nil {
			return nil, err
		}
		if q.Method == "" {
			q.Method = http.MethodGet
		}
		*asked = append(*asked, q)
		reply, err := answer(q)
		if err != nil {
			return nil, err
		}
		if reply.URL == "" {
			reply.URL = q.URL
		}
		reply.Attempts = max(reply.Attempts, 1)
		n := min(len(reply.Body), maxReply)
		reply.Body, waiting = reply.Body[:n], slices.Clone(reply.Body[n:])
		reply.Rest = uint64(len(waiting))
		return reply.Append(nil), nil
	})
	h.Host("http", "read", func(request []byte) ([]byte, error) {
		var q abi.HTTPRead
		if err := q.Decode(request); err != nil {
			return nil, err
		}
		n := min(len(waiting), int(q.Max))
		piece := abi.HTTPPiece{Data: waiting[:n], Rest: uint64(len(waiting) - n)}
		waiting = waiting[n:]
		return piece.Append(nil), nil
	})
	return asked
}

// Web is a web of one handler, which stands behind every address.
type Web struct {
	// Secrets are what the host fills in for secret://name.
	Secrets map[string]string
	// Asked is what the guest asked for, secrets by their names.
	Asked *[]abi.HTTPRequest

	handler http.Handler
}

// Web grants the group http and lets the handler answer every request, without a
// socket. Redirects are not followed.
func (h *Harness) Web(handler http.Handler) *Web {
	w := &Web{handler: handler, Secrets: make(map[string]string)}
	w.Asked = h.HTTP(func(q abi.HTTPRequest) (abi.HTTPResponse, error) { return w.serve(h.tb.Context(), q) })
	return w
}

func (w *Web) serve(ctx context.Context, q abi.HTTPRequest) (reply abi.HTTPResponse, err error) {
	r, err := http.NewRequestWithContext(ctx, q.Method, q.URL, bytes.NewReader(q.Body))
	if err != nil || r.URL.Host == "" {
		return reply, &abi.Error{Kind: abi.FaultInvalid, Code: "invalid", Text: "no URL: " + q.URL}
	}
	r.RequestURI = r.URL.RequestURI()
	for _, header := range q.Headers {
		value, err := w.fill(string(header.Value))
		if err != nil {
			return reply, err
		}
		r.Header.Add(header.Name, value)
	}
	if q.Username != "" || q.Password != "" {
		user, err := w.fill(q.Username)
		if err != nil {
			return reply, err
		}
		password, err := w.fill(q.Password)
		if err != nil {
			return reply, err
		}
		r.SetBasicAuth(user, password)
	}
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	result := recorder.Result()
	defer result.Body.Close()
	reply.Status, reply.Body = uint32(result.StatusCode), recorder.Body.Bytes()
	for name, values := range result.Header {
		for _, value := range values {
			reply.Headers = append(reply.Headers, abi.Header{Name: name, Value: []byte(value)})
		}
	}
	return reply, nil
}

// fill puts the secrets into a value.
func (w *Web) fill(value string) (string, error) {
	before, name, found := strings.Cut(value, abi.SecretPrefix)
	if !found {
		return value, nil
	}
	secret, ok := w.Secrets[name]
	if !ok {
		return "", &abi.Error{Kind: abi.FaultNotFound, Code: "secret_missing", Text: "no secret " + name}
	}
	return before + secret, nil
}
