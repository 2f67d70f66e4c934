package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The bounds of one WebSocket.
const (
	socketRequests = 64 // that are open at once: questions and streams
	socketNotice   = time.Second
)

func (s *Server) socketRoutes() {
	s.echo.GET("/api/socket", s.authenticated(s.socket))
	upgrade := func(name, value string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Description: value, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	s.document(&huma.Operation{
		OperationID: "open-socket", Method: http.MethodGet, Path: "/api/socket", Tags: []string{"messages"},
		Summary: "Open a WebSocket: messages in, replies out, and records as they come",
		Description: "Each text frame of the client is a SocketRequest, each of the server's a SocketEvent. The first one is hello. " +
			"Replies come with the id of their request, in any order among requests; messages to one device stay in theirs. " +
			"A client that reads too slowly is told so in a notice, and dropped.",
		Parameters: []*huma.Param{upgrade("Upgrade", "websocket"), upgrade("Sec-WebSocket-Version", "13"), upgrade("Sec-WebSocket-Key", "16 bytes in base64")},
		Responses:  map[string]*huma.Response{"101": {Description: "The WebSocket is open"}},
	})
	for _, frame := range []reflect.Type{reflect.TypeFor[client.SocketRequest](), reflect.TypeFor[client.SocketEvent]()} {
		s.schema(frame, frame.Name())
	}
}

// socket opens a WebSocket and serves it to its end.
func (s *Server) socket(c echo.Context, _ *control.Tenant) error {
	if err := upgrades(c.Request()); err != nil {
		return err
	}
	if err := notForeign(c.Request()); err != nil { // a page of another site could open it with our cookie
		return err
	}
	leave, err := s.streams.enter(identityOf(c).Tenant)
	if err != nil {
		return err
	}
	defer leave()
	s.hijacked.Add(1)
	defer s.hijacked.Done()
	conn, err := websocket.Accept(c.Response(), c.Request(), &websocket.AcceptOptions{InsecureSkipVerify: true}) // notForeign has looked
	if err != nil {
		return nil // it has answered
	}
	conn.SetReadLimit(maxBody)
	k := &socket{server: s, c: c, conn: conn, turn: make(chan struct{}, 1), open: map[string]context.CancelFunc{}}
	k.serve(c.Request().Context())
	return nil
}

// upgrades refuses a request that does not ask for a WebSocket as it has to.
func upgrades(r *http.Request) error {
	h := r.Header
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(h.Get("Sec-WebSocket-Key")))
	const keyBytes = 16
	if !strings.EqualFold(h.Get("Upgrade"), "websocket") || !strings.Contains(strings.ToLower(h.Get("Connection")), "upgrade") ||
		h.Get("Sec-WebSocket-Version") != "13" || err != nil || len(key) != keyBytes {
		return fault.New(fault.Invalid, "this path takes a WebSocket, and the request opens none").
			WithHint("Open it with a WebSocket client (RFC 6455, version 13), with the token in the header Authorization.")
	}
	return nil
}

// Drained waits until no connection is open that has left HTTP, or for ctx. It is
// for behind the end of the listener, since nobody else waits for those.
func (s *Server) Drained(ctx context.Context) error {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.hijacked.Wait()
	}()
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Timeout, "WebSockets are still open")
	}
}

// socket is one WebSocket. The goroutine of its request reads; each request that
// is open has a goroutine that writes, one at a time.
type socket struct {
	server *Server
	c      echo.Context
	conn   *websocket.Conn
	turn   chan struct{} // holds one while somebody writes
	once   sync.Once     // of its end
	under  sync.WaitGroup

	mu   sync.Mutex
	open map[string]context.CancelFunc // by the id of the request
}

// serve reads requests until the connection, the server or the credential ends.
func (k *socket) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer k.under.Wait()
	defer func() {
		cancel()
		_ = k.conn.CloseNow() // it is closed, or broken
	}()
	k.under.Go(func() {
		if err := k.server.watch(ctx, k.c); err != nil {
			k.end(ctx, fault.Of(err))
		}
	})
	k.under.Go(func() { k.beat(ctx) })
	if k.say(ctx, ctx, client.SocketEvent{Op: "hello", Version: k.server.cfg.Version}) != nil {
		return
	}
	for throttle := newThrottle(time.Now()); ; {
		kind, raw, err := k.conn.Read(ctx)
		if err != nil || throttle.wait(ctx, len(raw)) != nil {
			return
		}
		if kind != websocket.MessageText {
			k.end(ctx, fault.New(fault.BodyInvalid, "a frame is text that holds JSON"))
			return
		}
		k.request(ctx, raw)
	}
}

// beat sees whether the client is still there.
func (k *socket) beat(ctx context.Context) {
	tick := time.NewTicker(k.server.pace.heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		select {
		case k.turn <- struct{}{}:
		default: // a write is under way, and has a bound of its own
			continue
		}
		alive, cancel := context.WithTimeout(ctx, 2*k.server.pace.slow)
		err := k.conn.Ping(alive)
		cancel()
		<-k.turn
		if err != nil {
			_ = k.conn.CloseNow() // nobody is there to be told
			return
		}
	}
}

// end tells the client why it is over, if it takes that soon, and closes.
func (k *socket) end(ctx context.Context, why *fault.Fault) {
	k.once.Do(func() {
		p := problemOf(k.c, k.server.public(k.c, why))                         //nolint:contextcheck // it is the request's
		held := time.AfterFunc(socketNotice, func() { _ = k.conn.CloseNow() }) // it takes nothing
		defer held.Stop()
		_ = k.say(ctx, ctx, client.SocketEvent{Op: "notice", Problem: &p})
		code := websocket.StatusPolicyViolation
		switch why.Kind {
		case fault.ShuttingDown:
			code = websocket.StatusGoingAway
		case fault.BodyInvalid:
			code = websocket.StatusUnsupportedData
		default:
		}
		_ = k.conn.Close(code, p.Code)
	})
}

// say writes an event. patience bounds the wait for the turn alone: a write that
// is broken off breaks the connection.
func (k *socket) say(ctx, patience context.Context, e client.SocketEvent) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "event")
	}
	return k.write(ctx, patience, raw)
}

// write writes one frame, when nobody else does. errLags says that it took
// longer than a reader may take; one that takes twice as long has gone.
func (k *socket) write(ctx, patience context.Context, frame []byte) error {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-patience.Done():
		return patience.Err()
	}
	most, begin := patienceFor(k.server.pace.slow, len(frame)), time.Now()
	ctx, cancel := context.WithTimeout(ctx, 2*most)
	defer cancel()
	if err := k.conn.Write(ctx, websocket.MessageText, frame); err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			k.dropped()
		}
		return err
	}
	if time.Since(begin) > most {
		return errLags
	}
	return nil
}

// dropped counts a reader that takes nothing.
func (k *socket) dropped() {
	k.server.metrics.stalled.Inc()
	k.server.cfg.Log.Warn("reader stalled and was dropped", "request", requestID(k.c), "tenant", identityOf(k.c).Tenant)
}
