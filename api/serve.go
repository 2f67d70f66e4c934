package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// How the listener bounds its clients, and its own end.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	drainTimeout  = 10 * time.Second
)

// TLSFiles names a certificate and its key, both PEM.
type TLSFiles struct {
	Cert, Key string
}

// Serve answers requests on ln until ctx ends, then ends streams, waits at
// most 10 seconds for requests that are under way, and returns nil. It owns
// the listener. files turns TLS on; nil: off.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, files *TLSFiles, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // broken handshakes and the like
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	if files != nil {
		certificate, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			_ = ln.Close()
			return fault.Wrap(fault.Usage, err, "certificate").WithHint("Name a PEM certificate with --tls-cert and its key with --tls-key.")
		}
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	if s, ok := h.(interface{ EndStreams() }); ok {
		srv.RegisterOnShutdown(s.EndStreams)
	}
	b := newBounded(ln, log)
	if s, ok := h.(interface{ IsProxy(netip.Addr) bool }); ok {
		b.isProxy = s.IsProxy
	}
	ln = b
	served := make(chan error, 1)
	go func() {
		if files != nil {
			served <- srv.ServeTLS(ln, "", "")
			return
		}
		served <- srv.Serve(ln)
	}()
	select {
	case err := <-served: // it never ends by itself but for a failure
		return fault.Wrap(fault.Internal, err, "listener")
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := srv.Shutdown(drain); err != nil {
		log.Warn("requests cut off by the stop", "error", err)
		_ = srv.Close()
	}
	if s, ok := h.(interface{ Drained(context.Context) error }); ok {
		if err := s.Drained(drain); err != nil {
			log.Warn("connections cut off by the stop", "error", err)
		}
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fault.Wrap(fault.Internal, err, "listener")
	}
	return nil
}
