package hooks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// A caller is answered when the step is durable, and not before.
func TestAcceptedWhenDurable(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{Paths: []string{"/orders/*"}})
	c := r.sent("/orders/7?a=b%20c&a=d", `{"n":1}`, with("Content-Type", "application/json"), with("Cookie", "session=x"), with("Authorization", "Bearer mine"), with("X-Trace", "1"))
	q := s.take(1)[0]
	if q.Method != "POST" || q.Path != "/orders/7" || q.Query != "a=b%20c&a=d" || string(q.Body) != `{"n":1}` || q.Remote != "loopback" || q.Pattern != "/orders/*" {
		t.Errorf("%+v", q)
	}
	for _, h := range q.Headers {
		if h.Name == "Cookie" || h.Name == "Authorization" || h.Name == "Content-Length" {
			t.Errorf("the guest sees %s", h.Name)
		}
	}
	if !strings.Contains(fmt.Sprintf("%s", q.Headers), "{X-Trace 1}") {
		t.Errorf("headers %s", q.Headers)
	}
	select {
	case g := <-c:
		t.Fatalf("answered before the step was durable: %+v", g)
	default:
	}
	s.settle(1)
	if g := r.answer(c); g.status != http.StatusAccepted || g.body != "" {
		t.Errorf("%+v", g)
	}
	if n := s.Condition(); n.Counts["accepted"] != 1 || n.Buffered != 0 {
		t.Errorf("%+v", n)
	}
}

// What the guest says goes out with its step; of a step that failed, nothing does.
func TestReplies(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{Reply: "guest"})
	c := r.sent("/a", "x")
	q := s.take(1)[0]
	if err := s.say(abi.HookReply{ID: q.ID, Status: 500, Body: []byte("of a step that fails")}); err != nil {
		t.Fatal(err)
	}
	s.Rewind() // the guest died
	if again := s.take(1)[0]; again.ID != q.ID {
		t.Errorf("handed in as %d, then as %d", q.ID, again.ID)
	}
	for _, bad := range []abi.HookReply{
		{ID: q.ID, Status: 100},
		{ID: q.ID, Status: 600},
		{ID: q.ID, Status: 204, Body: []byte("x")},
		{ID: q.ID, Body: make([]byte, maxReplyBody+1)},
		{ID: q.ID, Headers: []abi.Header{{Name: "Set-Cookie", Value: []byte("a=b")}}},
		{ID: q.ID, Headers: []abi.Header{{Name: "X-A", Value: []byte("b\r\nSet-Cookie: c")}}},
		{ID: q.ID, Headers: []abi.Header{{Name: "Transfer-Encoding", Value: []byte("chunked")}}},
		{ID: q.ID, Headers: []abi.Header{{Name: "X A"}}},
		{ID: q.ID, Headers: make([]abi.Header, maxReplyHeaders+1)},
	} {
		if err := s.say(bad); !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.TooLarge) {
			t.Errorf("%d %s: %v", bad.Status, bad.Headers, err)
		}
	}
	good := abi.HookReply{ID: q.ID, Status: 201, Headers: []abi.Header{{Name: "location", Value: []byte("/7")}}, Body: []byte("made")}
	if err := s.say(good); err != nil {
		t.Fatal(err)
	}
	s.settle(1)
	if g := r.answer(c); g.status != 201 || g.body != "made" || g.header.Get("Location") != "/7" {
		t.Errorf("%+v", g)
	}
	if err := s.say(good); !fault.Is(err, fault.LateReply) {
		t.Errorf("said twice: %v", err)
	}
	c = r.sent("/b", "x")
	s.take(1)
	s.settle(1)
	if g := r.answer(c); g.status != http.StatusAccepted {
		t.Errorf("a guest that says nothing: %+v", g)
	}
	plain := r.opened(abi.HookOpen{Paths: []string{"/plain"}})
	if err := plain.say(good); !fault.Is(err, fault.Invalid) {
		t.Errorf("a reply where the host answers: %v", err)
	}
}

