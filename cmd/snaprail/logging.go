package main

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/runtime/fault"
)

func logFlags(c *cobra.Command, level, format *string) {
	c.Flags().StringVar(level, "log-level", "info", "least `level` that is logged: debug, info, warn or error")
	c.Flags().StringVar(format, "log-format", "text", "`form` of the log on stderr: text or json")
}

func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fault.New(fault.Usage, "--log-level %q: want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: least}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fault.New(fault.Usage, "--log-format %q: want text or json", format)
}
