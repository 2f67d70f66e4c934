package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/snaprail/snaprail/api"
	"github.com/snaprail/snaprail/runtime/adapter"
	"github.com/snaprail/snaprail/runtime/catalog"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/engine"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/probe"
	"github.com/snaprail/snaprail/runtime/secret"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/badger"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// defaultTenant owns everything on a server that nobody has divided.
const defaultTenant = "default"

// drainTimeout is how long connectors may take to stop, all together.
const drainTimeout = 10 * time.Second

// syncsAtOnce bounds the fsyncs under way over all outboxes: beyond it a disk
// gives no more, and each takes a thread.
const syncsAtOnce = 16

// server is everything of one process, wired.
type server struct {
	store        store.Store
	engine       *engine.Engine
	supervisor   *supervisor.Supervisor
	control      *control.Service
	tokens       *identity.Tokens
	users        *identity.Users
	audit        *identity.Audit
	egress       *egress.Egress
	hooks        api.Hooks
	guestMetrics func(connectors []string) map[string]spec.GuestSeries
	probes       *probe.Probes
	host         string             // of the API, once it listens; probes open their ports there
	refresher    *control.Refresher // nil before serve
	// token is the one that the first start made, and link the one by which it
	// gets its first administrator; "" later.
	token, link string
	// keepToken keeps a token for the commands on this machine, if any is kept.
	keepToken func(token string) error
}

// openServer opens what is kept under dir, and starts nothing yet.
func openServer(ctx context.Context, dir string, keys keySource, maxModule int64, ceiling spec.Ceiling, log *slog.Logger) (_ *server, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "data directory").
			WithHint("Make %s a directory that you may write to, or name another with --data.", dir)
	}
	kek, key, err := keys.open(dir)
	if err != nil {
		return nil, err
	}
	s := &server{egress: egress.New(egress.Config{})}
	s.probes = probe.New(probe.Config{Listen: s.listenProbe, Log: log})
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(ctx))
		}
	}()
	if s.store, err = badger.Open(badger.Config{Dir: filepath.Join(dir, "store"), Key: key, Logger: log}); err != nil {
		return nil, err
	}
	secrets, err := secret.Open(ctx, s.store.System(), kek)
	if err != nil {
		return nil, err
	}
	groups := groups(s.egress, closedFiles(dir, keys)...)
	s.hooks, s.guestMetrics = hooksOf(groups), metricsOf(groups)
	compiler, err := worker()
	if err != nil {
		return nil, err
	}
	if s.engine, err = engine.New(ctx, engine.Config{
		CacheDir: filepath.Join(dir, "cache"), Worker: compiler, Groups: groups.Groups(), Log: log,
	}); err != nil {
		return nil, err
	}
	cat, err := catalog.New(catalog.Config{
		Dir: filepath.Join(dir, "modules"), Store: s.store, Engine: s.engine, Groups: groups, MaxModule: maxModule, Log: log,
	})
	if err != nil {
		return nil, err
	}
	if err := cat.Prune(ctx); err != nil {
		return nil, err
	}
	s.audit = identity.NewAudit(context.WithoutCancel(ctx), s.store, log)
	s.users = identity.NewUsers(s.store.System(), s.audit, identity.Cost{})
	s.supervisor = supervisor.New(context.WithoutCancel(ctx), supervisor.Config{
		Dir: filepath.Join(dir, "outbox"), Store: s.store, Catalog: cat, Engine: s.engine, Groups: groups,
		Outbox: outbox.Config{Syncs: outbox.NewSyncs(syncsAtOnce)}, Ceiling: ceiling, Secrets: secrets, Audit: s.audit, Probes: s.probes, Log: log,
	})
	s.control = control.New(control.Config{
		Adapters: adapter.New(adapter.Config{Dir: filepath.Join(dir, "storage"), Log: log}),
		Store:    s.store, Catalog: cat, Supervisor: s.supervisor, Engine: s.engine, Groups: groups,
		Secrets: secrets, Egress: s.egress, Audit: s.audit, Users: s.users, Operator: defaultTenant, Log: log,
	})
	s.tokens = identity.New(s.store.System())
	return s, s.firstStart(ctx, dir, keys)
}

