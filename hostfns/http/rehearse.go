package http

import (
	"bytes"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// rehearse says what a request would send: method, URL and body. Its headers may
// hold what is nobody's business.
func rehearse(in, out []byte) (data, reply []byte) {
	var q abi.HTTPRequest
	if q.Decode(in) != nil {
		return nil, out
	}
	head := fmt.Appendf(nil, "%s %s\n\n", q.Method, q.URL)
	return append(head, bytes.Clone(q.Body)...), out
}
