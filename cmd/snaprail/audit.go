package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

func (a *app) auditCommand() *cobra.Command {
	var o client.AuditOptions
	var since, trail string
	var n int
	c := &cobra.Command{
		Use:   "audit",
		Short: "Print who did what, and what was refused to whom",
		Long: "Audit prints the audit trail in the order in which it was written: tokens, modules, connectors,\n" +
			"grants, limits and consent, and the host calls that were refused to modules. Refusals are written up\n" +
			"to half a minute late, and equal ones that come in a row are one event with a count. The server keeps\n" +
			"the newest 10000 events.\n\n" +
			"The server's own trail has what belongs to no tenant, such as callers that were not let in.",
		Example: "  snaprail audit\n  snaprail audit --connector meter --since 24h\n  snaprail audit --action consent -o json\n" +
			"  snaprail audit --trail server",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if n < 0 {
				return fault.New(fault.Usage, "-n %d: want a positive number", n)
			}
			if trail != "tenant" && trail != "server" {
				return fault.New(fault.Usage, "--trail %q: want tenant or server", trail)
			}
			o.Server = trail == "server"
			var err error
			if o.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return a.audit(ctx, api, o, n)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&o.Connector, "connector", "", "only of this connector, by id or `name`")
	f.StringVar(&o.Action, "action", "", "only this `action`, such as grants.change, or connector for all of connector's")
	f.StringVar(&since, "since", "", "only from this `time` on: 90m, 24h, 2026-11-22 or 2026-11-22T04:00:00Z")
	f.StringVar(&trail, "trail", "tenant", "which `trail`: tenant or server")
	f.IntVarP(&n, "number", "n", 100, "at most so many of the newest; 0: all")
	c.AddCommand(a.auditVerify())
	return c
}

// parseSince reads a time, or how long ago it was.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.New(fault.Usage, "--since %q: want a time such as 24h, 2026-11-22 or 2026-11-22T04:00:00Z", text)
}

func (a *app) audit(ctx context.Context, api *client.Client, o client.AuditOptions, n int) error {
	list := []client.Event{} // [] rather than null
	err := api.Audit(ctx, o, func(e client.Event) bool {
		list = append(list, e)
		return len(list) != n
	})
	if err != nil {
		return err
	}
	slices.Reverse(list)
	return a.show(list, func() { a.printAudit(list, o.Server) })
}

// printAudit prints events. Those of the server's own trail are of many tenants.
func (a *app) printAudit(list []client.Event, server bool) {
	head := []string{"TIME", "WHO", "ACTION", "ON", "OUTCOME", "COUNT", "DETAIL"}
	if server {
		head = slices.Insert(head, 1, "TENANT")
	}
	rows := make([][]string, len(list))
	for i, e := range list {
		outcome := e.Outcome
		if e.Code != "" {
			outcome += " (" + e.Code + ")"
		}
		rows[i] = []string{when(e.Time), whoText(e.Who), e.Action, orDash(target(e)), outcome, fmt.Sprint(e.Count), orDash(e.Detail)}
		if server {
			rows[i] = slices.Insert(rows[i], 1, orDash(e.Tenant))
		}
	}
	a.rows(head, rows)
}

func whoText(w client.Who) string {
	switch {
	case w.Kind == "connector":
		return "the module"
	case w.User != "":
		return w.User + " (" + w.Name + ")"
	case w.Name != "":
		return w.Name + " (" + w.Kind + ")"
	}
	return strings.TrimSpace(w.Kind + " " + w.ID)
}

// target is what an event was done to, or who it is about, in a few words.
func target(e client.Event) string {
	var parts []string
	for _, p := range []string{e.Name, e.On} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Name == "" && e.Connector != "" {
		parts = append([]string{e.Connector}, parts...)
	}
	if len(parts) == 0 && e.Module != "" {
		parts = append(parts, short(e.Module))
	}
	return strings.Join(parts, " ")
}
