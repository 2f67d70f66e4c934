package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"testing"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/identity"
)

// set is a new set of plant's, of one connector without a module.
func (w *world) set() string {
	w.t.Helper()
	name := w.name()
	var c client.Connector
	w.post("/api/connectors", `{"name":"`+w.name()+`","remote":true,"set":"`+name+`"}`, &c)
	return name
}

// unmarked is a new name that whoever sends it has.
func (w *world) unmarked() string {
	w.n++
	return fmt.Sprintf("source-%d", w.n)
}

// freePort is a TCP port that nobody has now.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// listenLocal opens ports of probes.
func listenLocal(ctx context.Context, port int) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

func setRows() map[string]row {
	return map[string]row{
		"list-sets": {role: identity.Viewer, call: func(w *world) call {
			w.set()
			return call{want: http.StatusOK}
		}},
		"get-set": {role: identity.Viewer, call: func(w *world) call {
			return call{path: []string{w.set()}, want: http.StatusOK}
		}, more: []func(*world) call{
			func(*world) call { return call{path: []string{"none"}, want: http.StatusNotFound} },
		}},
		"probe-set": {role: identity.Admin, call: func(w *world) call {
			return call{path: []string{w.set()}, body: `{"tcp_probe_port":0}`, want: http.StatusOK}
		}, more: []func(*world) call{
			func(w *world) call {
				return call{path: []string{w.set()}, body: `{"tcp_probe_port":80}`, want: http.StatusUnprocessableEntity}
			},
		}},
		"create-set": {role: identity.Admin, call: func(w *world) call {
			body := `{"name":"field","remote":true,"server_config":"targetServer=https://rail.example\nauthToken=x\nsources=` + w.unmarked() + `\ntcpProbePort=` + freePort(w.t) + `\n"}`
			return call{body: body, want: http.StatusCreated}
		}, more: []func(*world) call{
			func(*world) call {
				return call{body: `{"name":"field","remote":true,"server_config":"sources=a\n"}`, want: http.StatusUnprocessableEntity}
			},
		}},
		"attach-remote-connector": plain(),
	}
}
