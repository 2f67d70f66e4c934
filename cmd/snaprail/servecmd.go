package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// serveOptions is what `serve` was asked for.
type serveOptions struct {
	Listen          string       // host:port
	Data            string       // directory
	Keys            keySource
	TLSCert, TLSKey string       // PEM files; both or none
	MaxModule       int64        // bytes; 0: the server's default
	Ceiling         spec.Ceiling // of tenants that have no word of their own
	Log             *slog.Logger
	Hosts           []string // allowed Host headers; none: any
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
			var err error
			if o.Ceiling, err = ceiling.ceiling(); err != nil {
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
	ceiling.flags(a, c)
	logFlags(c, &level, &format)
	return c
}
