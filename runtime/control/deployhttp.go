package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/deploy"
	"github.com/snaprail/snaprail/runtime/fault"
)

// sameHTTP reports whether the inverse of one resource takes another away, too:
// it is one request, that nothing has to be put into.
func sameHTTP(a, b []byte) bool {
	var x, y abi.DeployHTTP
	if x.Decode(a) != nil || y.Decode(b) != nil || x.Inverse == nil || y.Inverse == nil || templated(x.Inverse) {
		return false
	}
	return bytes.Equal(x.Inverse.Append(nil), y.Inverse.Append(nil))
}

func templated(q *abi.HTTPRequest) bool {
	return strings.Contains(q.URL, "${/") || bytes.Contains(q.Body, []byte("${/"))
}

// putsAgain reports whether to send the second request over the first makes one
// resource of both.
func putsAgain(a, b []byte) bool {
	var x, y abi.DeployHTTP
	return x.Decode(a) == nil && y.Decode(b) == nil && x.Create != nil && y.Create != nil &&
		x.Create.Method == http.MethodPut && y.Create.Method == http.MethodPut && x.Create.URL == y.Create.URL
}

// send makes an HTTP resource. Its inverse is settled with the answer.
func (s *site) send(ctx context.Context, ask []byte) (result deploy.Result, err error) {
	var h abi.DeployHTTP
	if err := h.Decode(ask); err != nil || h.Create == nil {
		return result, fault.New(fault.Integrity, "a damaged ledger: no request")
	}
	parent, err := s.parent(ctx)
	if err != nil {
		return result, deploy.Nothing(err)
	}
	reply, err := s.runtime.Request(ctx, &parent, h.Create)
	switch {
	case fault.Is(err, fault.Denied), fault.Is(err, fault.Interlocked), fault.Is(err, fault.EgressForbidden), fault.Is(err, fault.Invalid), fault.Is(err, fault.SecretMissing):
		return result, deploy.Nothing(err)
	case err != nil:
		return result, err
	case reply.Status >= 400 && reply.Status < 500:
		return result, deploy.Nothing(answered("make", h.Name, reply))
	case reply.Status < 200 || reply.Status > 299:
		return result, answered("make", h.Name, reply)
	}
	result.Status = reply.Status
	result.Body = bytes.Clone(reply.Body[:min(len(reply.Body), abi.MaxDeployedBody)])
	if h.Inverse != nil && templated(h.Inverse) {
		if inverse, err := settled(h.Inverse, reply.Body); err == nil {
			result.Inverse = inverse.Append(nil)
		} // else it is told when the resource is to be taken away
	}
	return result, nil
}

func answered(verb, name string, reply abi.HTTPResponse) error {
	return fault.New(fault.DeployFailed, "to %s %.64q, the server answered %d: %s", verb, name, reply.Status,
		fault.Clip(strings.ToValidUTF8(string(reply.Body), "?"), 160))
}

// settled is an inverse with the values that an answer has.
func settled(q *abi.HTTPRequest, body []byte) (*abi.HTTPRequest, error) {
	is := *q
	var err error
	if is.URL, err = expanded(q.URL, body, url.PathEscape); err != nil {
		return nil, err
	}
	text, err := expanded(string(q.Body), body, func(v string) string { return v })
	if err == nil && text != "" {
		is.Body = []byte(text)
	}
	return &is, err
}

// unsend takes an HTTP resource away by its inverse. One that is gone is no
// error.
func (s *site) unsend(ctx context.Context, r deploy.Resource) error {
	var h abi.DeployHTTP
	if err := h.Decode(r.Ask); err != nil {
		return fault.Wrap(fault.Integrity, err, "ledger")
	}
	inverse := h.Inverse
	switch {
	case inverse == nil:
		return fault.New(fault.Unsupported, "it has no inverse request, so a person has to take it down")
	case len(r.Inverse) > 0:
		inverse = &abi.HTTPRequest{}
		if err := inverse.Decode(r.Inverse); err != nil {
			return fault.Wrap(fault.Integrity, err, "ledger")
		}
	case templated(inverse):
		if r.Standing == deploy.Intended && r.Status == 0 {
			return fault.New(fault.DeployFailed, "it may have been made, and what it was answered, which its inverse needs, is not known")
		}
		var err error
		if inverse, err = settled(inverse, r.Body); err != nil {
			return err
		}
	}
	parent, err := s.parent(ctx)
	if err != nil {
		return err
	}
	reply, err := s.runtime.Request(ctx, &parent, inverse)
	if err != nil {
		return err
	}
	if reply.Status >= 200 && reply.Status <= 299 || reply.Status == http.StatusNotFound || reply.Status == http.StatusGone {
		return nil
	}
	return answered("take away", h.Name, reply)
}

// expanded is a text in which ${/pointer} stands for a value of a JSON text.
func expanded(text string, body []byte, escape func(string) string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${/")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		pointer, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fault.New(fault.Invalid, "the inverse request has a ${/ without a }")
		}
		value, ok := valueAt(body, "/"+pointer)
		if !ok {
			return "", fault.New(fault.DeployFailed, "the inverse request names ${/%.64s}, which the answer that made it does not have", pointer)
		}
		b.WriteString(escape(value))
		text = after
	}
}

// valueAt is the text or the number at a JSON Pointer.
func valueAt(body []byte, pointer string) (string, bool) {
	var at any
	if json.Unmarshal(body, &at) != nil {
		return "", false
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		fields, ok := at.(map[string]any)
		if !ok {
			return "", false
		}
		if at, ok = fields[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]; !ok {
			return "", false
		}
	}
	switch v := at.(type) {
	case string:
		return v, v != ""
	case float64:
		if v == float64(int64(v)) {
			return fmt.Sprintf("%d", int64(v)), true
		}
	}
	return "", false
}
