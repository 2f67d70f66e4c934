package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	var forget bool
	c := &cobra.Command{
		Use: "logout", Short: "Revoke the token that login has kept for this server, and forget it",
		Long: "Logout revokes the token that login has kept for this server. From then on commands call it with --token or\n" +
			"SNAPRAIL_TOKEN alone, and not with the file token in the data directory, until you log in again; with\n" +
			"--forget it is as if you had never logged in.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			kept, ok := a.keptCredential()
			if !ok && forget && a.loggedOut() {
				if err := a.keepCredential(nil); err != nil {
					return err
				}
				a.sayCredential()
				return nil
			}
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
			left := &keptLogin{Tenant: kept.Tenant, Name: kept.Name, LoggedOut: true}
			if forget {
				left = nil
			}
			if err := a.keepCredential(left); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "logged out of %s\n", visible(a.server))
			a.sayCredential()
			return nil
		},
	}
	c.Flags().BoolVar(&forget, "forget", false, "let commands use the file token in the data directory again")
	return c
}

// sayCredential says what commands call the server with from now on.
func (a *app) sayCredential() {
	switch {
	case a.token != "" || a.env("SNAPRAIL_TOKEN") != "":
		fmt.Fprintln(a.err, "commands use the token of --token or SNAPRAIL_TOKEN now")
	case a.findToken() != "":
		fmt.Fprintf(a.err, "commands use the token in %s now\n", filepath.Join(a.dataDir(), tokenFile))
	case keptToken(a.dataDir()) != "":
		fmt.Fprintf(a.err, "commands use no token now, nor that in %s; `snaprail logout --forget` lets them\n", filepath.Join(a.dataDir(), tokenFile))
	default:
		fmt.Fprintln(a.err, "commands use no token now")
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
					rows := [][]string{{"tenant", me.Tenant}}
					if me.User != "" && me.Kind != "user" {
						rows = append(rows, []string{"user", me.User})
					}
					a.rows(nil, append(rows, []string{me.Kind, me.Name}, []string{"id", me.ID}, []string{"role", me.Role}))
					fmt.Fprintln(a.out)
					may := make([][]string, len(me.Permissions))
					for i, p := range me.Permissions {
						may[i] = []string{p}
					}
					a.rows([]string{"MAY"}, may)
				})
			})
		},
	}
}
