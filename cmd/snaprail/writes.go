package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func (a *app) writesCommand() *cobra.Command {
	c := branch("writes", "List and approve writes that wait for a second person, and override interlocks",
		a.writesList(), a.writesApprove(), a.writesOverride(), a.writesEnd())
	c.Long = "A grant's interlock may want a second person for each write: then it waits for ten minutes until another\n" +
		"user approves it. An override lets writes through for a while that an interlock would refuse.\n" +
		"`snaprail grants interlock` shows and sets interlocks; `snaprail audit --action device.write` shows every write."
	return c
}

func (a *app) writesList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List writes that wait for a second person, and the overrides that count", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				w, err := api.Writes(ctx)
				if err != nil {
					return err
				}
				return a.show(w, func() { a.printWrites(w) })
			})
		},
	}
}

func (a *app) printWrites(w client.Writes) {
	rows := make([][]string, len(w.Waiting))
	for i, p := range w.Waiting {
		rows[i] = []string{p.ID, p.State, p.ConnectorID, orDash(p.Device), p.Method, valuesText(p.Writes), p.By, when(p.Expires)}
	}
	a.rows([]string{"ID", "STATE", "CONNECTOR", "DEVICE", "METHOD", "WRITES", "BY", "EXPIRES"}, rows)
	if len(w.Overrides) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	rows = make([][]string, len(w.Overrides))
	for i, o := range w.Overrides {
		rows[i] = []string{o.ID, o.ConnectorID, orDash(o.Device), orDash(strings.Join(o.Tags, " ")), o.Reason, o.By, when(o.Expires)}
	}
	a.rows([]string{"OVERRIDE", "CONNECTOR", "DEVICE", "TAGS", "REASON", "BY", "EXPIRES"}, rows)
}

func valuesText(writes []client.WrittenValue) string {
	parts := make([]string, len(writes))
	for i, v := range writes {
		parts[i] = v.Tag + "=" + string(v.Value)
	}
	return orDash(strings.Join(parts, " "))
}

func (a *app) writesApprove() *cobra.Command {
	return &cobra.Command{
		Use: "approve id", Short: "Approve a write that somebody else asked for, and send it",
		Long: "Approve sends a write that waits for a second person, as long as the interlock's bounds still let it\n" +
			"through. It takes a user: who asked for the write cannot approve it, and a token of the tenant is nobody.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				raw, err := api.ApproveWrite(ctx, args[0])
				if err != nil {
					return err
				}
				var r client.Reply
				if json.Unmarshal(raw, &r) == nil {
					return a.showReply(r)
				}
				return a.line(visibleJSON(raw))
			})
		},
	}
}

func (a *app) writesOverride() *cobra.Command {
	var in client.OverrideInput
	var during time.Duration
	c := &cobra.Command{
		Use: "override connector --reason sentence", Short: "Let writes through for a while that an interlock would refuse",
		Example: "  snaprail writes override line-3 --device boiler-3 --tag 'valve*' --for 30m --reason 'The pump is being serviced.'",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in.Connector, in.For = args[0], spec.Duration(during)
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				o, err := api.Override(ctx, in)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.err, "override %s counts until %s\n", o.ID, when(o.Expires))
				return a.show(o, func() { fmt.Fprintln(a.out, o.ID) })
			})
		},
	}
	c.Flags().StringVar(&in.Device, "device", "", "only for this device, by `id`")
	c.Flags().StringArrayVar(&in.Tags, "tag", nil, "only for tags that match this `pattern`; may be repeated")
	c.Flags().StringVar(&in.Reason, "reason", "", "why, for whoever reads the trail later: a `sentence`")
	c.Flags().DurationVar(&during, "for", time.Hour, "how long, up to 24h")
	return c
}

func (a *app) writesEnd() *cobra.Command {
	return &cobra.Command{
		Use: "end id", Short: "End an override before its time", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return api.EndOverride(ctx, args[0])
			})
		},
	}
}

