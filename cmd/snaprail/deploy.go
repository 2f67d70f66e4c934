package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

func (a *app) deployCommand() *cobra.Command {
	var files []string
	c := &cobra.Command{
		Use:   "deploy -f devices.yaml",
		Short: "Deploy devices: have their types' modules make what they need",
		Long: "Deploy reads documents of devices in YAML or JSON and deploys one after the other. A document has an id, the\n" +
			"type of the connector that deploys it (its provider_type), and a config that stands over that connector's:\n\n" +
			"  kind: device\n  id: press-1\n  type: factory\n  config: {speed: 3}\n\n" +
			"A file with devices by name, each with a uuid and a connector block that has the type, is read too. To\n" +
			"deploy the same again changes nothing; to deploy another document changes what is another, and takes down\n" +
			"what is not wanted any more. What fails is taken back, and the rest is deployed.",
		Example: "  snaprail deploy -f devices.yaml\n  snaprail deployments list",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error { return a.deployFiles(ctx, api, files) })
		},
	}
	c.Flags().StringSliceVarP(&files, "file", "f", nil, "YAML or JSON `file`, or directory of such; -: stdin (required)")
	return c
}

// deployFiles deploys the devices of files. What is no device there is an error
// before anything is deployed.
func (a *app) deployFiles(ctx context.Context, api *client.Client, files []string) error {
	if len(files) == 0 {
		return fault.New(fault.Usage, "--file is missing: the documents of devices")
	}
	docs, err := readDocuments(files, a.in)
	if err != nil {
		return err
	}
	all := make([]json.RawMessage, len(docs.all))
	for i := range docs.all {
		var fields map[string]json.RawMessage
		if json.Unmarshal(docs.all[i].json, &fields) != nil || fields == nil {
			return fault.New(fault.Usage, "a document that is no object%s", docs.where(i))
		}
		var kind string
		_ = json.Unmarshal(fields["kind"], &kind)
		if kind != "device" && fields["kind"] != nil {
			return fault.New(fault.Usage, "a document of the kind %.40q is no device%s", kind, docs.where(i)).
				WithHint("`snaprail apply -f` takes documents of all kinds.")
		}
		delete(fields, "kind")
		if all[i], err = json.Marshal(fields); err != nil {
			return fault.Wrap(fault.Internal, err, "documents")
		}
	}
	for _, note := range docs.notes {
		fmt.Fprintf(a.err, "warning: %s\n", visible(note))
	}
	made := []client.Deployment{}
	for i, doc := range all {
		d, err := api.Deploy(ctx, doc)
		if err != nil {
			a.exit = fault.ExitFailure
			a.deployFailed(err, docs.where(i))
			continue
		}
		made = append(made, d)
	}
	return a.show(made, func() { a.printDeployments(made) })
}

func (a *app) deployFailed(err error, where string) {
	f := fault.Of(err)
	fmt.Fprintf(a.err, "failed:  device%s: %s\n", where, visible(f.Text))
	for _, field := range f.Fields {
		fmt.Fprintf(a.err, "         %s: %s\n", visible(field.Pointer), visible(field.Detail))
	}
	if hint := f.Advice(); hint != "" {
		fmt.Fprintf(a.err, "try:     %s\n", visible(hint))
	}
}

func (a *app) printDeployments(all []client.Deployment) {
	rows := make([][]string, len(all))
	for i := range all {
		d := &all[i]
		left := 0
		for _, r := range d.Resources {
			if r.Standing != "made" {
				left++
			}
		}
		rows[i] = []string{d.UUID, d.Device, d.Type, d.State, strconv.Itoa(len(d.Resources)), strconv.Itoa(left)}
	}
	a.rows([]string{"UUID", "DEVICE", "TYPE", "STATE", "RESOURCES", "ORPHANS"}, rows)
}

func (a *app) deploymentsCommand() *cobra.Command {
	return branch("deployments", "Look at what was deployed for devices, and at what could not be taken down",
		a.deploymentsList(), a.deploymentsShow(), a.deploymentsOrphans(), a.deploymentsRetry(), a.deploymentsDismiss())
}

func (a *app) deploymentsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List deployments with their state", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				all, err := api.Deployments(ctx)
				if err != nil {
					return err
				}
				return a.show(all, func() { a.printDeployments(all) })
			})
		},
	}
}

// onDeployment is a command about one deployment, which is shown afterwards.
func (a *app) onDeployment(use, short string, args int, do func(ctx context.Context, api *client.Client, args []string) (client.Deployment, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(args),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				d, err := do(ctx, api, args)
				if err != nil {
					return err
				}
				return a.show(d, func() { a.printDeployment(&d) })
			})
		},
	}
}

