package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func (a *app) devicesCommand() *cobra.Command {
	c := branch("devices", "List, add, change and delete devices, here and upstream",
		a.devicesList(), a.deviceShow(), a.deviceAdd(), a.deviceUpdate(), a.deviceLeave("disconnect", "Take a device away from here, and leave it upstream as disconnected"),
		a.deviceLeave("delete", "Delete a device, here and upstream"), a.deviceTags(), a.devicesSync())
	c.Aliases = []string{"device"}
	list := a.devicesList()
	c.Flags().AddFlagSet(list.Flags())
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fault.New(fault.Usage, "%s has no command %q", cmd.CommandPath(), args[0])
		}
		return list.RunE(cmd, nil)
	}
	c.Long = "Devices shows all devices of the tenant. What is asked for happens here first and upstream afterwards,\n" +
		"if the tenant has a platform: a default connector of the category platform. What upstream could not be\n" +
		"told it is told when it can be reached again."
	return c
}

func (a *app) devicesList() *cobra.Command {
	var connector string
	c := &cobra.Command{
		Use:   "list",
		Short: "List devices",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Devices(ctx, connector)
				if err != nil {
					return err
				}
				return a.show(list, func() {
					rows := make([][]string, len(list))
					for i, d := range list {
						rows[i] = []string{d.ID, d.Name, orDash(d.Type), d.Connector, string(d.State), yesNo(d.Registered), when(d.Added)}
					}
					a.rows([]string{"ID", "NAME", "TYPE", "CONNECTOR", "STATE", "UPSTREAM", "ADDED"}, rows)
				})
			})
		},
	}
	c.Flags().StringVar(&connector, "connector", "", "only of this connector, by id or `name`")
	return c
}

func yesNo(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}

func (a *app) deviceShow() *cobra.Command {
	return &cobra.Command{
		Use: "show connector device", Short: "Show a device",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				d, err := api.Device(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				return a.show(d, func() { a.rows(nil, deviceLines(&d)) })
			})
		},
	}
}

func deviceLines(d *spec.Device) [][]string {
	rows := [][]string{
		{"id", d.ID},
		{"type", orDash(d.Type)},
		{"name", orDash(d.Name)},
		{"connector", d.Connector},
		{"uuid", orDash(d.UUID)},
		{"state", string(d.State)},
		{"upstream", yesNo(d.Registered)},
		{"hash", orDash(d.Hash)},
		{"endpoint", orDash(d.Endpoint)},
	}
	for _, name := range sortedKeys(d.Tags) {
		rows = append(rows, []string{"tag " + name, d.Tags[name]})
	}
	if len(d.Attributes) > 0 {
		rows = append(rows, []string{"attributes", string(d.Attributes)})
	}
	if len(d.Config) > 0 {
		rows = append(rows, []string{"config", string(d.Config)})
	}
	return append(rows, []string{"added", when(d.Added)}, []string{"revision", strconv.FormatUint(d.Revision, 10)})
}

// deviceFlags are what a device is made of on the command line.
type deviceFlags struct {
	kind, name, endpoint, attributes, config, poll string
	tags                                           []string
	file                                           string
	wait                                           deviceWait
}

func (f *deviceFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.kind, "type", "", "its `type`, one that the connector's module serves; needed to add it")
	c.Flags().StringVar(&f.name, "name", "", "its `name` (default its id)")
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "what it is reached through: a `port`, an address")
	c.Flags().StringVar(&f.attributes, "attributes", "", "extension attributes, as an `object` of JSON")
	c.Flags().StringVar(&f.config, "config", "", "what the module must know of it, as an `object` of JSON")
	c.Flags().StringVar(&f.poll, "poll", "", "how often it is asked, such as `5s`")
	c.Flags().StringArrayVar(&f.tags, "tag", nil, "a tag, as `name=value`; may come several times")
	c.Flags().StringVarP(&f.file, "file", "f", "", "JSON as the API takes it, from a `file`; - is stdin")
	f.wait.add(c)
}

// deviceWait is how long a command waits for upstream.
type deviceWait struct {
	timeout time.Duration
	noWait  bool
}

func (w *deviceWait) add(c *cobra.Command) {
	c.Flags().DurationVar(&w.timeout, "wait", 0, "how long upstream's word is waited for (default 10s)")
	c.Flags().BoolVar(&w.noWait, "no-wait", false, "do not wait for upstream's word")
}

func (w *deviceWait) patience() client.Patience {
	return client.Patience{Timeout: w.timeout, NoWait: w.noWait}
}

