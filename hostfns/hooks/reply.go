package hooks

import (
	"bytes"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// maxReplyHeaders bounds the headers of a reply, in number and in bytes.
const (
	maxReplyHeaders     = 32
	maxReplyHeaderBytes = 8 << 10
)

// reply keeps what the guest says until its step is durable.
func (s *session) reply(in []byte) error {
	var q abi.HookReply
	if err := q.Decode(in); err != nil {
		return fault.Wrap(fault.Invalid, err, "hooks.reply")
	}
	if s.set.args.Reply != replyGuest {
		return fault.New(fault.Invalid, "hooks.reply: the host answers these requests").
			WithHint("Open with reply guest.")
	}
	said, err := readReply(&q)
	if err != nil {
		return err
	}
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	i := slices.IndexFunc(s.tickets[:s.taken], func(t *ticket) bool { return t.id == q.ID })
	if i < 0 || s.tickets[i].settled || s.tickets[i].waiters == 0 {
		s.desk.count("late_reply")
		return fault.New(fault.LateReply, "hooks.reply: nobody waits for the answer to request %d any more", q.ID).
			WithHint("Reply within the step that the request came with, and before its deadline.")
	}
	s.tickets[i].reply = said
	return nil
}

// readReply is a reply of the guest, copied, if the server may give it.
func readReply(q *abi.HookReply) (*abi.HookReply, error) {
	if q.Status == 0 {
		q.Status = http.StatusOK
	}
	size := 0
	switch {
	case q.Status < 200 || q.Status > 599:
		return nil, fault.New(fault.Invalid, "hooks.reply: the status is 200 to 599, and not %d", q.Status)
	case len(q.Body) > maxReplyBody:
		return nil, fault.New(fault.TooLarge, "hooks.reply: the body has more than %d bytes", maxReplyBody)
	case len(q.Headers) > maxReplyHeaders:
		return nil, fault.New(fault.TooLarge, "hooks.reply: more than %d headers", maxReplyHeaders)
	case len(q.Body) > 0 && (q.Status == http.StatusNoContent || q.Status == http.StatusNotModified):
		return nil, fault.New(fault.Invalid, "hooks.reply: an answer of status %d has no body", q.Status)
	}
	said := &abi.HookReply{Status: q.Status, Body: bytes.Clone(q.Body)}
	for _, h := range q.Headers {
		name := textproto.CanonicalMIMEHeaderKey(h.Name)
		if size += len(name) + len(h.Value); size > maxReplyHeaderBytes {
			return nil, fault.New(fault.TooLarge, "hooks.reply: the headers have more than %d bytes", maxReplyHeaderBytes)
		}
		if !isToken(name) || !mayReply(name) {
			return nil, fault.New(fault.Invalid, "hooks.reply: the header %q is the server's own", fault.Clip(name, 64)).
				WithHint("A reply may have Content-Type, Content-Language, Content-Disposition, ETag, Last-Modified, Location, Retry-After, Allow, WebHook-Allowed-Origin, WebHook-Allowed-Rate and those that begin with X-.")
		}
		if bytes.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return nil, fault.New(fault.Invalid, "hooks.reply: the header %s holds a control character", name)
		}
		said.Headers = append(said.Headers, abi.Header{Name: name, Value: bytes.Clone(h.Value)})
	}
	return said, nil
}

// mayReply reports whether a guest may set a header: the answer comes from the
// server's own name, on which browsers keep cookies and permissions for all
// tenants.
func mayReply(name string) bool {
	switch name {
	case "Content-Type", "Content-Language", "Content-Disposition", "Etag", "Last-Modified", "Location", "Retry-After", "Allow",
		"Webhook-Allowed-Origin", "Webhook-Allowed-Rate":
		return true
	case "X-Request-Id", "X-Content-Type-Options", "X-Frame-Options", "X-Xss-Protection", "X-Dns-Prefetch-Control", "X-Accel-Redirect":
		return false
	}
	return strings.HasPrefix(name, "X-") && !strings.HasPrefix(name, "X-Accel-") && name != "X-Sendfile" && name != "X-Robots-Tag"
}
