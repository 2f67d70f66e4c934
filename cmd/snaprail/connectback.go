package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// backListener takes one browser back, on the loopback address.
type backListener struct {
	address string
	queries chan url.Values
	server  *http.Server
	done    chan struct{}

	mu    sync.Mutex
	state string // that is waited for
}

// listenBack listens on a free port of this machine.
func listenBack(ctx context.Context) (*backListener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "listen for the browser").WithHint("Use --no-browser.")
	}
	b := &backListener{address: "http://" + ln.Addr().String() + "/", queries: make(chan url.Values, 1), done: make(chan struct{})}
	b.server = &http.Server{
		Handler: http.HandlerFunc(b.take), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
	}
	go func() {
		defer close(b.done)
		_ = b.server.Serve(ln) // it ends with close
	}()
	return b, nil
}

// expect says which state the browser brings.
func (b *backListener) expect(state string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = state
}

func (b *backListener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // for the page to reach the browser
	defer cancel()
	if b.server.Shutdown(ctx) != nil {
		_ = b.server.Close()
	}
	<-b.done
}

// take answers a browser. Whatever else comes to the port is sent away.
func (b *backListener) take(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	state := b.state
	b.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet || r.URL.Path != "/" || state == "" || r.URL.Query().Get("state") != state {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "Nothing is waited for here.\n")
		return
	}
	_, _ = io.WriteString(w, "Go on in the terminal. You can close this window.\n")
	select {
	case b.queries <- r.URL.Query():
	default: // the browser has come before
	}
}