// onto puts what the flags say over a device.
func (f *deviceFlags) onto(c *cobra.Command, in *client.DeviceInput) error {
	said := c.Flags().Changed
	for flag, text := range map[string]*string{"type": &in.Type, "name": &in.Name, "endpoint": &in.Endpoint} {
		if said(flag) {
			*text = c.Flag(flag).Value.String()
		}
	}
	for flag, object := range map[string]*json.RawMessage{"attributes": &in.Attributes, "config": &in.Config} {
		if !said(flag) {
			continue
		}
		text := c.Flag(flag).Value.String()
		if !json.Valid([]byte(text)) {
			return fault.New(fault.Usage, "--%s is no JSON", flag)
		}
		*object = json.RawMessage(text)
	}
	if said("poll") {
		every, err := time.ParseDuration(f.poll)
		if err != nil {
			return fault.New(fault.Usage, "--poll %q is no time", f.poll)
		}
		in.Poll.Interval = spec.Duration(every)
	}
	for i, tag := range f.tags {
		name, value, ok := strings.Cut(tag, "=")
		if !ok {
			return fault.New(fault.Usage, "--tag %q is no name=value", tag)
		}
		if i == 0 || in.Tags == nil {
			in.Tags = map[string]string{}
		}
		in.Tags[name] = value
	}
	return nil
}

func (a *app) deviceInput(c *cobra.Command, f *deviceFlags, in *client.DeviceInput) error {
	if f.file != "" {
		raw, err := a.fileArgument(f.file)
		if err != nil {
			return err
		}
		*in = client.DeviceInput{}
		if err := json.Unmarshal(raw, in); err != nil {
			return fault.Wrap(fault.Usage, err, "%s", f.file)
		}
	}
	return f.onto(c, in)
}

func (a *app) deviceAdd() *cobra.Command {
	var f deviceFlags
	c := &cobra.Command{
		Use: "add connector {device --type type | -f file}", Short: "Add a device to a connector, here and upstream",
		Example: "  snaprail devices add modbus boiler-3 --type meter --name 'Boiler 3' --tag site=north\n  snaprail devices add modbus -f boiler.json",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			var in client.DeviceInput
			if err := a.deviceInput(c, &f, &in); err != nil {
				return err
			}
			if len(args) == 2 {
				in.ID = args[1]
			}
			if in.ID == "" || in.Type == "" {
				return fault.New(fault.Usage, "a device needs an id and a --type").
					WithHint("`snaprail modules show` prints the types that the connector's module serves.")
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return a.deviceDone(api.AddDevice(ctx, args[0], in, f.wait.patience()))
			})
		},
	}
	f.add(c)
	return c
}

func (a *app) deviceUpdate() *cobra.Command {
	var f deviceFlags
	c := &cobra.Command{
		Use: "update connector device", Short: "Change a device, here and upstream",
		Long: "Update changes what the flags name. With a file it replaces all that is set. Tags that the flags name take the\nplace of all tags; `devices tag` changes one.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				d, err := api.Device(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				in := client.DeviceInput{
					Type: d.Type, Name: d.Name, Tags: d.Tags, Attributes: d.Attributes, Endpoint: d.Endpoint, Config: d.Config,
					Poll: d.Poll, Converter: d.Converter, AttributeUpdates: d.AttributeUpdates, Mapping: d.Mapping,
				}
				if err := a.deviceInput(c, &f, &in); err != nil {
					return err
				}
				return a.deviceDone(api.UpdateDevice(ctx, args[0], args[1], in, f.wait.patience()))
			})
		},
	}
	f.add(c)
	return c
}

func (a *app) deviceLeave(verb, short string) *cobra.Command {
	var w deviceWait
	c := &cobra.Command{
		Use: verb + " connector device", Short: short,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				do := api.DeleteDevice
				if verb == "disconnect" {
					do = api.DisconnectDevice
				}
				return a.deviceDone(do(ctx, args[0], args[1], w.patience()))
			})
		},
	}
	if verb == "delete" {
		c.Aliases = []string{"rm"}
	}
	w.add(c)
	return c
}

// deviceDone shows what came of a change, here and upstream.
func (a *app) deviceDone(r client.DeviceResult, err error) error {
	if err != nil {
		return err
	}
	return a.show(r, func() {
		here, there := "here: yes", "upstream: yes"
		if !r.Local {
			here = "here: no"
		}
		switch {
		case r.Pending:
			there = "upstream: not told yet"
		case !r.Upstream:
			there = "upstream: no"
		}
		text := r.Device.ID + "  " + here + "  " + there
		if r.Reason != "" {
			text += "  (" + r.Reason + ")"
		}
		fmt.Fprintln(a.out, visible(text))
	})
}

