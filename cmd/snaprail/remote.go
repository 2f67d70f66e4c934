package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// withClient runs a command against the server.
func (a *app) withClient(c *cobra.Command, do func(context.Context, *client.Client) error) error {
	api, err := client.New(client.Config{
		Server: a.server, Token: a.findToken(), Timeout: a.timeout, Agent: "snaprail/" + version,
	})
	if err != nil {
		return err
	}
	defer api.Close()
	err = do(c.Context(), api)
	if f := fault.Of(err); f != nil && f.Kind == fault.Unauthenticated && a.findToken() == "" {
		return f.WithHint("Give the server's token with --token or SNAPRAIL_TOKEN; it is in the file %s/%s of the server's machine.",
			a.dataDir(), tokenFile)
	}
	return err
}
