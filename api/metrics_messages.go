package api

import "github.com/snaprail/snaprail/runtime/control"

// messages are what became of the messages to a connector; none of one that
// nobody has sent any.
func (f figures) messages(c *control.ConnectorStats) {
	n := c.Status.Messages
	if n == nil {
		return
	}
	l := []string{"tenant", c.Tenant, "connector", c.Connector}
	f.gauge("snaprail_messages_open", "Messages that wait for their last reply.", float64(n.Open), l...)
	for _, end := range []struct {
		outcome string
		n       uint64
	}{
		{"answered", n.Answered},
		{"delivered", n.Delivered},
		{"failed", n.Failed},
		{"timed_out", n.TimedOut},
		{"given_up", n.GivenUp},
		{"slow_reader", n.Slow},
		{"refused", n.Refused},
		{"device_unknown", n.Unknown},
	} {
		f.counter("snaprail_messages_total", "Messages by how they ended.", float64(end.n), append([]string{"outcome", end.outcome}, l...)...)
	}
	for _, why := range []struct {
		reason string
		n      uint64
	}{{"not_a_query", n.Unasked}, {"late_reply", n.Late}, {"reply_ended", n.Ended}, {"invalid_message", n.Malformed}} {
		f.counter("snaprail_replies_refused_total", "Replies that belonged to no question, or had a wrong form.", float64(why.n), append([]string{"reason", why.reason}, l...)...)
	}
}
