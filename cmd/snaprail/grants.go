package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func (a *app) grantsCommand() *cobra.Command {
	c := branch("grants", "List, add and remove what a connector may reach", a.grantsList(), a.grantsAdd(), a.grantsRemove(), a.grantsForms(), a.grantsInterlock())
	c.Aliases = []string{"grant"}
	c.Long = "Grants are the right of one connector to resources of a group: to these serial ports, to these files.\n" +
		"What was not granted cannot be reached. `snaprail inspect` says which grants a module has a use for.\n" +
		"A connector that runs takes a change over without closing what stays granted."
	return c
}

func (a *app) grantsList() *cobra.Command {
	return a.on("list", "List a connector's grants, with who granted them", func(ctx context.Context, api *client.Client, id string) error {
		v, err := api.Connector(ctx, id)
		if err != nil {
			return err
		}
		a.warn(v)
		return a.show(append([]spec.Grant{}, v.Grants...), func() { a.printGrants(v.Grants) }) // [] rather than null
	})
}

func (a *app) printGrants(grants []spec.Grant) {
	rows := make([][]string, len(grants))
	for i, g := range grants {
		rows[i] = []string{
			g.Group, orDash(strings.Join(g.Resources, " ")), rightsText(g), orDash(g.GrantedBy), when(g.GrantedAt), orDash(g.Reason),
		}
	}
	a.rows([]string{"GROUP", "RESOURCES", "RIGHTS", "GRANTED BY", "GRANTED AT", "REASON"}, rows)
}

// rightsText is a grant's rights: "read+write".
func rightsText(g spec.Grant) string {
	if len(g.Rights) == 0 {
		return string(spec.Read)
	}
	parts := make([]string, len(g.Rights))
	for i, r := range g.Rights {
		parts[i] = string(r)
	}
	if g.Interlock != nil {
		return strings.Join(parts, "+") + " (interlock)"
	}
	return strings.Join(parts, "+")
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func (a *app) grantsAdd() *cobra.Command {
	var write bool
	var reason string
	c := &cobra.Command{
		Use:   "add connector group resource...",
		Short: "Let a connector reach resources of a group",
		Long: "Add lets a connector reach resources of a group, to read them, and to write to them with --write.\n" +
			"A resource is a name or a pattern: * stands for any characters but a slash, ? for one of them.\n" +
			"Those of the group http are URLs: * in place of a host's first label, in one segment of the path,\n" +
			"or at its end for all that follows; cidr:network opens private addresses, and not for the URLs beside\n" +
			"it alone, but for all of the connector's, to read and to write as those say.\n" +
			"A grant of the same resources is replaced.\n\n" +
			"What is named, by group (`snaprail grants forms` says what each allows):\n\n" + grantTable(),
		Example: "  snaprail grants add meter serial /dev/ttyUSB0 --write --reason \"Sets the meter's clock.\"\n" +
			"  snaprail grants add tail file '/var/log/plant/*.log'\n" +
			"  snaprail grants add poll http 'https://*.example.com/v1/*'\n" +
			"  snaprail grants add plc http 'http://192.168.1.5/state' cidr:192.168.1.0/24",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			g := spec.Grant{Group: args[1], Resources: args[2:], Rights: []spec.Right{spec.Read}, Reason: reason}
			if write {
				g.Rights = append(g.Rights, spec.Write)
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return a.regrant(ctx, api, args[0], func(v *client.Connector) error {
					v.Grants = append(without(v.Grants, func(h spec.Grant) bool {
						same := h.Group == g.Group && slices.Equal(h.Resources, g.Resources)
						if same && write { // what bounds its writes stays
							g.Interlock = h.Interlock
						}
						return same
					}), g)
					return nil
				})
			})
		},
	}
	c.Flags().BoolVar(&write, "write", false, "to write too, and not to read alone")
	c.Flags().StringVar(&reason, "reason", "", "why, for whoever reads the list later: a `sentence`")
	return c
}

func (a *app) grantsRemove() *cobra.Command {
	return &cobra.Command{
		Use: "remove connector group [resource...]", Aliases: []string{"rm"},
		Short: "Take from a connector all of a group, or these resources of it",
		Long: "Remove takes all grants of a group from a connector, or these resources of them. A resource is named\n" +
			"as it was granted: a pattern by the pattern.",
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return a.regrant(ctx, api, args[0], func(v *client.Connector) error {
					if err := ungrant(v, args[1], args[2:]); err != nil {
						return err
					}
					a.left(v, args[1])
					return nil
				})
			})
		},
	}
}

// left says of the networks that a connector keeps, when nothing is left that may be
// in them: they would count for all that it is granted next.
func (a *app) left(v *client.Connector, group string) {
	of, known := offer().Group(group)
	if !known {
		return
	}
	var networks []string
	for _, g := range v.Grants {
		for _, r := range g.Resources {
			switch {
			case g.Group != group:
			case capability.StandsAlone(of, r):
				return
			case egress.IsNetwork(r):
				networks = append(networks, r)
			}
		}
	}
	for _, r := range networks {
		fmt.Fprintf(a.err, "warning: %s keeps %s, which opens that network to all that it is granted of the group: `snaprail grants rm %s %s %s` closes it\n",
			visible(v.Name), visible(r), visible(v.Name), visible(group), visible(r))
	}
}

// ungrant takes a group, or resources of it, from a connector.
func ungrant(v *client.Connector, group string, resources []string) error {
	found := map[string]bool{}
	v.Grants = slices.Clone(v.Grants)
	for i := range v.Grants {
		g := &v.Grants[i]
		if g.Group != group || len(resources) == 0 {
			continue
		}
		g.Resources = slices.DeleteFunc(slices.Clone(g.Resources), func(r string) bool {
			found[r] = found[r] || slices.Contains(resources, r)
			return slices.Contains(resources, r)
		})
		if len(g.Resources) == 0 {
			g.Group = "" // nothing is left of it
		}
	}
	for _, r := range resources {
		if !found[r] {
			return fault.New(fault.NotFound, "%s has no grant of %s %q", v.Name, group, r).
				WithHint("`snaprail grants list %s` shows what there is.", v.Name)
		}
	}
	before := len(v.Grants)
	v.Grants = without(v.Grants, func(g spec.Grant) bool { return g.Group == "" || (len(resources) == 0 && g.Group == group) })
	if len(resources) == 0 && len(v.Grants) == before {
		return fault.New(fault.NotFound, "%s has no grant of the group %q", v.Name, group).
			WithHint("`snaprail grants list %s` shows what there is.", v.Name)
	}
	return nil
}

func without(grants []spec.Grant, drop func(spec.Grant) bool) []spec.Grant {
	return slices.DeleteFunc(slices.Clone(grants), drop)
}

// regrant changes a connector's grants, and nothing else of it.
func (a *app) regrant(ctx context.Context, api *client.Client, id string, change func(*client.Connector) error) error {
	v, err := api.Connector(ctx, id)
	if err != nil {
		return err
	}
	if err := change(&v); err != nil {
		return err
	}
	body, err := json.Marshal(v)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "connector")
	}
	now, err := api.UpdateConnector(ctx, v.ID, body, v.Revision)
	if err != nil {
		return err
	}
	a.warn(now)
	fmt.Fprintf(a.err, "updated %s to revision %d\n", now.Name, now.Revision)
	return a.show(append([]spec.Grant{}, now.Grants...), func() { a.printGrants(now.Grants) })
}
