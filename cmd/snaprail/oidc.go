package main

import (
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/identity/oidc"
)

// oidcFlags are an identity provider as flags name it.
type oidcFlags struct {
	issuer, client, secretFile, tenant, claim, usual string
	roles, networks                                  []string
}

func (o *oidcFlags) flags(a *app, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.issuer, "oidc-issuer", a.env("SNAPRAIL_OIDC_ISSUER"), "let people log in by the identity provider at this `URL`, with OpenID Connect (SNAPRAIL_OIDC_ISSUER)")
	f.StringVar(&o.client, "oidc-client-id", a.env("SNAPRAIL_OIDC_CLIENT_ID"), "the `id` that the server has there (SNAPRAIL_OIDC_CLIENT_ID)")
	f.StringVar(&o.secretFile, "oidc-client-secret-file", a.env("SNAPRAIL_OIDC_CLIENT_SECRET_FILE"), "`file` with its secret; none: a public client (SNAPRAIL_OIDC_CLIENT_SECRET_FILE)")
	f.StringVar(&o.tenant, "oidc-tenant", defaultTenant, "`tenant` of everybody who comes from there")
	f.StringVar(&o.claim, "oidc-role-claim", "snaprail_role", "`claim` of the ID token that says what somebody may do")
	f.StringSliceVar(&o.roles, "oidc-role", nil, "what a value of the claim means, as `value=role` (default: viewer, operator and admin mean themselves)")
	f.StringVar(&o.usual, "oidc-default-role", "", "`role` of who has none by the claim (default: they are refused)")
	f.StringSliceVar(&o.networks, "oidc-network", nil, "private `network` in which the provider may be, such as 10.0.0.0/8")
}

// config is what the flags say; nil: there is no provider.
func (o *oidcFlags) config() (*oidc.Config, error) {
	if o.issuer == "" {
		return nil, nil //nolint:nilnil // there is none, and that is no fault
	}
	cfg := &oidc.Config{Issuer: o.issuer, ClientID: o.client, Tenant: o.tenant, RoleClaim: o.claim, Default: identity.Role(o.usual)}
	if o.usual != "" {
		if _, err := identity.ParseRole(o.usual); err != nil {
			return nil, fault.New(fault.Usage, "--oidc-default-role %q: want viewer, operator or admin", o.usual)
		}
	}
	for _, pair := range o.roles {
		i := strings.LastIndexByte(pair, '=')
		role := identity.Role(pair[i+1:])
		if _, err := identity.ParseRole(string(role)); i < 1 || err != nil {
			return nil, fault.New(fault.Usage, "--oidc-role %q: want value=role, with one of viewer, operator, admin", pair)
		}
		if cfg.Roles == nil {
			cfg.Roles = map[string]identity.Role{}
		}
		cfg.Roles[pair[:i]] = role
	}
	if o.secretFile != "" {
		raw, err := os.ReadFile(o.secretFile)
		if err != nil {
			return nil, fault.Wrap(fault.Usage, err, "--oidc-client-secret-file")
		}
		cfg.Secret = strings.TrimSpace(string(raw))
	}
	return cfg, nil
}

// loginProvider is the provider of a server; nil: there is none. It is reached
// by HTTPS, or as its own address says, and by nothing else.
func (s *server) loginProvider(cfg *oidc.Config, networks []string) (api.LoginProvider, error) {
	if cfg == nil {
		return nil, nil //nolint:nilnil // there is none, and that is no fault
	}
	u, err := url.Parse(cfg.Issuer)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "--oidc-issuer")
	}
	patterns := []string{"https://*:*/*", u.Scheme + "://" + u.Host + "/*"}
	for _, n := range networks {
		patterns = append(patterns, "cidr:"+n)
	}
	rules, err := egress.Only(patterns...)
	if err != nil {
		return nil, err
	}
	with := *cfg
	with.Client = s.egress.Client(rules)
	return oidc.New(with)
}
