package control

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// held is a ticket of a tenant that has begun.
func held(t *testing.T, k *tickets, tenant *supervisor.Tenant, id string) *heldTicket {
	t.Helper()
	h, err := k.reserve(tenant, id)
	if err != nil {
		t.Fatal(err)
	}
	h.ticket.ID = id
	return h
}

// TestTicketsAreBounded: a tenant has so many, the oldest that has ended makes
// room, and none that is pending does.
func TestTicketsAreBounded(t *testing.T) {
	k, tenant, again := newTickets(), &supervisor.Tenant{}, &supervisor.Tenant{}
	all := make([]*heldTicket, maxTickets)
	for i := range all {
		all[i] = held(t, k, tenant, newTestID(i))
	}
	if _, err := k.reserve(tenant, "one more"); !fault.Is(err, fault.Exhausted) {
		t.Fatal(err)
	}
	if _, err := k.reserve(again, "of another life"); err != nil {
		t.Error(err)
	}
	if _, err := k.find(again, all[0].id); !fault.Is(err, fault.NotFound) {
		t.Error("a tenant that was made anew has its predecessor's tickets")
	}
	all[5].end(TicketDone)
	all[3].end(TicketDone)
	held(t, k, tenant, "zz")
	if _, err := k.find(tenant, all[3].id); !fault.Is(err, fault.NotFound) {
		t.Error("the oldest ticket that had ended is still there")
	}
	if _, err := k.find(tenant, all[5].id); err != nil {
		t.Error(err)
	}
}

func newTestID(i int) string {
	return "t" + string(rune('a'+i/676%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
}

// TestTicketHoldsSoMuch: replies beyond what a ticket, or all of a tenant's, may
// hold end it with the reason, and what is forgotten gives its room back.
func TestTicketHoldsSoMuch(t *testing.T) {
	k, tenant := newTickets(), &supervisor.Tenant{}
	part := func(n int) Reply { return Reply{Status: abi.ReplyPartial, Body: make([]byte, n)} }
	h := held(t, k, tenant, "a")
	if !h.add(part(maxTicketBytes / 2)) {
		t.Fatal("the ticket ended early")
	}
	if h.add(part(maxTicketBytes / 2)) {
		t.Error("the ticket holds more than it may")
	}
	now := h.now()
	last := now.Replies[len(now.Replies)-1]
	if now.State != TicketFailed || last.Err == nil || last.Err.Code != fault.TooLarge.String() || last.Code != http.StatusRequestEntityTooLarge || now.Expires.IsZero() {
		t.Errorf("%+v", now)
	}
	var others []*heldTicket
	for i := range 2 * maxHeldBytes / maxTicketBytes {
		o := held(t, k, tenant, newTestID(i))
		if !o.add(part(maxTicketBytes - 1000)) {
			break
		}
		others = append(others, o)
	}
	if n := len(others); n > maxHeldBytes/maxTicketBytes {
		t.Errorf("%d tickets of a MiB each", n)
	}
	for _, o := range others {
		k.release(o)
	}
	if !held(t, k, tenant, "b").add(part(maxTicketBytes - 1000)) {
		t.Error("what was forgotten still takes room")
	}
	if h.gone = true; h.add(part(1)) {
		t.Error("a ticket that nobody finds takes replies")
	}
}

// TestTicketsEndWithTheServer: no ticket begins behind the end.
func TestTicketsEndWithTheServer(t *testing.T) {
	k := newTickets()
	canceled := false
	held(t, k, &supervisor.Tenant{}, "a").cancel = func() { canceled = true }
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := k.close(ctx); err != nil || !canceled {
		t.Error(err, canceled)
	}
	if _, err := k.reserve(&supervisor.Tenant{}, "b"); !fault.Is(err, fault.ShuttingDown) {
		t.Error(err)
	}
}

// TestModulesDoNotSpeakForTheHost: an error reply becomes the fault that the
// host means by it, and a module's never one about the caller's credential.
func TestModulesDoNotSpeakForTheHost(t *testing.T) {
	for _, c := range []struct {
		err  abi.Error
		code uint32
		want fault.Kind
	}{
		{abi.Error{Code: "timeout", Text: "x"}, 504, fault.Timeout},
		{abi.Error{Code: "device_unknown", Text: "x"}, 404, fault.DeviceUnknown},
		{abi.Error{Code: "unauthenticated", Text: "x"}, 401, fault.Guest},
		{abi.Error{Code: "role_required", Text: "x"}, 403, fault.Guest},
		{abi.Error{Code: "timeout", Text: "x"}, 200, fault.Guest},
		{abi.Error{Code: "mine", Kind: abi.FaultNotFound, Text: "x"}, 404, fault.NotFound},
		{abi.Error{Code: "mine", Kind: abi.FaultUnauthenticated, Text: "x"}, 401, fault.Guest},
		{abi.Error{Code: "mine", Template: "{0}", Parameters: []string{"x"}, RetryAfterMS: 1 << 60}, 500, fault.Guest},
	} {
		f := replyFault(&c.err, c.code)
		if f.Kind != c.want || f.Text != "x" || f.RetryAfter > supervisor.LongestWait {
			t.Errorf("%+v with %d: %+v", c.err, c.code, f)
		}
	}
}
