package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

func (a *app) logsCommand() *cobra.Command {
	var follow bool
	var after uint64
	c := &cobra.Command{
		Use:     "logs connector",
		Short:   "Print a connector's log, and follow it with -f",
		Example: "  snaprail logs -f meter",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if follow {
					return api.FollowLogs(ctx, args[0], after, a.lost, a.printLine)
				}
				lines, err := api.Logs(ctx, args[0], after)
				for i := 0; err == nil && i < len(lines); i++ {
					err = a.printLine(lines[i])
				}
				return err
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new lines until interrupted")
	c.Flags().Uint64Var(&after, "after", 0, "only lines behind this `sequence`")
	return c
}

// lost tells the user that a stream is made anew.
func (a *app) lost(err error) { fmt.Fprintf(a.err, "reconnecting: %s\n", visible(err.Error())) }

func (a *app) printLine(l client.LogLine) error {
	if a.output == outputJSON {
		raw, err := json.Marshal(l)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "print")
		}
		return a.line(string(raw))
	}
	source := l.Source
	if l.Target != "" {
		source += "/" + l.Target
	}
	return a.line(fmt.Sprintf("%s %-8s %s: %s", l.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
		visible(l.Level), visible(source), visible(l.Text)))
}

// errUnread ends a command whose reader has gone: who ends a pipe has what they
// wanted, as with `tail | head`.
var errUnread = errors.New("nobody reads any more")

// line prints a line of a stream. A reader that has gone ends the stream.
func (a *app) line(s string) error {
	_, err := fmt.Fprintln(a.out, s)
	switch {
	case errors.Is(err, syscall.EPIPE):
		return errUnread
	case err != nil:
		return fault.Wrap(fault.Internal, err, "print").WithHint("Look at where the output goes: a full disk, perhaps.")
	}
	return nil
}