func TestRejected(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{})
	c, after := r.sent("/a", "x", with("Idempotency-Key", "k")), r.sent("/b", "y")
	s.take(2)
	for i := range 2 {
		if s.tickets[i].path == "/a" {
			s.Settled(i, "no such order")
		} else {
			s.Settled(i, "")
		}
	}
	g := r.answer(c)
	if r.wants(g, 422, fault.HookRejected); !strings.Contains(g.body, "no such order") {
		t.Error(g.body)
	}
	if g := r.answer(after); g.status != http.StatusAccepted {
		t.Errorf("%+v", g)
	}
	s.Ack(2)
	r.wants(r.post("/a", "x", with("Idempotency-Key", "k")), 422, fault.HookRejected)
}

// A request that is held back holds up nobody else's answer; one that was settled is
// not handed in again when the guest dies.
func TestOneHeldBack(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{})
	held := r.sent("/held", "")
	s.take(1)
	c := r.sent("/next", "")
	s.take(1)
	s.Settled(1, "")
	if g := r.answer(c); g.status != http.StatusAccepted {
		t.Errorf("%+v", g)
	}
	s.Rewind()
	if q := s.take(1)[0]; q.Path != "/held" {
		t.Errorf("handed in again: %s", q.Path)
	}
	if rest := s.Take(nil, 10, 1<<20); len(rest) != 0 {
		t.Errorf("and %d more", len(rest))
	}
	s.settle(1)
	r.answer(held)
}

func TestDeadline(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{Reply: "guest", TimeoutMS: 20})
	r.wants(r.post("/a", ""), 504, fault.Timeout)
	if got := s.Take(nil, 1, 1<<20); len(got) != 0 {
		t.Error("the guest is handed what nobody waits for")
	}
	c := r.sent("/b", "", with("Idempotency-Key", "k"))
	q := s.take(1)[0]
	r.wants(r.answer(c), 504, fault.Timeout)
	if err := s.say(abi.HookReply{ID: q.ID}); !fault.Is(err, fault.LateReply) {
		t.Errorf("a late reply: %v", err)
	}
	if n := s.Condition().Counts; n["late_reply"] != 1 || n["timeout"] != 2 {
		t.Errorf("%v", n)
	}
	s.settle(1) // it was late, and is durable: a repeat is not handed in again
	if g := r.post("/b", "", with("Idempotency-Key", "k")); g.status != 202 || g.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%+v", g)
	}
}

// A guest that dies over a request whose caller has gone is not handed it again.
func TestAbandoned(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{TimeoutMS: 20})
	c := r.sent("/b", "", with("Idempotency-Key", "k"))
	s.take(1)
	r.wants(r.answer(c), 504, fault.Timeout)
	s.Rewind()
	if got := s.Take(nil, 1, 1<<20); len(got) != 0 || s.Condition().Counts["abandoned"] != 1 {
		t.Errorf("%d handed in again, %v", len(got), s.Condition())
	}
	c = r.sent("/b", "", with("Idempotency-Key", "k"))
	s.take(1)
	s.settle(1)
	if g := r.answer(c); g.status != 202 || g.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("%+v", g)
	}
}

// A request that guests die over is given up, so that the connector lives.
func TestARequestThatKills(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{})
	killer := r.sent("/killer", "")
	for range maxDeaths {
		if q := s.take(1)[0]; q.Path != "/killer" {
			t.Fatal(q.Path)
		}
		s.Rewind() // it died
		s.Rewind() // and the next one began: nobody was handed anything in between
	}
	r.wants(r.answer(killer), 503, fault.HookUnavailable)
	c := r.sent("/next", "")
	s.take(1)
	s.settle(1)
	if g := r.answer(c); g.status != 202 || s.Condition().Counts["abandoned"] != 1 {
		t.Errorf("%+v, %v", g, s.Condition())
	}
	r.empty()
}

