package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// loginLife is how long the token of a login is good, unless a flag says
// otherwise.
const loginLife = 30 * 24 * time.Hour

func (a *app) loginCommand() *cobra.Command {
	var who client.Credentials
	var life time.Duration
	c := &cobra.Command{
		Use:   "login",
		Short: "Log in, and keep a token of your own for this server",
		Long: "Login asks for your password, or reads it from stdin, and keeps a token of your own in place of it,\n" +
			"in your config directory and for you alone. The token ends with your user, or when --expires has passed.",
		Example: "  snaprail login --name ada\n  snaprail login --name ada --tenant plant --server https://edge.example:8443 < password.txt",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if who.Name == "" {
				return fault.New(fault.Usage, "--name is missing: who logs in")
			}
			if life <= 0 {
				return fault.New(fault.Usage, "--expires %s: want a positive duration", life)
			}
			var err error
			if who.Password, err = a.readPassword("password of " + visible(who.Name)); err != nil {
				return err
			}
			return a.login(c.Context(), who, life)
		},
	}
	c.Flags().StringVar(&who.Name, "name", a.env("USER"), "your `name` on the server")
	c.Flags().StringVar(&who.Tenant, "tenant", "", "your `tenant` (default: the server's own)")
	c.Flags().DurationVar(&life, "expires", loginLife, "how long the token is good, a `duration`")
	return c
}

func (a *app) login(ctx context.Context, who client.Credentials, life time.Duration) error {
	api, err := client.New(client.Config{Server: a.server, Timeout: a.timeout, Agent: "snaprail/" + version})
	if err != nil {
		return err
	}
	defer api.Close()
	machine, err := os.Hostname()
	if err != nil {
		machine = "a machine without a name"
	}
	token, err := api.Login(ctx, who, client.TokenInput{Name: "login from " + fault.Clip(machine, 60), Expires: time.Now().Add(life).UTC()})
	if err != nil {
		return err
	}
	err = a.keepCredential(&keptLogin{Token: token.Secret, ID: token.ID, Tenant: who.Tenant, Name: who.Name, Expires: token.Expires})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "logged in to %s as %s (%s) until %s\n", visible(a.server), visible(who.Name), token.Role, when(token.Expires))
	return nil
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "Revoke the token that login has kept for this server, and forget it",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			kept, ok := a.keptCredential()
			if !ok {
				return fault.New(fault.NotFound, "nobody has logged in to %s from here", a.server)
			}
			api, err := client.New(client.Config{Server: a.server, Token: kept.Token, Timeout: a.timeout, Agent: "snaprail/" + version})
			if err != nil {
				return err
			}
			defer api.Close()
			err = api.RevokeToken(c.Context(), kept.ID)
			if err != nil && !fault.Is(err, fault.Unauthenticated) { // it has ended already
				return err
			}
			if err := a.keepCredential(nil); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "logged out of %s\n", visible(a.server))
			return nil
		},
	}
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show who you are to the server and what you may do",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				me, err := api.Me(ctx)
				if err != nil {
					return err
				}
				return a.show(me, func() {
					a.rows(nil, [][]string{
						{"tenant", me.Tenant}, {me.Kind, me.Name}, {"id", me.ID}, {"role", me.Role},
					})
					fmt.Fprintln(a.out)
					rows := make([][]string, len(me.Permissions))
					for i, p := range me.Permissions {
						rows[i] = []string{p}
					}
					a.rows([]string{"MAY"}, rows)
				})
			})
		},
	}
}