// firstStart makes the default tenant and its token, which is kept in the data
// directory for the commands on this machine before it counts. Where the key is
// kept elsewhere, so that a copy of the directory is worth nothing, no token is
// put into it: it is told once.
func (s *server) firstStart(ctx context.Context, dir string, keys keySource) error {
	s.keepToken = func(token string) error { return keepToken(dir, token) }
	if !keys.own() {
		s.keepToken = func(string) error { return nil }
	}
	if err := s.supervisor.AddTenant(ctx, defaultTenant); err != nil {
		return err
	}
	token, info, err := s.tokens.First(ctx, defaultTenant, "first", s.keepToken)
	s.token = token
	if err != nil || token == "" {
		return err
	}
	if s.link, err = s.users.FirstLink(ctx, defaultTenant); err != nil {
		return err
	}
	return tokenEvent(ctx, s.store, identity.ByServer, identity.TokenCreate, info)
}

// ownToken is a token of the default tenant for this machine: the kept one
// while it is good, else a new one, which takes its place.
func (s *server) ownToken(ctx context.Context, dir, name string) (string, error) {
	token := keptToken(dir)
	who, err := s.tokens.Verify(ctx, token)
	if err == nil && who.Tenant == defaultTenant {
		return token, nil
	}
	if err != nil && !fault.Is(err, fault.Unauthenticated) {
		return "", err
	}
	token, info, err := s.tokens.Create(ctx, defaultTenant, name)
	if err != nil {
		return "", err
	}
	if err := tokenEvent(ctx, s.store, identity.ByServer, identity.TokenCreate, info); err != nil {
		return "", err
	}
	return token, s.keepToken(token)
}

