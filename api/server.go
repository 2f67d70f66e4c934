package api

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Config is what a Server is made of.
type Config struct {
	Control  *control.Service
	Tokens   Verifier
	Users    *identity.Users // nil: nobody logs in
	Provider LoginProvider   // nil: nobody logs in elsewhere
	Tenant   string          // of those who name none when they log in
	Audit    *identity.Audit // nil: who was not let in is noted nowhere
	Hooks    Hooks           // nil: no requests come in for connectors
	// GuestMetrics are what the guests of connectors have counted; nil: nothing.
	GuestMetrics func(connectors []string) map[string]spec.GuestSeries
	Log          *slog.Logger
	MaxModule    int64    // bytes of an upload; 0: 64 MiB
	Version      string   // of this binary
	PublicURL    string   // under which browsers reach it, as https://host; "": as each request says
	Hosts        []string // names that a Host header may have; none: any
	// TrustedProxies are the networks of proxies (see ParseProxies), from which alone
	// X-Forwarded-For and Forwarded are believed; none: from nobody.
	TrustedProxies []netip.Prefix
	Streams        int // open at once for one tenant; 0: 200
	Uploads        int // at once for one tenant; 0: 4
}

const (
	defaultMaxModule = 64 << 20
	defaultStreams   = 200
	defaultUploads   = 4
)

func (cfg Config) withDefaults() Config {
	if cfg.MaxModule <= 0 {
		cfg.MaxModule = defaultMaxModule
	}
	if cfg.Streams <= 0 {
		cfg.Streams = defaultStreams
	}
	if cfg.Uploads <= 0 {
		cfg.Uploads = defaultUploads
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return cfg
}

// Server answers HTTP requests. It starts no goroutine of its own.
type Server struct {
	cfg     Config
	echo    *echo.Echo
	huma    huma.API
	metrics *metrics
	pages   *pages
	streams *gate
	uploads *gate
	rates   *rates
	proxies proxies
	crowd   *crowd
	keys    *onceKeys
	secrets map[string]bool // method and path of what answers with a secret
	extism  *turns
	largeMu sync.Mutex
	large   map[string]*turns // by tenant: large records that are written now
	pace    pace
	started time.Time
	// hijacked are the connections that have left HTTP: nobody but Drained waits
	// for them.
	hijacked sync.WaitGroup
	ending   chan struct{} // closed when streams have to end
	end      func()
}

// New makes a server. It listens nowhere: see Serve.
func New(cfg Config) *Server {
	cfg = cfg.withDefaults()
	s := &Server{
		cfg: cfg, echo: echo.New(), started: time.Now(),
		streams: newGate("streams", cfg.Streams),
		uploads: newGate("uploads", cfg.Uploads),
		proxies: cfg.TrustedProxies, crowd: newCrowd(),
		rates: newRates(), keys: newOnceKeys(), secrets: map[string]bool{},
		large:  map[string]*turns{},
		extism: newTurns("Extism manifests", extismAtOnce, extismWait),
		pace:   usualPace(),
		ending: make(chan struct{}),
	}
	s.end = sync.OnceFunc(func() { close(s.ending) })
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.IPExtractor = echo.ExtractIPDirect()
	s.echo.HTTPErrorHandler = s.fail
	s.echo.Pre(s.unproxied, versioned)
	s.echo.Use(lingering, identified, s.logged, s.recovered, s.crowded, s.guarded, s.callbackPages)
	s.metrics = newMetrics(s)
	s.huma = s.newHuma(s.echo)
	doc := s.huma.OpenAPI()
	doc.OnAddOperation = append(doc.OnAddOperation, s.complete)
	s.routes()
	forgetForeign(doc)
	s.pages = newPages(doc)
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// EndStreams ends all streams, now and from now on, so that a server can stop.
func (s *Server) EndStreams() { s.end() }

func (s *Server) routes() {
	e := s.echo
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Add(method, "/healthz", s.healthz)
		e.Add(method, "/readyz", s.readyz)
	}
	e.GET("/version", s.version)
	e.GET("/metrics", s.serveMetrics)
	e.GET("/", s.statusPage)
	e.GET("/docs", s.docsPage)
	e.GET("/style.css", s.style)
	e.GET("/openapi.json", s.openAPI("application/openapi+json", jsonDocument))
	e.GET("/openapi.yaml", s.openAPI("application/openapi+yaml", yamlDocument))
	s.documentPlain()
	s.moduleRoutes()
	s.typeRoutes()
	s.converterRoutes()
	s.categoryRoutes()
	s.connectorRoutes()
	s.oauthRoutes()
	s.fileRoutes()
	s.applyRoutes()
	s.auditRoutes()
	s.limitRoutes()
	s.secretRoutes()
	s.loginRoutes()
	s.setupRoutes()
	s.providerRoutes()
	s.userRoutes()
	s.tokenRoutes()
	s.tenantRoutes()
	s.streamRoutes()
	s.twinRoutes()
	s.writeRoutes()
	s.notificationRoutes()
	s.messageRoutes()
	s.socketRoutes()
	s.remoteRoutes()
	s.setRoutes()
	s.deploymentRoutes()
	s.hookRoutes()
}
