package client

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// maxProblem bounds what is read of an error's body.
const maxProblem = 1 << 20

// asFault is the fault that the server answered.
func asFault(resp *http.Response) *fault.Fault {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	var p Problem
	if err != nil || json.Unmarshal(body, &p) != nil || p.Code == "" {
		return fault.New(kindOfStatus(resp.StatusCode), "%s %s was answered with %s",
			resp.Request.Method, resp.Request.URL.Path, resp.Status).
			WithHint("Check that --server names a Snaprail server, and not something in front of it.")
	}
	return p.fault()
}

// fault is the fault that the problem was made from.
func (p Problem) fault() *fault.Fault {
	f := &fault.Fault{
		Kind: kindOf(p), Text: p.Detail, Hint: p.Hint, Fields: p.Errors, Offset: p.Offset,
		RetryAfter: time.Duration(p.RetryAfterMS) * time.Millisecond,
	}
	if f.Text == "" {
		f.Text = p.Title
	}
	return f
}

// kindOf finds the row of the table by its code. A code of a newer server is
// taken for the row of its status.
func kindOf(p Problem) fault.Kind {
	for _, k := range fault.Kinds() {
		if k.Info().Code == p.Code {
			return k
		}
	}
	return kindOfStatus(p.Status)
}

func kindOfStatus(status int) fault.Kind {
	switch status {
	case http.StatusUnauthorized:
		return fault.Unauthenticated
	case http.StatusForbidden:
		return fault.Denied
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict:
		return fault.Exists
	case http.StatusPreconditionFailed:
		return fault.StaleRevision
	case http.StatusTooManyRequests:
		return fault.Exhausted
	case http.StatusServiceUnavailable:
		return fault.ShuttingDown
	case http.StatusGatewayTimeout:
		return fault.Timeout
	case http.StatusBadGateway:
		return fault.Unreachable
	}
	if status >= http.StatusInternalServerError {
		return fault.Internal
	}
	return fault.Invalid
}

// isProblem reports whether the answer is not what was asked for.
func isProblem(resp *http.Response) bool {
	return resp.StatusCode >= http.StatusMultipleChoices ||
		strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json")
}

// ofProblem is the fault in an event that ends a stream.
func ofProblem(body []byte) *fault.Fault {
	var p Problem
	if err := json.Unmarshal(body, &p); err != nil {
		return fault.Wrap(fault.Internal, err, "the end of the stream")
	}
	return p.fault()
}
