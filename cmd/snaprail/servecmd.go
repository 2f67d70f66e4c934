package main

import (
	"log/slog"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity/oidc"
	"github.com/snaprail/snaprail/runtime/spec"
)

// serveOptions is what `serve` was asked for.
type serveOptions struct {
	Listen          string // host:port
	Data            string // directory
	Keys            keySource
	TLSCert, TLSKey string       // PEM files; both or none
	MaxModule       int64        // bytes; 0: the server's default
	Ceiling         spec.Ceiling // of tenants that have no word of their own
	Log             *slog.Logger
	Hosts           []string       // allowed Host headers; none: any
	PublicURL       string         // under which browsers reach it; "": as each request says
	Proxies         []netip.Prefix // whose word on where a request comes from is believed
	ApplyDir        string         // of documents that the server keeps true; "": none
	ApplyPrune      bool           // what no document there is of is deleted
	OIDC            *oidc.Config   // by which people log in; nil: none
	OIDCNetworks    []string       // private ones in which the provider may be
	Probes          []setPort      // of sets of connectors
	Version         string
	Terminal        terminal
}

// defaultMaxModule is the largest module that is taken in, unless a flag says
// otherwise.
const defaultMaxModule = 64 << 20

func (a *app) serveCommand() *cobra.Command {
	o := serveOptions{Version: version, Terminal: a.terminal, Keys: a.keys()}
	var level, format string
	var ceiling ceilingFlags
	var provider oidcFlags
	var probes, proxies []string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server: connectors, API and status page",
		Long: "Serve runs the server until it is interrupted. At its first start it writes a token into the\n" +
			"data directory, which the other commands of this binary find there.",
		Example: "  snaprail serve --listen 127.0.0.1:8080 --data /var/lib/snaprail",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if (o.TLSCert == "") != (o.TLSKey == "") {
				return fault.New(fault.Usage, "--tls-cert and --tls-key go together")
			}
			if o.MaxModule <= 0 {
				return fault.New(fault.Usage, "--max-module %d: want a number of bytes above 0", o.MaxModule)
			}
			if u, err := url.Parse(o.PublicURL); o.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "") {
				return fault.New(fault.Usage, "--public-url %q: want scheme and host, as in https://rail.example.com", o.PublicURL)
			}
			var err error
			if o.Ceiling, err = ceiling.ceiling(); err != nil {
				return err
			}
			if o.OIDC, err = provider.config(); err != nil {
				return err
			}
			o.OIDCNetworks = provider.networks
			if o.Proxies, err = api.ParseProxies(proxies); err != nil {
				return fault.Wrap(fault.Usage, err, "--trusted-proxy")
			}
			if o.Probes, err = parseProbes(probes); err != nil {
				return err
			}
			if o.Log, err = newLogger(a.err, level, format); err != nil {
				return err
			}
			return runServe(c.Context(), o)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.Listen, "listen", a.envOr("SNAPRAIL_LISTEN", "127.0.0.1:8080"), "`address` to listen on (SNAPRAIL_LISTEN)")
	flags.StringVar(&o.Data, "data", a.dataDir(), "data `directory` (SNAPRAIL_DATA)")
	o.Keys.flag(c)
	flags.StringVar(&o.TLSCert, "tls-cert", "", "certificate, a PEM `file`; with --tls-key serves HTTPS")
	flags.StringVar(&o.TLSKey, "tls-key", "", "its key, a PEM `file`")
	flags.Int64Var(&o.MaxModule, "max-module", defaultMaxModule, "largest module that is taken in, in `bytes`")
	flags.StringSliceVar(&o.Hosts, "host", nil, "`names` that requests may ask for in their Host header (default: any; on a loopback address: localhost)")
	flags.StringVar(&o.PublicURL, "public-url", "", "`URL` under which browsers reach the server, behind a proxy: where OAuth comes back to (default: as each request says)")
	flags.StringSliceVar(&proxies, "trusted-proxy", words(a.env("SNAPRAIL_TRUSTED_PROXIES")), "`networks` of proxies, such as 10.0.0.0/8, from which alone X-Forwarded-For or Forwarded is believed (SNAPRAIL_TRUSTED_PROXIES; default: none, and all that comes by a proxy shares the bounds of its address)")
	flags.StringVar(&o.ApplyDir, "apply-dir", a.env("SNAPRAIL_APPLY_DIR"), "`directory` of documents to apply whenever they change, as `snaprail apply` does (SNAPRAIL_APPLY_DIR)")
	flags.BoolVar(&o.ApplyPrune, "apply-prune", false, "delete what no document of --apply-dir is of")
	flags.StringSliceVar(&probes, "tcp-probe", nil, "`SET=PORT`: a TCP port that is open while this set of connectors is healthy, as TENANT/SET=PORT for another tenant than default")
	ceiling.flags(a, c)
	provider.flags(a, c)
	logFlags(c, &level, &format)
	return c
}

// words are the parts of a list with commas.
func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
