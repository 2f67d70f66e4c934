package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

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
	c := branch("token", "Make, list and revoke the tokens of a stopped server",
		a.tokenCreate(), a.tokenList(), a.tokenRevoke())
	c.Aliases = []string{"tokens"}
	c.Long = "Token works on the data directory of a server that is stopped, and is the way in when its token is lost.\n" +
		"Whoever can read the directory can make tokens."
	return c
}

func (a *app) tokenCreate() *cobra.Command {
	var o tokensOf
	var name string
	c := &cobra.Command{
		Use:     "create",
		Short:   "Make a token, which is printed this once",
		Example: "  snaprail token create --data /var/lib/snaprail --name laptop",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(c.Context(), func(ctx context.Context, s store.Store) error {
				token, info, err := identity.New(s.System()).Create(ctx, o.tenant, name)
				if err != nil {
					return err
				}
				if err := tokenEvent(ctx, s, identity.ByLocal, identity.TokenCreate, info); err != nil {
					return err
				}
				fmt.Fprintf(a.err, "made the token %s of the tenant %s\n", info.ID, info.Tenant)
				return a.show(newToken{info, token}, func() { fmt.Fprintln(a.out, token) })
			})
		},
	}
	o.flags(a, c)
	c.Flags().StringVar(&name, "name", "cli", "what the list calls it: 1 to 100 bytes of `text`")
	return c
}

func (a *app) tokenList() *cobra.Command {
	var o tokensOf
	c := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List tokens, without what would let anybody in",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.with(c.Context(), func(ctx context.Context, s store.Store) error {
				list, err := identity.New(s.System()).List(ctx, o.tenant)
				if err != nil {
					return err
				}
				return a.show(append([]identity.Info{}, list...), func() { a.printTokens(list) }) // [] rather than null
			})
		},
	}
	o.flags(a, c)
	return c
}

func (a *app) printTokens(list []identity.Info) {
	rows := make([][]string, len(list))
	for i, info := range list {
		rows[i] = []string{info.ID, info.Name, string(info.Role), when(info.Created)}
	}
	a.rows([]string{"ID", "NAME", "ROLE", "CREATED"}, rows)
}

func (a *app) tokenRevoke() *cobra.Command {
	var o tokensOf
	c := &cobra.Command{
		Use: "revoke id", Aliases: []string{"rm"}, Short: "Revoke a token, by its id",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.with(c.Context(), func(ctx context.Context, s store.Store) error {
				if err := identity.New(s.System()).Revoke(ctx, identity.Who{Kind: identity.ByLocal}, o.tenant, args[0]); err != nil {
					return err
				}
				gone := identity.Info{ID: args[0], Tenant: o.tenant}
				if err := tokenEvent(ctx, s, identity.ByLocal, identity.TokenRevoke, gone); err != nil {
					return err
				}
				fmt.Fprintf(a.err, "revoked the token %s\n", args[0])
				return nil
			})
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
		Who: identity.Who{Kind: by}, Action: action, On: info.ID, Outcome: identity.Done, Detail: info.Name,
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
