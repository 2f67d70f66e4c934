package api

import (
	"net/http"
	"strings"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// parley is a new connector that runs and answers messages as they tell it to.
func (w *world) parley() client.Connector {
	w.t.Helper()
	if w.talker == "" {
		w.talker = w.upload("parley").Digest
	}
	var c client.Connector
	w.post("/api/connectors", `{"name":"`+w.name()+`","module":"`+w.talker+`","config":{"devices":["d1"]}}`, &c)
	w.mark(c.ID)
	w.post("/api/connectors/"+c.ID+"/activate", "", &c)
	w.until("the device", func() bool {
		return strings.Contains(string(w.call(http.MethodGet, "/api/connectors/"+c.ID+"/devices", "").body), `"d1"`)
	})
	return c
}

// pendingTicket is a ticket whose replies take a while.
func (w *world) pendingTicket() client.Ticket {
	w.t.Helper()
	var t client.Ticket
	p := w.call(http.MethodPost, "/api/connectors/"+w.parley().ID+"/rpc", `{"device":"d1","method":"never","wait":false,"timeout":"1m"}`)
	p.ok(http.StatusAccepted, &t)
	w.mark(t.ID)
	return t
}

func messageRows() map[string]row {
	send := func(body string, want int) func(*world) call {
		return func(w *world) call { return call{path: []string{w.parley().ID}, body: body, want: want} }
	}
	streamed := func(body, accept string) func(*world) call {
		return func(w *world) call {
			return call{path: []string{w.parley().ID}, body: body, want: http.StatusOK, header: map[string]string{"Accept": accept}, stream: true}
		}
	}
	upgrade := map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}
	ticket := func(w *world) call { return call{path: []string{w.pendingTicket().ID}, want: http.StatusOK} }
	return map[string]row{
		"send-publish": {role: identity.Operator, call: send(`{"data":{"a":1}}`, http.StatusOK)},
		"send-query": {role: identity.Operator, call: send(`{"params":{"a":1}}`, http.StatusOK), more: []func(*world) call{
			send(`{"data":{"do":"parts","n":3}}`, http.StatusOK),
			send(`{"data":{"do":"empty"}}`, http.StatusOK),
			send(`{"data":{"do":"error","parameters":["7","d1","5"]}}`, http.StatusBadGateway),
			send(`{"data":[1]}`, http.StatusUnprocessableEntity),
			streamed(`{"data":{"do":"emit","n":3}}`, typeLines),
			streamed(`{"data":{"do":"emit","n":3}}`, typeEvents),
		}},
		"send-rpc": {role: identity.Operator, call: send(`{"device":"d1","data":{"id":7,"method":"echo","params":{"pin":1}}}`, http.StatusOK), more: []func(*world) call{
			send(`{"device":"d1","method":"echo","wait":false}`, http.StatusAccepted),
			send(`{"device":"nobody","method":"echo"}`, http.StatusNotFound),
			send(`{"device":"d1","method":"never","timeout":0.2}`, http.StatusGatewayTimeout),
			send(`{"device":"d1"}`, http.StatusUnprocessableEntity),
		}},
		"send-command": {role: identity.Operator, call: send(
			`{"device":"d1","method":"set","protocol_parts":[{"name":"metadata","value":{"unit":"m"}},{"name":"data","value":{"level":7}}]}`, http.StatusOK)},
		"send-attributes": {role: identity.Operator, call: send(`{"device":"d1","data":{"brightness":40}}`, http.StatusOK)},
		"list-tickets": {role: identity.Operator, call: func(w *world) call {
			w.pendingTicket()
			return call{want: http.StatusOK}
		}},
		"get-ticket": {role: identity.Operator, call: ticket},
		"cancel-ticket": {role: identity.Operator, call: func(w *world) call {
			return call{path: []string{w.pendingTicket().ID}, header: map[string]string{"If-Match": "*"}, want: http.StatusNoContent}
		}},
		"open-socket": {role: identity.Viewer, call: func(*world) call {
			return call{header: upgrade, want: http.StatusSwitchingProtocols, stream: true}
		}, more: []func(*world) call{
			func(*world) call { return call{want: http.StatusUnprocessableEntity} },
		}},
	}
}
