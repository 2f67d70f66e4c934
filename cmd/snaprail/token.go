package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/store/badger"
)

// newToken is what `token create -o json` prints.
type newToken struct {
	identity.Info
	Token string `json:"token"`
}

// tokensOf is what the token commands were asked for.
type tokensOf struct {
	data, tenant string
	keys         keySource
}

func (a *app) tokenCommand() *cobra.Command {
	c := branch("token", "Make, list and revoke tokens", a.tokenCreate(), a.tokenList(), a.tokenRevoke())
	c.Aliases = []string{"tokens"}
	c.Long = "Token asks the server. When nobody answers, or with --data, it works on the data directory of a server\n" +
		"that is stopped, and is the way in when its token is lost: whoever can read the directory can make tokens."
	return c
}

// tokenLife is how long a token is good, unless a flag says otherwise.
const tokenLife = 90 * 24 * time.Hour

func (a *app) tokenCreate() *cobra.Command {
	var o tokensOf
	var in client.TokenInput
	var life time.Duration
	c := &cobra.Command{
		Use:   "create",
		Short: "Make a token, which is printed this once",
		Example: "  snaprail token create --name dashboard --role viewer --scope stream --scope connectors:read\n" +
			"  snaprail token create --name ci --expires 8760h\n  snaprail token create --data /var/lib/snaprail --name laptop",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if life < 0 {
				return fault.New(fault.Usage, "--expires %s: want a positive duration, or 0 for a token without an end", life)
			}
			in.Expires = until(life)
			return a.either(c, func(ctx context.Context, api *client.Client) error {
				t, err := api.CreateToken(ctx, in)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "made the token %s (%s)\n", t.ID, t.Role)
				return a.show(t, func() { fmt.Fprintln(a.out, t.Secret) })
			}, func(ctx context.Context) error { return a.createStopped(ctx, &o, in) })
		},
	}
	o.flags(a, c)
	f := c.Flags()
	f.StringVar(&in.Name, "name", "cli", "what the list calls it: 1 to 100 bytes of `text`")
	f.StringVar(&in.Role, "role", "admin", "`role`: viewer, operator or admin")
	f.StringSliceVar(&in.Scopes, "scope", nil, "narrow it to an area, or an `area:verb`, such as stream or connectors:read; may be repeated")
	f.DurationVar(&life, "expires", tokenLife, "how long it is good, a `duration`; 0: for ever")
	f.BoolVar(&in.Own, "own", false, "your own, which ends with your user")
	return c
}

func (a *app) createStopped(ctx context.Context, o *tokensOf, in client.TokenInput) error {
	return o.with(ctx, func(ctx context.Context, s store.Store) error {
		token, info, err := identity.New(s.System()).Issue(ctx, identity.Who{Kind: identity.ByLocal}, identity.NewToken{
			Tenant: o.tenant, Name: in.Name, Role: identity.Role(in.Role), Scopes: in.Scopes, Expires: in.Expires,
		})
		if err != nil {
			return err
		}
		if err := tokenEvent(ctx, s, identity.ByLocal, identity.TokenCreate, info); err != nil { // it is made, and shown this once
			fmt.Fprintf(a.err, "the tenant's own audit trail does not say so, the server's does: %s\n", visible(err.Error()))
		}
		fmt.Fprintf(a.err, "made the token %s of the tenant %s\n", info.ID, info.Tenant)
		return a.show(newToken{info, token}, func() { fmt.Fprintln(a.out, token) })
	})
}

func (a *app) tokenList() *cobra.Command {
	var o tokensOf
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List tokens, without what would let anybody in",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.either(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Tokens(ctx)
				if err != nil {
					return err
				}
				return a.show(append([]client.Token{}, list...), func() { a.printTokens(list) }) // [] rather than null
			}, func(ctx context.Context) error {
				return o.with(ctx, func(ctx context.Context, s store.Store) error {
					list, err := identity.New(s.System()).List(ctx, o.tenant)
					if err != nil {
						return err
					}
					return a.show(append([]identity.Info{}, list...), func() { a.printTokens(tokenForms(list)) })
				})
			})
		},
	}
	o.flags(a, c)
	return c
}

// tokenForms are tokens as the API shows them.
func tokenForms(list []identity.Info) []client.Token {
	all := make([]client.Token, len(list))
	for i, t := range list {
		all[i] = client.Token{ID: t.ID, Name: t.Name, Role: string(t.Role), Scopes: t.Scopes, Created: t.Created, Expires: t.Expires, User: t.User}
	}
	return all
}

