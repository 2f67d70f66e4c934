package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func (a *app) tenantList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List tenants", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Tenants(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func() {
					rows := make([][]string, len(list))
					for i, t := range list {
						note := "-"
						if t.Operator {
							note = "operates the server"
						}
						rows[i] = []string{t.ID, when(t.Created), note}
					}
					a.rows([]string{"TENANT", "CREATED", "NOTE"}, rows)
				})
			})
		},
	}
}

func (a *app) tenantShow() *cobra.Command {
	return &cobra.Command{
		Use: "show tenant", Short: "Show a tenant, what it has and what it may have", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				t, err := api.Tenant(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(t, func() { a.printTenant(t) })
			})
		},
	}
}

func (a *app) printTenant(t client.Tenant) {
	has := func(n *int) int {
		if n == nil {
			return 0
		}
		return *n
	}
	fmt.Fprintf(a.out, "tenant %s, made %s: %d connectors, %d modules, %d users\n\n",
		visible(t.ID), when(t.Created), has(t.Connectors), has(t.Modules), has(t.Users))
	a.printCeiling(t.Ceiling)
}

func (a *app) tenantCreate() *cobra.Command {
	var o ceilingFlags
	var admin string
	c := &cobra.Command{
		Use: "create tenant", Aliases: []string{"add"}, Short: "Make a tenant",
		Example: "  snaprail tenant create plant-7 --memory 1GiB --quota connectors=50",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			change, err := o.change(c)
			if err != nil {
				return err
			}
			in := client.TenantInput{ID: args[0]}
			change(&in.Ceiling)
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				t, err := api.CreateTenant(ctx, in)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "made the tenant %s\n", t.ID)
				if admin == "" {
					return a.show(t, func() {})
				}
				l, err := api.InviteAdmin(ctx, t.ID, client.UserInput{Name: admin, Role: "admin"})
				if err != nil {
					return err
				}
				return a.showLink(l, l.Invitation)
			})
		},
	}
	o.tenantFlags(c)
	c.Flags().StringVar(&admin, "admin", "", "make its first administrator of this `name`, and print the link by which they set a password")
	return c
}

func (a *app) tenantRemove() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "rm tenant", Aliases: []string{"delete"}, Short: "Stop a tenant and remove all that it has, for good",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !yes {
				return fault.New(fault.Usage, "this removes the connectors, modules, users, secrets and records of %s", args[0]).
					WithHint("Add --yes if that is meant.")
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if err := api.DeleteTenant(ctx, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(a.err, "removed the tenant %s\n", visible(args[0]))
				return nil
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}

// changeCeiling changes a tenant's ceiling on a server that runs.
func (a *app) changeCeiling(ctx context.Context, api *client.Client, tenant string, change func(*spec.Ceiling), changed bool) error {
	t, err := api.Tenant(ctx, tenant)
	if err != nil {
		return err
	}
	if changed {
		change(&t.Ceiling)
		if t, err = api.SetCeiling(ctx, tenant, t.Ceiling, t.Revision); err != nil {
			return err
		}
	}
	return a.show(t.Ceiling, func() { a.printCeiling(t.Ceiling) })
}

func quotaNames() []string {
	return []string{"connectors", "modules", "module_bytes", "requests_per_minute", "changes_per_minute"}
}

// quotaField is a quota's field by its name in JSON.
func quotaField(name string) (func(*spec.Quota) *uint64, bool) {
	fields := []func(*spec.Quota) *uint64{
		func(q *spec.Quota) *uint64 { return &q.Connectors },
		func(q *spec.Quota) *uint64 { return &q.Modules },
		func(q *spec.Quota) *uint64 { return &q.ModuleBytes },
		func(q *spec.Quota) *uint64 { return &q.RequestsPerMinute },
		func(q *spec.Quota) *uint64 { return &q.ChangesPerMinute },
	}
	i := slices.Index(quotaNames(), name)
	if i < 0 {
		return nil, false
	}
	return fields[i], true
}

// parseQuota reads connectors=50 and module_bytes=1GiB. 0 is the server's word.
func parseQuota(pair string) (to func(*spec.Quota) *uint64, n uint64, err error) {
	name, value, _ := strings.Cut(pair, "=")
	to, known := quotaField(name)
	if !known {
		return nil, 0, fault.New(fault.Usage, "--quota %q: want name=number, with one of %s", pair, strings.Join(quotaNames(), ", "))
	}
	if name == "module_bytes" {
		n, err = parseSize("--quota "+name, value)
		return to, n, err
	}
	if n, err = strconv.ParseUint(value, 10, 64); err != nil {
		return nil, 0, fault.New(fault.Usage, "--quota %q: want a number", pair)
	}
	return to, n, nil
}

// parseGrantable reads "http https://api.example.com/* read,write": a group, the
// patterns of resources, and rights; without rights, to read. One empty text
// takes the tenant's own list back.
func parseGrantable(texts []string) (list []spec.Grant, err error) {
	for _, text := range texts {
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		g := spec.Grant{Group: words[0], Resources: words[1:], Rights: []spec.Right{spec.Read}}
		if n := len(words); n > 1 && rightsWord(words[n-1]) {
			g.Resources, g.Rights = words[1:n-1], nil
			for r := range strings.SplitSeq(words[n-1], ",") {
				g.Rights = append(g.Rights, spec.Right(r))
			}
		}
		list = append(list, g)
	}
	return list, nil
}

func rightsWord(word string) bool {
	return word == "read" || word == "write" || word == "read,write" || word == "write,read"
}
