package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// either asks the server, or, when nobody answers, works on the data directory
// of one that is stopped. A flag that names the directory, or what only it
// needs, asks for that at once.
func (a *app) either(c *cobra.Command, remote func(context.Context, *client.Client) error, stopped func(context.Context) error) error {
	for _, name := range []string{"data", "key-file", "tenant"} {
		if f := c.Flags().Lookup(name); f != nil && f.Changed {
			return stopped(c.Context())
		}
	}
	err := a.withClient(c, remote)
	if fault.Is(err, fault.Unreachable) {
		return stopped(c.Context())
	}
	return err
}
