package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// parley makes a connector with the device d1 that answers as it is told to.
func (r *rig) parley(name string) client.Connector {
	r.t.Helper()
	var c client.Connector
	m := r.upload("parley")
	r.call(http.MethodPost, "/api/connectors", `{"name":"`+name+`","module":"`+m.Digest+`","config":{"devices":["d1"]}}`).ok(http.StatusCreated, &c)
	r.call(http.MethodPost, "/api/connectors/"+name+"/activate", "").ok(http.StatusOK, &c)
	r.until("the device", func() bool {
		return strings.Contains(string(r.call(http.MethodGet, "/api/connectors/"+name+"/devices", "").body), `"d1"`)
	})
	return c
}

func (r *rig) ask(kind, body string) reply {
	r.t.Helper()
	return r.call(http.MethodPost, "/api/connectors/talk/"+kind, body)
}

// compactly is JSON without spaces.
func compactly(t *testing.T, raw []byte) string {
	t.Helper()
	return string(appendCompact(nil, raw))
}

// TestMessagesInAllForms: S1.66, S1.67, S1.84-S1.87, S2.76-S2.78, S4.94-S4.98.
func TestMessagesInAllForms(t *testing.T) {
	r := newRig(t)
	r.parley("talk")
	for _, c := range []struct{ kind, body, want string }{
		{"rpc", `{"device":"d1","data":{"id":1,"method":"toggle_gpio","params":{"pin":1}}}`, `"id":1,"data":{"device":"d1","method":"toggle_gpio","params":{"pin":1},"sender":"token:`},
		{"rpc", `{"device":"d1","method":"toggle_gpio","params":[1],"id":"a"}`, `"id":"a","data":{"device":"d1","method":"toggle_gpio","params":[1],`},
		{"rpc", `{"device":"d1","method":"beep","one_way":true}`, `{"status":"empty","code":204}`},
		{"query", `{"params":{"p":"v","n":2}}`, `"params":{"p":"v","n":2}`},
		{"query", `{}`, `"params":{}`},
		{"query", `{"data":{"do":"list","n":2}}`, `{"status":"complete","code":200,"data":[{"n":0},{"n":1}],"content_type":"application/json"}`},
		{"query", `{"data":{"do":"empty"}}`, `{"status":"empty","code":204}`},
		{"publish", `{"data":{"text":"hello"}}`, `{"status":"empty","code":204}`},
		{"attributes", `{"device":"d1","data":{"level":3}}`, `{"status":"complete","code":200,"data":{"success":true},"content_type":"application/json"}`},
		{
			"command", `{"device":"d1","method":"set","protocol_parts":[{"name":"data","value":{"level":7}},{"name":"metadata","value":{"unit":"m"}}]}`,
			`"data":{"level":7},"content_type":"application/json","metadata":{"unit":"m"},"protocol_parts":[{"name":"metadata","value":{"unit":"m"}},{"name":"data","value":{"level":7}}]}`,
		},
		{"command", `{"device":"d1","service":"set","data":{"level":7},"metadata":"x"}`, `"data":{"level":7},"content_type":"application/json","metadata":"x"}`},
		{"command", `{"device":"d1","data":"on","content_type":"text/plain"}`, `"data":"on"`},
		{"command", `{"device":"d1","data_base64":"AP8="}`, `"data_base64":"AP8="`},
	} {
		p := r.ask(c.kind, c.body)
		p.ok(http.StatusOK, nil)
		if got := compactly(t, p.body); !strings.Contains(got, c.want) {
			t.Errorf("%s %s:\n%s, want\n%s", c.kind, c.body, got, c.want)
		}
	}
	var all []client.Reply
	r.ask("query", `{"data":{"do":"parts","n":2}}`).ok(http.StatusOK, &all)
	if len(all) != 3 || all[0].Status != "partial" || all[0].Code != 206 || all[2].Status != "complete" || all[2].Code != 200 {
		t.Errorf("%+v", all)
	}
	for body, most := range map[string]int64{`{}`: 10_000, `{"timeout":"20s"}`: 20_000, `{"timeout":1.5}`: 1500} { // S4.47: ten seconds
		var one client.Reply
		var left struct {
			TimeoutMS int64 `json:"timeout_ms"`
		}
		r.ask("query", body).ok(http.StatusOK, &one)
		if err := json.Unmarshal(one.Data, &left); err != nil || left.TimeoutMS > most || left.TimeoutMS < most/3 {
			t.Errorf("%s: %d ms are left of %d", body, left.TimeoutMS, most)
		}
	}
	audit := string(r.call(http.MethodGet, "/api/audit?action=message.send", "").body)
	r.until("the trail", func() bool {
		audit = string(r.call(http.MethodGet, "/api/audit?action=message.send", "").body)
		return strings.Contains(audit, `"rpc d1"`) && strings.Contains(audit, `"publish"`)
	})
	if strings.Contains(audit, "hello") || strings.Contains(audit, `"query`) {
		t.Errorf("the trail says too much: %s", audit)
	}
}