func (a *app) printDeployment(d *client.Deployment) {
	fmt.Fprintf(a.out, "device %s (%s) of the type %s is %s\n", d.Device, d.UUID, d.Type, d.State)
	if d.Problem != nil {
		fmt.Fprintf(a.out, "problem: %s\n", visible(d.Problem.Text))
	}
	if len(d.Resources) == 0 {
		return
	}
	fmt.Fprintln(a.out)
	rows := make([][]string, len(d.Resources))
	for i, r := range d.Resources {
		rows[i] = []string{strconv.FormatUint(r.Number, 10), r.Kind, r.Name, r.Standing, orDash(r.Unmakes), orDash(r.Reason)}
	}
	a.rows([]string{"NUMBER", "KIND", "NAME", "STANDING", "INVERSE", "REASON"}, rows)
}

func (a *app) deploymentsShow() *cobra.Command {
	return a.onDeployment("show DEVICE", "Show a deployment with its ledger, by the device's uuid or id", 1,
		func(ctx context.Context, api *client.Client, args []string) (client.Deployment, error) {
			return api.Deployment(ctx, args[0])
		})
}

func (a *app) deploymentsRetry() *cobra.Command {
	return a.onDeployment("retry DEVICE", "Try again what has failed: to deploy, or to take down what is left", 1,
		func(ctx context.Context, api *client.Client, args []string) (client.Deployment, error) {
			return api.RetryDeployment(ctx, args[0])
		})
}

func (a *app) deploymentsDismiss() *cobra.Command {
	return a.onDeployment("dismiss DEVICE NUMBER", "Forget an orphan that somebody has seen to", 2,
		func(ctx context.Context, api *client.Client, args []string) (client.Deployment, error) {
			number, err := strconv.ParseUint(args[1], 10, 64)
			if err != nil {
				return client.Deployment{}, fault.New(fault.Usage, "%q is no number of a resource", args[1]).
					WithHint("`snaprail deployments show %s` has them.", args[0])
			}
			return api.DismissOrphan(ctx, args[0], number)
		})
}

func (a *app) deploymentsOrphans() *cobra.Command {
	return &cobra.Command{
		Use: "orphans", Short: "List what may be there of all deployments and should not", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				all, err := api.Orphans(ctx)
				if err != nil {
					return err
				}
				return a.show(all, func() {
					rows := make([][]string, len(all))
					for i, o := range all {
						rows[i] = []string{o.Device, strconv.FormatUint(o.Number, 10), o.Kind, o.Name, orDash(o.Reason)}
					}
					a.rows([]string{"DEVICE", "NUMBER", "KIND", "NAME", "REASON"}, rows)
				})
			})
		},
	}
}

func (a *app) teardownCommand() *cobra.Command {
	c := a.onDeployment("teardown DEVICE", "Tear a device down: take away what was made for it, by its uuid or id", 1,
		func(ctx context.Context, api *client.Client, args []string) (client.Deployment, error) {
			d, err := api.TearDown(ctx, args[0])
			if err == nil && len(d.Resources) > 0 {
				fmt.Fprintf(a.err, "%d resources could not be taken away\ntry:   `snaprail deployments retry %s`, or take them away by hand and dismiss them\n",
					len(d.Resources), args[0])
				a.exit = fault.ExitFailure
			}
			return d, err
		})
	c.Long = "Teardown calls the tear_down of the type's module, and then takes away what the ledger lists, the newest\n" +
		"first, whatever came of that. The exit code is 1 when something could not be taken away."
	return c
}

// openFactoryDevices are the documents of a file that has devices by their names,
// each with a uuid and a connector block whose type says what deploys it. ok is
// false for any other document.
func openFactoryDevices(doc json.RawMessage) (docs []json.RawMessage, notes []string, ok bool) {
	var file struct {
		Kind    string                                `json:"kind"`
		Devices map[string]map[string]json.RawMessage `json:"devices"`
	}
	if json.Unmarshal(doc, &file) != nil || file.Kind != "" || len(file.Devices) == 0 {
		return nil, nil, false
	}
	for _, name := range slices.Sorted(maps.Keys(file.Devices)) {
		device := file.Devices[name]
		out := map[string]json.RawMessage{"kind": json.RawMessage(`"device"`)}
		id, _ := json.Marshal(name) //nolint:errchkjson // a text
		out["id"] = id
		for field, value := range device {
			switch field {
			case "uuid":
				out["uuid"] = value
			case "connector":
				var block map[string]json.RawMessage
				if json.Unmarshal(value, &block) != nil || block["type"] == nil {
					return nil, nil, false
				}
				out["type"] = block["type"]
				delete(block, "type")
				out["config"], _ = json.Marshal(block) //nolint:errchkjson // it was read from JSON
			default:
				notes = append(notes, fmt.Sprintf("device %s: %s is left out: it is for the module's deploy to make, by its config", name, field))
			}
		}
		if out["type"] == nil {
			return nil, nil, false
		}
		raw, _ := json.Marshal(out) //nolint:errchkjson // it was read from JSON
		docs = append(docs, raw)
	}
	slices.Sort(notes)
	return docs, notes, true
}