// grantsInterlock shows, sets and takes away the interlock of a grant.
func (a *app) grantsInterlock() *cobra.Command {
	var file string
	var remove bool
	c := &cobra.Command{
		Use: "interlock connector group [resource...]", Short: "Show, set or take away what may be written through a grant",
		Long: "An interlock bounds what a connector may write through a grant, whatever its module does: which tags,\n" +
			"between which values, by how much, how often, when, and only while certain readings hold. Messages are\n" +
			"judged before the module hears of them, and what no message asked for is not written.\n" +
			"Without -f it is shown. The file is JSON, such as\n\n" +
			`  {"tags": [{"tag": "setpoint", "min": 5, "max": 30, "step": 2, "per_minute": 6},` + "\n" +
			`            {"tag": "version", "method": "version"},` + "\n" +
			`            {"tag": "level", "method": "set_level", "value": "/level", "max": 80},` + "\n" +
			`            {"tag": "out*", "method": "switch", "tag_at": "/node", "value": "/on"}],` + "\n" +
			`   "hours": ["Mon-Fri 06:00-18:00"], "zone": "Europe/Berlin",` + "\n" +
			`   "requires": [{"tag": "door", "equals": "shut", "max_age": "30s"}],` + "\n" +
			`   "second_person": true}` + "\n\n" +
			"The first rule lets an attribute be written. Those with a method let an RPC or a command through: one\n" +
			"without values, one whose params hold the value at a JSON Pointer, and one whose params also name the\n" +
			"tag, which has to match. Each param must be one that a rule reads. Tags are names or patterns, {} lets\n" +
			"nothing be written, and \"unasked\": true lets the module write on its own, as polling needs.",
		Example: "  snaprail grants interlock meter serial -f interlock.json",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			lock, err := a.interlockOf(file)
			if err != nil {
				return err
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if lock == nil && !remove {
					return a.showInterlock(ctx, api, args)
				}
				return a.regrant(ctx, api, args[0], func(v *client.Connector) error {
					i, err := a.lockable(v, args[1], args[2:])
					if err == nil {
						v.Grants[i].Interlock, v.Grants[i].Unlock = lock, remove
					}
					return err
				})
			})
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "`file` with the interlock; - is the standard input")
	c.Flags().BoolVar(&remove, "remove", false, "take the interlock away")
	c.MarkFlagsMutuallyExclusive("file", "remove")
	return c
}

func (a *app) interlockOf(file string) (*spec.Interlock, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // none was given
	}
	raw, err := a.fileArgument(file)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	var lock spec.Interlock
	if err := dec.Decode(&lock); err != nil {
		return nil, fault.Wrap(fault.Usage, err, "%s is no interlock", file)
	}
	return &lock, nil
}

func (a *app) showInterlock(ctx context.Context, api *client.Client, args []string) error {
	v, err := api.Connector(ctx, args[0])
	if err != nil {
		return err
	}
	i, err := a.lockable(&v, args[1], args[2:])
	if err != nil {
		return err
	}
	if v.Grants[i].Interlock == nil {
		fmt.Fprintln(a.err, "the grant has no interlock")
		return nil
	}
	raw, err := json.Marshal(v.Grants[i].Interlock)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "print")
	}
	return a.line(visibleJSON(raw))
}

// lockable is the one grant to write that is meant.
func (a *app) lockable(v *client.Connector, group string, resources []string) (int, error) {
	found := -1
	for i, g := range v.Grants {
		if g.Group != group || !strings.Contains(rightsText(g), string(spec.Write)) {
			continue
		}
		if len(resources) > 0 && strings.Join(g.Resources, "\x00") != strings.Join(resources, "\x00") {
			continue
		}
		if found >= 0 {
			return 0, fault.New(fault.Usage, "%s has several grants to write of %s: name the resources of one, as they were granted", v.Name, group)
		}
		found = i
	}
	if found < 0 {
		return 0, fault.New(fault.NotFound, "%s has no such grant to write of %s", v.Name, group).
			WithHint("`snaprail grants list %s` shows what there is.", v.Name)
	}
	return found, nil
}