// close drains and closes everything, the connectors first (I6).
func (s *server) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	var errs []error
	s.refresher.Stop()
	if s.control != nil {
		errs = append(errs, s.control.Close(ctx))
	}
	if s.supervisor != nil {
		err := s.supervisor.Stop(ctx)
		if errs = append(errs, err); fault.Is(err, fault.LogFailed) {
			// The disk hangs, and what else would be closed is on it: the process
			// ends as in a crash, for which everything is ready.
			return errors.Join(errs...)
		}
	}
	s.probes.Close()
	errs = append(errs, s.audit.Close(context.WithoutCancel(ctx))) // whatever the guests were refused last
	if s.engine != nil {
		errs = append(errs, s.engine.Close(context.WithoutCancel(ctx)))
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// serve starts the connectors and answers on the listener until ctx ends.
func (s *server) serve(ctx context.Context, ln net.Listener, o serveOptions) error {
	s.egress.Listening(ln.Addr()) // before any guest can ask for it
	provider, err := s.loginProvider(o.OIDC, o.OIDCNetworks)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	if err := s.control.FinishDeletions(ctx); err != nil && ctx.Err() == nil {
		o.Log.Error("the deletion of a tenant is not finished", "error", err) // nobody opens it, and the others start
	}
	if err = s.openProbes(ctx, ln.Addr(), o.Probes); err == nil {
		err = s.supervisor.Start(ctx)
	}
	if ctx.Err() != nil {
		return ln.Close() // stopped before it had started
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	if o.ApplyDir != "" {
		stop, err := s.watch(context.WithoutCancel(ctx), o)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		defer stop()
	}
	s.refresher = s.control.StartRefresher(context.WithoutCancel(ctx), control.RefresherConfig{Log: o.Log}) // ends with close
	h := api.New(api.Config{                                                                                //nolint:contextcheck // a handler's context is its request's
		Control: s.control, Tokens: s.tokens, Users: s.users, Provider: provider, Tenant: defaultTenant, Audit: s.audit, Log: o.Log, MaxModule: o.MaxModule, Version: o.Version,
		PublicURL: o.PublicURL, Hooks: s.hooks, GuestMetrics: s.guestMetrics, TrustedProxies: o.Proxies,
		Hosts: hosts(o.Hosts, ln.Addr()),
	})
	var tls *api.TLSFiles
	if o.TLSCert != "" {
		tls = &api.TLSFiles{Cert: o.TLSCert, Key: o.TLSKey}
	}
	return api.Serve(ctx, ln, h, tls, o.Log)
}

// openProbes gives sets the ports of the command line, on the address of the
// API. A port that is taken stops the start.
func (s *server) openProbes(ctx context.Context, api net.Addr, ports []setPort) error {
	if host, _, err := net.SplitHostPort(api.String()); err == nil {
		s.host = host
	}
	for _, p := range ports {
		t, err := s.supervisor.Tenant(p.tenant)
		if err == nil {
			err = t.FixProbe(ctx, p.set, p.port)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listenProbe opens the port of a probe.
func (s *server) listenProbe(ctx context.Context, port int) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(s.host, strconv.Itoa(port)))
}

// watch keeps the default tenant as a directory says.
func (s *server) watch(ctx context.Context, o serveOptions) (stop func(), err error) {
	tenant, err := s.control.Tenant(defaultTenant)
	if err != nil {
		return nil, err
	}
	w := &watcher{
		dir: o.ApplyDir, prune: o.ApplyPrune, tenant: tenant.By(identity.OfServer(defaultTenant)), log: o.Log,
		every: watchEvery, drift: driftEvery,
	}
	return w.start(ctx), nil
}

// hosts are the names that requests may ask for. A server on the loopback
// address is asked for by this machine alone; a web page whose name was made to
// lead here is not answered (DNS rebinding).
func hosts(named []string, addr net.Addr) []string {
	tcp, ok := addr.(*net.TCPAddr)
	if len(named) > 0 || !ok || !tcp.IP.IsLoopback() {
		return named
	}
	return []string{"localhost", "127.0.0.1", "::1", tcp.IP.String()}
}

// listen takes the address before anything else is touched, so that a second
// server ends at once.
func listen(ctx context.Context, address string) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.New(fault.Exists, "the address %s is in use", address).
			WithHint("Stop what uses the address, or name another with --listen.")
	case err != nil:
		return nil, fault.Wrap(fault.Usage, err, "listen on %s", address).
			WithHint("Name an address of this machine, as in --listen 127.0.0.1:8080.")
	}
	return ln, nil
}

// runServe is the command serve.
func runServe(ctx context.Context, o serveOptions) error {
	ln, err := listen(ctx, o.Listen)
	if err != nil {
		return err
	}
	s, err := openServer(ctx, o.Data, o.Keys, o.MaxModule, o.Ceiling, o.Log)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	o.Keys.warn(o.Data, o.Log)
	scheme := "http"
	if o.TLSCert != "" {
		scheme = "https"
	}
	fmt.Fprintf(o.Terminal.err, "snaprail %s serves %s://%s  (data in %s)\n", o.Version, scheme, ln.Addr(), o.Data)
	if s.token != "" {
		kept := "also in " + filepath.Join(o.Data, tokenFile)
		if !o.Keys.own() {
			kept = "told this once: as the key is kept outside of the data directory, the token is not in it"
		}
		fmt.Fprintf(o.Terminal.err, "token: %s\n  (%s; status page: %s://%s/?token=%s)\n", s.token, kept, scheme, ln.Addr(), s.token)
	}
	if s.link != "" {
		fmt.Fprintf(o.Terminal.err, "set-up: %s://%s/setup?link=%s\n  (makes the first administrator; good once, for a day)\n", scheme, ln.Addr(), url.QueryEscape(s.link))
	}
	err = s.serve(ctx, ln, o)
	return errors.Join(err, s.close(ctx))
}
