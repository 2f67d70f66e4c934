package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// exitChanges is the exit code of a plan that has changes.
const exitChanges = 10

func (a *app) applyCommand() *cobra.Command {
	var files []string
	var dryRun, prune bool
	c := &cobra.Command{
		Use:   "apply -f file-or-directory",
		Short: "Make documents of connectors, categories, secrets and devices true",
		Long: "Apply reads documents in YAML or JSON and makes them true on the server, one after the other. Each has a\n" +
			"kind (connector, category, secret or device), a name, and the fields that the API has for such a thing. A\n" +
			"device has an id and the type of a connector that deploys it: see `snaprail deploy`. A secret is its name\n" +
			"alone and has to be there: its value is set with `snaprail secret set`. A module is named by its digest,\n" +
			"or by the path of a .wasm file beside the document, which is uploaded first.\n\n" +
			"The main file of a gateway (tb_gateway.yaml) can be applied too: each of its connectors becomes one of the\n" +
			"category telemetry, with the file that its configuration names as config. Its type serial is provided by\n" +
			"serialline, any other by a module whose provider_type is the type. A device that names a converter of its\n" +
			"own becomes a device with that converter. Grants are given afterwards, and to apply\n" +
			"the file again takes them back: go on with the documents of `snaprail export`.\n\n" +
			"What fails is told, and the rest is applied. Plan says beforehand what would change.",
		Example: "  snaprail apply -f plant/\n  snaprail apply -f boiler.yaml --dry-run\n  snaprail export > plant.yaml && snaprail apply -f plant.yaml --prune",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return a.applyFiles(ctx, api, files, dryRun, prune)
			})
		},
	}
	c.Flags().StringSliceVarP(&files, "file", "f", nil, "YAML or JSON `file`, or directory of such; -: stdin (required)")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would change")
	c.Flags().BoolVar(&prune, "prune", false, "delete connectors and own categories, and tear down devices, that no document is of")
	return c
}

func (a *app) planCommand() *cobra.Command {
	var files []string
	var prune bool
	c := &cobra.Command{
		Use:   "plan -f file-or-directory",
		Short: "Say what apply would change, and what that costs",
		Long: "Plan says what apply would change, and what a change does to a connector that runs: in_place, its sessions\n" +
			"stay open; reconnect, some may be closed and opened again; restart, it stops or starts. It changes nothing,\n" +
			"and so shows what has drifted. The exit code is 0 when nothing would change, 10 when something would, and 1\n" +
			"when some of it would fail.",
		Example: "  snaprail plan -f plant/ || test $? -eq 10",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return a.planFiles(ctx, api, files, prune)
			})
		},
	}
	c.Flags().StringSliceVarP(&files, "file", "f", nil, "YAML or JSON `file`, or directory of such; -: stdin (required)")
	c.Flags().BoolVar(&prune, "prune", false, "count what apply --prune would delete")
	return c
}

func (a *app) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print connectors, categories and secrets as documents that can be applied",
		Long: "Export prints the desired state as YAML documents, or as JSON with --output json. No secret's value is\n" +
			"among them: on another server they are set first.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				docs, err := api.Export(ctx)
				if err != nil {
					return err
				}
				var text []byte
				if a.output != outputJSON {
					if text, err = yamlOf(docs); err != nil {
						return err
					}
				}
				return a.show(docs, func() { _, _ = a.out.Write(text) })
			})
		},
	}
}

// applyFiles makes the documents of files true. The modules that they name by
// path are on the server afterwards.
func (a *app) applyFiles(ctx context.Context, api *client.Client, files []string, dryRun, prune bool) error {
	plan, docs, err := a.sendFiles(ctx, api, files, dryRun, prune)
	if err != nil {
		return err
	}
	if !dryRun && len(docs.devices) > 0 {
		failed := map[string]bool{}
		for _, c := range plan.Changes {
			failed[c.Name] = failed[c.Name] || c.Kind == "connector" && c.Problem != nil
		}
		a.addDevices(ctx, api, docs, failed)
	}
	return a.showPlan(plan, docs)
}

// planFiles says what applyFiles would do, also by the exit code.
func (a *app) planFiles(ctx context.Context, api *client.Client, files []string, prune bool) error {
	plan, docs, err := a.sendFiles(ctx, api, files, true, prune)
	if err != nil {
		return err
	}
	if plan.Changed > 0 {
		a.exit = exitChanges
	}
	return a.showPlan(plan, docs)
}

func (a *app) sendFiles(ctx context.Context, api *client.Client, files []string, dryRun, prune bool) (plan client.Plan, docs *documentSet, err error) {
	if len(files) == 0 {
		return plan, nil, fault.New(fault.Usage, "--file is missing: the documents")
	}
	if docs, err = readDocuments(files, a.in); err != nil {
		return plan, nil, err
	}
	late, err := docs.settle(modulesOf(ctx, api), !dryRun)
	if err != nil {
		return plan, nil, err
	}
	waiting := docs.waiting()
	if plan, err = api.Apply(ctx, docs.raw(), dryRun, prune); err != nil {
		return plan, nil, docs.located(err)
	}
	plan.Changes = slices.DeleteFunc(plan.Changes, func(c client.Change) bool { // they have a document
		spared := c.Action == "delete" && waiting[c.Kind+" "+c.Name]
		if spared {
			plan.Changed--
		}
		return spared
	})
	plan.Changes = append(late, plan.Changes...)
	plan.Changed += len(late)
	return plan, docs, nil
}

// showPlan prints a plan, and what of it failed. That gives the exit code, as
// does a plan that would change something.
func (a *app) showPlan(p client.Plan, docs *documentSet) error {
	if err := a.show(p, func() { a.printPlan(p) }); err != nil {
		return err
	}
	for _, note := range docs.notes {
		fmt.Fprintf(a.err, "warning: %s\n", visible(note))
	}
	for _, c := range p.Changes {
		for _, w := range c.Warnings {
			fmt.Fprintf(a.err, "warning: %s %s: %s\n", c.Kind, visible(c.Name), visible(w))
		}
		if c.Problem != nil {
			fmt.Fprintf(a.err, "failed:  %s %s%s: %s\n", c.Kind, visible(c.Name), docs.where(c.Document), visible(c.Problem.Detail))
			for _, e := range c.Problem.Errors {
				fmt.Fprintf(a.err, "         %s: %s\n", visible(e.Pointer), visible(e.Detail))
			}
		}
	}
	if p.Failed > 0 {
		fmt.Fprintf(a.err, "error: %d of %d failed\ntry:   Mend what is named above and apply again; what is true already stays as it is.\n",
			p.Failed, len(p.Changes))
		a.exit = fault.ExitFailure
	}
	return nil
}

func (a *app) printPlan(p client.Plan) {
	table := make([][]string, 0, len(p.Changes))
	for _, c := range p.Changes {
		action := c.Action
		if c.Problem != nil {
			action += " failed: " + c.Problem.Code
		}
		table = append(table, []string{action, c.Kind, c.Name, orDash(c.Cost), strings.Join(c.Fields, " ")})
	}
	a.rows([]string{"ACTION", "KIND", "NAME", "COST", "FIELDS"}, table)
	verb := "changed"
	if p.DryRun {
		verb = "would change"
	}
	fmt.Fprintf(a.err, "%d of %d %s\n", p.Changed, len(p.Changes), verb)
}