// TestErrorsOfMessages: S1.74, S1.80-S1.83; what is wrong is said as it is
// everywhere, and what a module said is whole.
func TestErrorsOfMessages(t *testing.T) {
	r := newRig(t)
	r.parley("talk")
	var p client.Problem
	answer := r.ask("query", `{"data":{"do":"error","parameters":["7","d1"]}}`)
	answer.ok(http.StatusBadGateway, &p)
	if p.Code != "guest_error" || len(p.Replies) != 1 || p.Replies[0].Error == nil {
		t.Fatalf("%s", answer.body)
	}
	e := p.Replies[0].Error
	if e.Code != "register_unknown" || e.Template != "the register {0} of {1} is beyond {2}" || len(e.Parameters) != 2 ||
		e.Text != "the register 7 of d1 is beyond {2}" || p.Detail != e.Text {
		t.Errorf("%s", answer.body)
	}
	for body, kind := range map[string]fault.Kind{
		`{"device":"d2","method":"x"}`:                        fault.DeviceUnknown,
		`{"device":"d1","method":"never","timeout":0.05}`:     fault.Timeout,
		`{"device":"d1"}`:                                     fault.MessageInvalid,
		`{"device":"d1","method":"x","timeout":"6m"}`:         fault.MessageInvalid,
		`{"device":"d1","method":"x","timeout":0}`:            fault.MessageInvalid,
		`{"method":"x","data":1,"params":2}`:                  fault.MessageInvalid,
		`{"method":"x","wait":true,"callback":"http://a/"}`:   fault.MessageInvalid,
		`{"method":"x","context":1}`:                          fault.MessageInvalid,
		`{"method":"x","headers":{"protocol_parts":"x"}}`:     fault.MessageInvalid,
		`{"method":"x","data":1,"content_type":"text/plain"}`: fault.MessageInvalid,
		`{"method":"x","callback":"ftp://a/"}`:                fault.Invalid,
		`{"data":{"method":1}}`:                               fault.MessageInvalid,
		`{"method":"x","unknown":1}`:                          fault.Invalid,
	} {
		got := r.ask("rpc", body)
		if got.code() != kind.String() || got.status != kind.Info().Status {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
	for kind, body := range map[string]string{"query": `{"data":[]}`, "attributes": `{"data":{}}`} {
		if got := r.ask(kind, body); got.code() != fault.MessageInvalid.String() {
			t.Errorf("%s %s: %d %s", kind, body, got.status, got.body)
		}
	}
	r.call(http.MethodPost, "/api/connectors/talk/deactivate", "").ok(http.StatusOK, nil)
	r.ask("rpc", `{"method":"x"}`).problem(fault.WrongState)
}

// TestRepliesComeAsTheyAre: a partial reply is there before the next one is made
// (S1.76), in both forms of a stream, and the error is the last of them.
func TestRepliesComeAsTheyAre(t *testing.T) {
	r := newRig(t)
	r.parley("talk")
	const slow = `{"data":{"do":"partial","n":3,"after_ms":30000},"timeout":"1m"}`
	for accept, first := range map[string]string{typeLines: `{"status":"partial"`, typeEvents: "id: 1\nevent: reply\ndata: {\"status\":\"partial\""} {
		body := strings.Replace(slow, "30000", "10", 1)
		p := r.call(http.MethodPost, "/api/connectors/talk/query", body, header("Accept", accept))
		p.ok(http.StatusOK, nil)
		text := strings.TrimPrefix(string(p.body), "retry: 2000\n\n")
		if p.header.Get("Content-Type") != accept || !strings.HasPrefix(text, first) || strings.Count(text, `"status":"partial"`) != 3 ||
			!strings.Contains(text, `{"status":"complete","code":200,"data":{"parts":3}`) {
			t.Errorf("%s: %s", accept, text)
		}
		p = r.call(http.MethodPost, "/api/connectors/talk/query", `{"data":{"do":"error"}}`, header("Accept", accept))
		if p.status != http.StatusOK || !strings.Contains(string(p.body), `"status":"error","code":502,"error":{"code":"register_unknown"`) {
			t.Errorf("%s: %d %s", accept, p.status, p.body)
		}
	}
	q := r.request(http.MethodPost, "/api/connectors/talk/query", strings.NewReader(`{"data":{"do":"partial","n":2,"after_ms":400},"timeout":"1m"}`), header("Accept", typeLines))
	transport := http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(q)
	r.must(err)
	lines := bufio.NewScanner(resp.Body)
	begin := time.Now()
	if !lines.Scan() || !strings.Contains(lines.Text(), `"n":0`) {
		t.Fatalf("%s", lines.Text())
	}
	first := time.Since(begin)
	for lines.Scan() {
	}
	if all := time.Since(begin); all-first < 300*time.Millisecond {
		t.Errorf("the first reply came after %s of %s", first, all)
	}
	r.check(resp.Body.Close())
}

// TestWhoLeavesIsNotWaitedFor: a caller that goes away gives its question up,
// and the reply is late.
func TestWhoLeavesIsNotWaitedFor(t *testing.T) {
	r := newRig(t)
	c := r.parley("talk")
	conn := r.dial()
	body := `{"method":"later","data":{"after_ms":300},"timeout":"1m"}`
	_, err := fmt.Fprintf(conn, "POST /api/connectors/talk/rpc HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", r.token, len(body), body)
	r.must(err)
	tenant, err := r.super.Tenant("plant")
	r.must(err)
	r.until("the question", func() bool { return tenant.Exchange(c.ID).Counters().Open == 1 })
	r.check(conn.Close())
	r.until("its end", func() bool { return tenant.Exchange(c.ID).Counters().GivenUp == 1 })
	r.until("the late reply", func() bool { return tenant.Exchange(c.ID).Counters().Late == 1 })
}

// TestTickets: S4.48-S4.50.
func TestTickets(t *testing.T) {
	r := newRig(t)
	r.parley("talk")
	var ticket client.Ticket
	p := r.ask("rpc", `{"device":"d1","method":"later","id":[1],"data":{"after_ms":50},"wait":false,"context":{"order":4711}}`)
	p.ok(http.StatusAccepted, &ticket)
	if p.header.Get("Location") != "/api/tickets/"+ticket.ID || ticket.State != "pending" || ticket.Type != "rpc" || ticket.Device != "d1" {
		t.Errorf("%v %s", p.header, p.body)
	}
	r.until("the reply", func() bool {
		p = r.call(http.MethodGet, "/api/tickets/"+ticket.ID, "")
		p.ok(http.StatusOK, &ticket)
		return ticket.State == "done"
	})
	if len(ticket.Replies) != 1 || string(ticket.Replies[0].Data) != `{"answer":2}` || string(ticket.Context) != `{"order":4711}` ||
		string(ticket.Replies[0].ID) != "[1]" || ticket.Ended == nil || ticket.Expires == nil || p.header.Get("ETag") != etag(ticket.Revision) {
		t.Errorf("%s", p.body)
	}
	r.ask("rpc", `{"method":"never","timeout":0.05,"wait":false}`).ok(http.StatusAccepted, &ticket)
	r.until("the timeout", func() bool {
		r.call(http.MethodGet, "/api/tickets/"+ticket.ID, "").ok(http.StatusOK, &ticket)
		return ticket.State == "failed"
	})
	if e := ticket.Replies[0].Error; e == nil || e.Code != "timeout" || ticket.Replies[0].Code != http.StatusGatewayTimeout {
		t.Errorf("%+v", ticket)
	}
	r.ask("rpc", `{"method":"never","timeout":"1m","wait":false}`).ok(http.StatusAccepted, &ticket)
	path := "/api/tickets/" + ticket.ID
	r.call(http.MethodDelete, path, "", header("If-Match", "*"), header("Authorization", "Bearer "+r.other)).problem(fault.NotFound)
	r.call(http.MethodDelete, path, "", header("If-Match", etag(ticket.Revision+1))).problem(fault.StaleRevision)
	r.call(http.MethodDelete, path, "", header("If-Match", etag(ticket.Revision))).ok(http.StatusNoContent, nil)
	r.call(http.MethodGet, path, "").problem(fault.NotFound)
	var page client.List[client.Ticket]
	r.call(http.MethodGet, "/api/tickets", "").ok(http.StatusOK, &page)
	if len(page.Items) != 2 || page.Items[0].ID >= page.Items[1].ID || len(page.Items[0].Replies) != 0 {
		t.Errorf("%+v", page)
	}
	if err := json.Unmarshal(r.ask("rpc", `{"device":"d2","method":"x","wait":false}`).body, &ticket); err != nil {
		t.Error(err)
	}
	r.call(http.MethodGet, "/api/tickets?limit=500", "").ok(http.StatusOK, &page)
	if len(page.Items) != 2 {
		t.Errorf("what was refused left a ticket: %+v", page.Items)
	}
}