func (a *app) printTokens(list []client.Token) {
	rows := make([][]string, len(list))
	for i, t := range list {
		expires := "never"
		if !t.Expires.IsZero() {
			expires = when(t.Expires)
		}
		rows[i] = []string{t.ID, t.Name, t.Role, when(t.Created), expires, orDash(strings.Join(t.Scopes, " ")), orDash(t.User)}
	}
	a.rows([]string{"ID", "NAME", "ROLE", "CREATED", "EXPIRES", "SCOPES", "OWN OF"}, rows)
}

func (a *app) tokenRevoke() *cobra.Command {
	var o tokensOf
	c := &cobra.Command{
		Use: "revoke id", Aliases: []string{"rm"}, Short: "Revoke a token, by its id",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			err := a.either(c, func(ctx context.Context, api *client.Client) error {
				return api.RevokeToken(ctx, args[0])
			}, func(ctx context.Context) error {
				return o.with(ctx, func(ctx context.Context, s store.Store) error {
					if err := identity.New(s.System()).Revoke(ctx, identity.Who{Kind: identity.ByLocal}, o.tenant, args[0]); err != nil {
						return err
					}
					if err := tokenEvent(ctx, s, identity.ByLocal, identity.TokenRevoke, identity.Info{ID: args[0], Tenant: o.tenant}); err != nil {
						fmt.Fprintf(a.err, "the tenant's own audit trail does not say so, the server's does: %s\n", visible(err.Error()))
					}
					return nil
				})
			})
			if err == nil {
				fmt.Fprintf(a.err, "revoked the token %s\n", args[0])
			}
			return err
		},
	}
	o.flags(a, c)
	return c
}

func (o *tokensOf) flags(a *app, c *cobra.Command) {
	o.keys = a.keys()
	o.keys.flag(c)
	c.Flags().StringVar(&o.data, "data", a.dataDir(), "data `directory` of the server (SNAPRAIL_DATA)")
	c.Flags().StringVar(&o.tenant, "tenant", defaultTenant, "`tenant` that the tokens are of")
}

// tokenEvent writes into a tenant's audit trail what was done to a token of it.
func tokenEvent(ctx context.Context, s store.Store, by identity.WhoKind, action identity.Action, info identity.Info) error {
	space, err := s.Tenant(info.Tenant)
	if err != nil {
		return err
	}
	return identity.Record(ctx, space, identity.Event{
		Who: identity.Who{Kind: by}, Action: action, On: info.ID, Outcome: identity.Done, Detail: info.Describe(),
	})
}

// with does something to the store of a stopped server.
func (o *tokensOf) with(ctx context.Context, do func(context.Context, store.Store) error) (err error) {
	s, err := openStopped(o.data, o.keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.System().View(ctx, func(r store.Reader) error {
		_, err := r.Get(store.Tenants, o.tenant)
		return err
	})
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) { // too long to be one
		return fault.New(fault.NotFound, "there is no tenant %.80q", o.tenant).
			WithHint("Leave --tenant out on a server that nobody has divided.")
	}
	if err != nil {
		return err
	}
	return do(ctx, s)
}

// openStopped opens the store of a stopped server. It makes none: a wrong
// --data is a mistake.
func openStopped(data string, keys keySource) (store.Store, error) {
	dir := filepath.Join(data, "store")
	if absent(dir) {
		return nil, fault.New(fault.NotFound, "%s is not the data directory of a server: there is no %s", data, dir).
			WithHint("Name it with --data, as `snaprail serve` was told; a server makes it at its first start.")
	}
	_, key, err := keys.open(data)
	if err != nil {
		return nil, err
	}
	return openStore(data, key)
}

// openStore opens the store of a stopped server with its key.
func openStore(data string, key badger.Key) (store.Store, error) {
	s, err := badger.Open(badger.Config{Dir: filepath.Join(data, "store"), Key: key, Logger: slog.New(slog.DiscardHandler)})
	if fault.Is(err, fault.WrongState) {
		return nil, fault.Wrap(fault.WrongState, err, "the server is running").
			WithHint("Stop the server, or use the token that is in %s.", filepath.Join(data, tokenFile))
	}
	return s, err
}