func TestTheCallerGoes(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan got, 1)
	go func() { done <- r.send(ctx, http.MethodPost, "/"+plant+"/a", "x") }()
	eventually(t, "it waits", func() bool { return s.Condition().Buffered == 1 })
	cancel()
	if g := <-done; !errors.Is(g.err, context.Canceled) {
		t.Errorf("%+v", g)
	}
	eventually(t, "it is taken back", func() bool { n := s.Condition(); return n.Buffered == 0 && n.Counts["gone"] == 1 })
	r.empty()
}

// empty sees that everything was given back.
func (r *rig) empty() {
	r.t.Helper()
	b := r.group.bounds
	var said string
	eventually(r.t, "everything is given back", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		said = fmt.Sprint(b.bodies, b.waiting, b.bytes, b.clients, b.tenants)
		return b.bodies == 0 && b.waiting == 0 && b.bytes == 0
	})
	_ = said
}

func TestRepeats(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{Reply: "guest", IDHeaders: []string{"x-github-delivery", "Idempotency-Key"}})
	id := with("X-GitHub-Delivery", "72d3162e")
	first, second := r.sent("/a", "x", id), r.sent("/a", "x", id)
	q := s.take(1)[0]
	if q.Key != "72d3162e" {
		t.Errorf("key %q", q.Key)
	}
	eventually(t, "the second waits for the first", func() bool { return s.Condition().Counts["repeated"] == 1 })
	if err := s.say(abi.HookReply{ID: q.ID, Status: 201, Body: []byte("once")}); err != nil {
		t.Fatal(err)
	}
	s.settle(1)
	for _, c := range []<-chan got{first, second} {
		if g := r.answer(c); g.status != 201 || g.body != "once" {
			t.Errorf("%+v", g)
		}
	}
	if g := r.post("/a", "x", id); g.status != 201 || g.body != "once" || g.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("later: %+v", g)
	}
	r.wants(r.post("/a", "y", id), 422, fault.IdempotencyMismatch)
	r.wants(r.post("/b", "x", id), 422, fault.IdempotencyMismatch)
	r.wants(r.post("/a", "x", id, id), 422, fault.Invalid)
	r.wants(r.post("/a", "x", with("Idempotency-Key", strings.Repeat("k", maxKey+1))), 422, fault.Invalid)
	if got := s.Take(nil, 10, 1<<20); len(got) != 0 {
		t.Errorf("%d handed in", len(got))
	}
	// They hold when the connector comes back.
	s.close()
	r.wants(r.post("/a", "z", with("Idempotency-Key", "other")), 503, fault.HookUnavailable)
	s = r.opened(abi.HookOpen{IDHeaders: []string{"x-github-delivery"}})
	if g := r.post("/a", "x", id); g.status != 201 || g.body != "once" {
		t.Errorf("after a restart of the connector: %+v", g)
	}
}