func (a *app) deviceTags() *cobra.Command {
	one := func(verb, short string, value bool, do func(context.Context, *client.Client, []string, client.Patience) (client.DeviceResult, error)) *cobra.Command {
		var w deviceWait
		use, n := verb+" connector device name", 3
		if value {
			use, n = use+" value", 4
		}
		c := &cobra.Command{
			Use: use, Short: short, Args: cobra.ExactArgs(n),
			RunE: func(c *cobra.Command, args []string) error {
				return a.withClient(c, func(ctx context.Context, api *client.Client) error {
					return a.deviceDone(do(ctx, api, args, w.patience()))
				})
			},
		}
		w.add(c)
		return c
	}
	return branch("tag", "Add, change and remove a device's tags",
		one("add", "Give a device a tag that it does not have", true, func(ctx context.Context, api *client.Client, args []string, p client.Patience) (client.DeviceResult, error) {
			return api.AddTag(ctx, args[0], args[1], client.TagInput{Tag: args[2], Value: args[3]}, p)
		}),
		one("change", "Change a tag that a device has", true, func(ctx context.Context, api *client.Client, args []string, p client.Patience) (client.DeviceResult, error) {
			return api.ChangeTag(ctx, args[0], args[1], client.TagInput{Tag: args[2], Value: args[3]}, p)
		}),
		one("remove", "Take a tag from a device", false, func(ctx context.Context, api *client.Client, args []string, p client.Patience) (client.DeviceResult, error) {
			return api.RemoveTag(ctx, args[0], args[1], args[2], p)
		}))
}

func (a *app) devicesSync() *cobra.Command {
	var last bool
	var wait time.Duration
	c := &cobra.Command{
		Use: "sync [connector]", Short: "Bring devices in step with the platform",
		Long: "Sync compares the devices of a connector, or of all, with what the platform knows of them, by hash, and tells it\nwhat differs. This happens by itself when the platform's connector comes up. It fails when something failed.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if last && len(args) == 0 {
				return fault.New(fault.Usage, "--last needs a connector")
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if last {
					report, err := api.DeviceReport(ctx, args[0])
					if err != nil {
						return err
					}
					return a.show(report, func() { a.printReports([]client.DeviceReport{report}) })
				}
				var in client.SyncInput
				if len(args) == 1 {
					in.Connector = args[0]
				}
				if wait > 0 {
					in.Timeout = new(spec.Duration(wait))
				}
				reports, err := api.SyncDevices(ctx, in)
				if err != nil {
					return err
				}
				if err := a.show(reports, func() { a.printReports(reports) }); err != nil {
					return err
				}
				return outOfStep(reports)
			})
		},
	}
	c.Flags().BoolVar(&last, "last", false, "show what the last sync came to, and do nothing")
	c.Flags().DurationVar(&wait, "wait", 0, "how long the sync may take (default 10s)")
	return c
}

func (a *app) printReports(reports []client.DeviceReport) {
	rows := make([][]string, len(reports))
	for i, r := range reports {
		n := strconv.Itoa
		rows[i] = []string{
			r.Connector, n(r.Added.Count), n(r.Updated.Count), n(r.Disconnected.Count), n(r.Deleted.Count), n(r.Unchanged),
			n(r.FailedCount), n(r.NeedsActionCount), orDash(r.Error),
		}
	}
	a.rows([]string{"CONNECTOR", "ADDED", "UPDATED", "DISCONNECTED", "DELETED", "UNCHANGED", "FAILED", "NEEDS ACTION", "ERROR"}, rows)
	for _, r := range reports {
		for _, f := range r.Failed {
			fmt.Fprintf(a.err, "failed: %s %s: %s\n", visible(f.Device), f.Operation, visible(f.Reason))
		}
		for _, n := range r.NeedsAction {
			fmt.Fprintf(a.err, "needs action: %s: %s\n", visible(n.Device), visible(n.Text))
		}
	}
}

// outOfStep is the error of a sync that did not do everything. Where there is no
// platform there was nothing more to do.
func outOfStep(reports []client.DeviceReport) error {
	for _, r := range reports {
		if r.Error != "" && !r.NoPlatform || r.FailedCount > 0 {
			return fault.New(fault.ResourceUnavailable, "not all devices are in step").
				WithHint("`snaprail devices sync CONNECTOR --last` says which are not; sync again when the platform can be reached.")
		}
	}
	return nil
}
