package main

import (
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/runtime/fault"
)

// demoOptions is what `demo` was asked for.
type demoOptions struct {
	Listen   string
	Records  int    // end after so many; 0: when interrupted
	JSON     bool   // one JSON line a record instead of a line for a person
	Data     string // directory; "": a temporary one, removed at the end
	Keys     keySource
	Interval time.Duration // between two readings of the simulated station
	Log      *slog.Logger
	Version  string
	Terminal terminal
}

func (a *app) demoCommand() *cobra.Command {
	o := demoOptions{Version: version, Terminal: a.terminal, Keys: a.keys()}
	var level, format string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run a server with a simulated weather station, and print what it measures",
		Long: "Demo starts a real server, plays a weather station into one end of a pseudo-terminal, uploads\n" +
			"the shipped modules, activates a connector on the other end and prints each record.",
		Example: "  snaprail demo\n  snaprail demo --records 100 -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Records < 0 || o.Interval <= 0 {
				return fault.New(fault.Usage, "--records and --interval must be positive")
			}
			var err error
			if o.Log, err = newLogger(a.err, level, format); err != nil {
				return err
			}
			o.JSON = a.output == outputJSON
			return runDemo(c.Context(), o)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8080", "`address` to listen on")
	flags.IntVar(&o.Records, "records", 0, "end after `N` records; 0: when interrupted")
	flags.StringVar(&o.Data, "data", "", "data `directory` (default: a temporary one)")
	flags.DurationVar(&o.Interval, "interval", time.Second, "time between two readings of the station")
	logFlags(c, &level, &format)
	_ = c.Flags().Set("log-level", "warn") // the flag exists: the demo's own lines are the show
	c.Flags().Lookup("log-level").DefValue = "warn"
	return c
}