// The names that are remembered are bounded, in number and in bytes.
func TestNamesAreBounded(t *testing.T) {
	var held int64
	w := newWindow(func(n int64) bool {
		if held+n > 10<<20 {
			return false
		}
		held += n
		return true
	})
	now := timeNow()
	begun := func(i int, by bool) *ticket {
		tk := &ticket{key: fmt.Sprint(i), answer: answer{reply: abi.HookReply{Body: make([]byte, i%2000)}}, done: make(chan struct{})}
		if by {
			tk.seal, tk.valid = seal{byte(i), byte(i >> 8), byte(i >> 16), 1}, time.Hour
		}
		w.begin(tk, now)
		return tk
	}
	for i := range 3 * maxNames {
		w.end(begun(i, false), now)
		if len(w.order) > maxNames || w.kept > maxKept || len(w.byKey) != len(w.order) || held != w.kept {
			t.Fatalf("%d names, %d by key, %d bytes, %d held", len(w.order), len(w.byKey), w.kept, held)
		}
	}
	none := seal{}
	if w.find(fmt.Sprint(3*maxNames-1), none, now) == nil || w.find("0", none, now) != nil {
		t.Error("not the oldest were forgotten")
	}
	if w.find(fmt.Sprint(3*maxNames-1), none, now.Add(keptFor+1)) != nil || held != 0 {
		t.Errorf("kept for longer than a day, %d bytes held", held)
	}
	const all = maxPast + 2*maxNames
	for i := range all {
		w.end(begun(i, true), now)
	}
	if len(w.gone) != maxPast || len(w.bygone) != maxPast || len(w.bySeal) != len(w.order) || held != w.kept+maxPast*pastCost {
		t.Errorf("%d seals of the past, %d by seal, %d of names; %d bytes held", len(w.gone), len(w.bygone), len(w.bySeal), held)
	}
	at := func(i int) seal { return seal{byte(i), byte(i >> 8), byte(i >> 16), 1} }
	if w.find("", at(all-1), now) == nil || w.past(at(all-1), now) || !w.past(at(maxPast), now) || w.past(at(0), now) || w.past(none, now) || w.past(at(maxPast), now.Add(time.Hour+1)) {
		t.Error("not the oldest seals were forgotten")
	}
	if w.close(); held != 0 || len(w.bySeal)+len(w.byKey)+len(w.bygone) != 0 {
		t.Errorf("%d bytes held by nothing", held)
	}
	w.hold = func(n int64) bool { return n < 0 }
	tk := begun(1, true)
	if w.find("1", none, now) == nil || w.find("", tk.seal, now) == nil {
		t.Error("what is under way is not known")
	}
	if w.end(tk, now); len(w.byKey)+len(w.bySeal)+len(w.bygone) != 0 {
		t.Error("remembered without room")
	}
	tk = begun(1, true)
	if w.drop(tk); len(w.byKey)+len(w.bySeal)+len(w.bygone) != 0 {
		t.Error("what came to nothing is remembered")
	}
}

// What was signed once makes one record, under whatever name it comes again, and for
// as long as its signature lets in. Without a time and a name there is no telling:
// who says the same twice signs the same twice.
func TestSignedRequestsAreNotReplayed(t *testing.T) {
	r := newRig(t, Config{})
	stamped := r.opened(abi.HookOpen{Paths: []string{"/s", "/t"}, Auth: "hmac", Secret: secretKey, Header: "Stripe-Signature", Field: "v1", Timestamp: "t", Signed: "{timestamp}.{body}"})
	bare := r.opened(abi.HookOpen{Paths: []string{"/b"}, Auth: "hmac", Secret: secretKey})
	signed := func(body string, ago int) func(*http.Request) {
		stamp := fmt.Sprint(time.Now().Add(-time.Duration(ago) * time.Second).Unix())
		return with("Stripe-Signature", "t="+stamp+",v1="+hexOf(stamp+"."+body))
	}
	named := func(name string) func(*http.Request) { return with("Idempotency-Key", name) }
	taken := func(s *reader, path, body string, edit ...func(*http.Request)) {
		t.Helper()
		c := r.sent(path, body, edit...)
		s.take(1)
		s.settle(1)
		if g := r.answer(c); g.status != 202 || g.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("the first: %+v", g)
		}
	}
	again := func(path, body string, edit ...func(*http.Request)) {
		t.Helper()
		if g := r.answer(r.sent(path, body, edit...)); g.status != 202 || g.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("again: %+v", g)
		}
	}
	pay := signed("pay 100", 10)
	taken(stamped, "/s", "pay 100", pay)
	again("/s", "pay 100", pay)
	again("/s", "pay 100", pay, named("fresh"))
	r.wants(r.answer(r.sent("/t", "pay 100", pay)), 422, fault.IdempotencyMismatch)
	taken(stamped, "/s", "pay 100", signed("pay 100", 9), named("1"))
	later := signed("pay 100", 8) // the same, sent again by its service
	again("/s", "pay 100", later, named("1"))
	again("/s", "pay 100", later, named("fresh"))

	own := with("X-Signature", hexOf("21.5"))
	taken(bare, "/b", "21.5", own)
	taken(bare, "/b", "21.5", own)
	taken(bare, "/b", "21.5", own, named("2"))
	again("/b", "21.5", own, named("3"))
	again("/b", "21.5", own)
}

