// Package remote lets the code of a connector run elsewhere: it speaks the
// WebSocket protocol of the Vantiq connector SDK, so that a program that was
// written for that attaches beside the sandboxed connectors as it is. It tells
// the code its configuration, hands it queries and what is published to it,
// and takes its replies and its notifications.
//
// The API imports it; every rule lives in control and below. Its invariant: a
// notification is said to be accepted when it is durable, and not before.
package remote

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// Subprotocols and bounds.
const (
	maxGreeting = 16 << 10         // bytes of a message before anybody is attached
	maxFrame    = abi.MaxBatch     // bytes of any other
	maxSecret   = 1 << 10          // bytes of a reconnectSecret
	maxText     = 120              // bytes of the reason with which a WebSocket is closed
	greeting    = 5 * time.Second  // for the messages before anybody is attached
	writing     = 5 * time.Second  // for a message of ours to be taken
	parting     = 2 * time.Second  // for the code to go when it was asked to
	pinging     = 20 * time.Second // between pings, and for the answer to one
	strangers   = 128              // sockets at once that have not said whose they are
	strangersOf = 16               // of those, from one client
)

// Config is what a Server is made of.
type Config struct {
	Ending <-chan struct{} // closed when sessions have to end
	Log    *slog.Logger    // nil: none
	Check  time.Duration   // between two looks at a session's token; 0: 20 s
}

// Guard says who may come in.
type Guard interface {
	// Enter finds out whose a token is, and counts them in until leave is called.
	Enter(ctx context.Context, token string) (tenant *control.Tenant, leave func(), err error)
	// Holds is fault.Unauthenticated when a token lets nobody in any more.
	Holds(ctx context.Context, token string) error
}

// Server takes the sessions of remote connectors. It starts goroutines for as
// long as a request is served, and each ends with its request.
type Server struct {
	cfg   Config
	doors doors
}

// New makes a server.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Check <= 0 {
		cfg.Check = pinging
	}
	return &Server{cfg: cfg, doors: doors{of: map[netip.Prefix]int{}}}
}

// Serve serves one session, from its upgrade to its end. A request that
// asks for no WebSocket is told what is here.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, guard Guard) {
	if r.Header.Get("Upgrade") == "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("The code of remote connectors attaches here, by a WebSocket.\n"))
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		s.cfg.Log.Debug("no WebSocket", "error", err, "remote", r.RemoteAddr)
		return // it was answered
	}
	defer func() { _ = conn.CloseNow() }()
	from := clientOf(r)
	if !s.doors.enter(from) {
		_ = conn.Close(websocket.StatusTryAgainLater, "too many strangers are at the door")
		return
	}
	out := sync.OnceFunc(func() { s.doors.leave(from) })
	defer out()
	// The request's own context ends when the connection is taken over.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	x := &session{server: s, guard: guard, conn: conn, left: make(chan string, 1)}
	err = x.greet(ctx)
	out()
	if err == nil {
		err = x.serve(ctx)
	}
	x.end(err)
}

// end closes the session and gives back what it held.
func (x *session) end(err error) {
	if x.attached != nil {
		x.attached.Close(x.reason(err))
	}
	if x.leave != nil {
		x.leave()
	}
	code, text := websocket.StatusNormalClosure, ""
	if f := fault.Of(err); f != nil && !gone(err) {
		code, text = closeCode(f), f.Kind.String()+": "+f.Text
		x.server.cfg.Log.Info("remote connector not served", "source", x.source, "code", f.Kind.String(), "error", f.Text)
	}
	_ = x.conn.Close(code, fault.Clip(text, maxText))
}

// closeCode tells the code whether to come back: what may pass, or not.
func closeCode(f *fault.Fault) websocket.StatusCode {
	switch {
	case f.Kind == fault.ShuttingDown:
		return websocket.StatusGoingAway
	case f.Kind == fault.Internal:
		return websocket.StatusInternalError
	case f.Kind == fault.TooLarge:
		return websocket.StatusMessageTooBig
	case f.Kind.Info().Retry:
		return websocket.StatusTryAgainLater
	}
	return websocket.StatusPolicyViolation
}

// gone reports whether an error is that the other side has gone.
func gone(err error) bool {
	_, broke := errors.AsType[goneError](err)
	return broke || websocket.CloseStatus(err) >= 0
}

// goneError is the end of a connection that the other side did not close.
type goneError struct{ error }

// Unwrap is what it broke by.
func (e goneError) Unwrap() error { return e.error }
