package main

import (
	"context"
	"path/filepath"
	"time"

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
	return a.advised(do(c.Context(), api))
}

// advised is an error of the server with what to do next here, where it is
// known which credential was sent.
func (a *app) advised(err error) error {
	f := fault.Of(err)
	if f == nil {
		return err
	}
	kept, used := a.keptCredential()
	used = used && a.token == "" && a.env("SNAPRAIL_TOKEN") == ""
	switch {
	case f.Kind == fault.RoleRequired && used:
		return f.WithHint("Ask an administrator for a higher role; with one that you got since, log in again: `%s`.", loginAgain(kept))
	case f.Kind != fault.Unauthenticated:
		return err
	case used && !time.Now().Before(kept.Expires):
		return f.WithHint("Your login ended at %s: log in again, with `%s`.", when(kept.Expires), loginAgain(kept))
	case used:
		return f.WithHint("Your login was ended, or your user is disabled: log in again, with `%s`, or ask an administrator.", loginAgain(kept))
	case a.token != "":
		return f.WithHint("Look at --token: it has ended or was revoked, or is of another server than %s.", a.server)
	case a.env("SNAPRAIL_TOKEN") != "":
		return f.WithHint("Look at SNAPRAIL_TOKEN: it has ended or was revoked, or is of another server than %s.", a.server)
	case a.findToken() != "":
		return f.WithHint("Look at the file %s: it is of another server than %s, or its token was revoked. Log in instead: `snaprail login`.",
			filepath.Join(a.dataDir(), tokenFile), a.server)
	case a.loggedOut():
		return f.WithHint("You have logged out of %s: log in again, with `snaprail login`, name a token with --token or SNAPRAIL_TOKEN, or use that of %s again after `snaprail logout --forget`.",
			a.server, a.dataDir())
	}
	return f.WithHint("Log in with `snaprail login`, or give a token with --token or SNAPRAIL_TOKEN. The server keeps its first one in the file token of its data directory, which SNAPRAIL_DATA names; here that is %s.",
		a.dataDir())
}

// loginAgain is the command that makes a login anew.
func loginAgain(kept keptLogin) string {
	command := "snaprail login --name " + visible(kept.Name)
	if kept.Tenant != "" {
		command += " --tenant " + visible(kept.Tenant)
	}
	return command
}