// A guest that opens the same paths otherwise takes over what waits.
func TestSwapWithOtherArguments(t *testing.T) {
	r := newRig(t, Config{})
	old := r.opened(abi.HookOpen{})
	old.Rewind() // it is read
	waits := r.sent("/a", "1")
	eventually(t, "it waits", func() bool { return old.Condition().Buffered == 1 })
	candidate := r.opened(abi.HookOpen{Queue: 7})
	during := r.sent("/b", "2")
	if q := old.take(2); q[1].Path == "" {
		t.Error("the candidate's session has a request")
	}
	old.Rewind()
	candidate.Rewind() // it takes over
	behind := r.sent("/c", "3")
	eventually(t, "the new one has it", func() bool { return candidate.Condition().Buffered == 1 })
	old.close()
	ids := map[uint64]bool{}
	for _, q := range candidate.take(3) {
		ids[q.ID] = true
	}
	candidate.settle(3)
	for _, c := range []<-chan got{waits, during, behind} {
		if g := r.answer(c); g.status != 202 {
			t.Errorf("%+v", g)
		}
	}
	if len(ids) != 3 {
		t.Errorf("ids %v", ids)
	}
	candidate.close()
	r.wants(r.post("/a", ""), 503, fault.HookUnavailable)
	r.empty()
}

func TestStopped(t *testing.T) {
	r := newRig(t, Config{})
	s := r.opened(abi.HookOpen{})
	c := r.sent("/a", "x")
	s.take(1)
	s.close()
	g := r.answer(c)
	if r.wants(g, 503, fault.HookUnavailable); g.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if err := s.say(abi.HookReply{ID: 1}); !fault.Is(err, fault.SessionClosed) {
		t.Errorf("a reply behind the end: %v", err)
	}
	r.wants(r.send(t.Context(), http.MethodPost, "/con_stopped/a", ""), 503, fault.HookUnavailable)
	r.wants(r.send(t.Context(), http.MethodPost, "/con_none/a", ""), 404, fault.NotFound)
	r.empty()
}

