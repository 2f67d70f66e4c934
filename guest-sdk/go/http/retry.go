package http

import (
	"strconv"
	"time"
)

// maxWait bounds what RetryAfter believes.
const maxWait = time.Hour

// RetryAfter is how long the peer asks to wait before the next request, within an
// hour: its header Retry-After in seconds, or as a date (RFC 9110, section 10.2.3).
// 0: it does not ask.
func (r Response) RetryAfter() time.Duration {
	text := r.Headers.Get("Retry-After")
	wait := time.Duration(0)
	if n, err := strconv.ParseUint(text, 10, 20); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", text); err == nil {
		wait = time.Until(at)
	}
	return max(0, min(wait, maxWait))
}