func TestForgottenDesks(t *testing.T) {
	r := newRig(t, Config{Desks: 2})
	for i := range 5 {
		scope := r.scope()
		scope.Owner = fmt.Sprintf("con_%d", i)
		end, err := r.group.Open(t.Context(), scope, (&abi.HookOpen{Paths: []string{"/"}}).Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if err := end.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.group.desks.byID); n != 2 || r.group.desks.find("con_4") == nil {
		t.Errorf("%d are remembered", n)
	}
	for range 3 { // one that comes and goes takes one place
		r.opened(abi.HookOpen{}).close()
	}
	if n := len(r.group.desks.idle); n != 2 {
		t.Errorf("%d are idle", n)
	}
}

// open opens a session as the actor does.
func open(t *testing.T, g *Group, scope capability.Scope, args abi.HookOpen) (capability.Session, error) {
	t.Helper()
	in := args.Append(nil)
	target, err := g.Target(in)
	if err == nil {
		err = capability.CheckIn(g, scope.Grants, target.Resource, "")
	}
	if err != nil {
		return nil, err
	}
	return g.Open(t.Context(), scope, in)
}

func TestOpenIsRefused(t *testing.T) {
	g := New(Config{})
	for text, args := range map[string]abi.HookOpen{
		"no grant covers \"path:/b\"":   {Paths: []string{"/a", "/b"}},
		"no secret":                     {Paths: []string{"/a"}, Auth: "bearer", Secret: "secret://none"},
		"is empty":                      {Paths: []string{"/a"}, Auth: "bearer", Secret: "secret://empty"},
		"want 1 to 32 paths":            {},
		"want path:":                    {Paths: []string{"orders"}},
		"the method":                    {Paths: []string{"/a"}, Methods: []string{"TRACE"}},
		"auth is none, hmac":            {Paths: []string{"/a"}, Auth: "digest"},
		"and auth is none":              {Paths: []string{"/a"}, Secret: "x"},
		"hmac has a secret":             {Paths: []string{"/a"}, Auth: "hmac"},
		"the algorithm":                 {Paths: []string{"/a"}, Auth: "hmac", Secret: "x", Algorithm: "md5"},
		"the encoding":                  {Paths: []string{"/a"}, Auth: "hmac", Secret: "x", Encoding: "base32"},
		"is not what was signed":        {Paths: []string{"/a"}, Auth: "hmac", Secret: "x", Signed: "v0"},
		"signed holds {body}":           {Paths: []string{"/a"}, Auth: "hmac", Secret: "x", Signed: "{body}{path}"},
		"or neither":                    {Paths: []string{"/a"}, Auth: "hmac", Secret: "x", Timestamp: "X-Time"},
		"the tolerance is at most":      {Paths: []string{"/a"}, Auth: "hmac", Secret: "x", Timestamp: "X-Time", Signed: "{timestamp}{body}", ToleranceMS: 1 << 40},
		"basic has a user":              {Paths: []string{"/a"}, Auth: "basic", Username: "u"},
		"bearer has a secret":           {Paths: []string{"/a"}, Auth: "bearer"},
		"no name of a header":           {Paths: []string{"/a"}, Auth: "bearer", Secret: "x", Header: "X Y"},
		"is no content type":            {Paths: []string{"/a"}, ContentTypes: []string{"json; ="}},
		"id_headers":                    {Paths: []string{"/a"}, IDHeaders: []string{""}},
		"max_body is at most":           {Paths: []string{"/a"}, MaxBody: 1 << 30},
		"queue is at most":              {Paths: []string{"/a"}, Queue: 1 << 20},
		"reply is accepted or guest":    {Paths: []string{"/a"}, Reply: "later"},
		"more than 1024 bytes":          {Paths: []string{"/a"}, Auth: "bearer", Secret: strings.Repeat("x", maxText+1)},
		"secret:// without a name":      {Paths: []string{"/a"}, Auth: "bearer", Secret: "secret://"},
		"a star stands for a whole par": {Paths: []string{"/a*"}},
	} {
		scope := capability.Scope{Owner: plant, Grants: grants("path:/a"), Secrets: known}
		_, err := open(t, g, scope, args)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want %q: %v", text, err)
		}
	}
	if len(g.desks.byID) != 0 {
		t.Error("a desk is left")
	}
}

// purse is a tenant's.
type purse struct{ held int64 }

func (*purse) Request(context.Context) (func(), error) { return func() {}, nil }

func (p *purse) Hold(n int64) error {
	if p.held += n; p.held > 1<<20 {
		p.held -= n
		return fault.New(fault.Exhausted, "no more")
	}
	return nil
}

// What is remembered takes nothing of the room for requests, and of each tenant a
// part at most.
func TestTenantsShare(t *testing.T) {
	p, q := &purse{}, &purse{}
	b := newBounds(Config{Waiting: 8, Bytes: 2 << 20, Names: 4000}.withDefaults())
	for range 2 {
		if !b.wait(p) {
			t.Fatal("no place")
		}
	}
	if b.wait(p) || !b.wait(q) {
		t.Error("one tenant has taken all places, or none")
	}
	b.done(p)
	if !b.wait(p) {
		t.Error("a place that was given back is gone")
	}
	if !b.hold(p, 1<<20) || b.hold(p, 1) || !b.hold(q, 1<<20) || b.hold(q, 1) {
		t.Error("bytes")
	}
	if !b.keep(p, 1000) || b.keep(p, 1) || !b.keep(q, 1000) || !b.keep(nil, 2000) || b.keep(nil, 1) {
		t.Error("names")
	}
	b.keep(p, -1000)
	b.keep(q, -1000)
	if len(b.kept) != 0 || b.names != 2000 || p.held != 1<<20 {
		t.Errorf("%v, %d, %d", b.kept, b.names, p.held)
	}
}
