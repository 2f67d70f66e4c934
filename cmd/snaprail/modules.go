package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	connectorswasm "github.com/snaprail/snaprail/connectors-wasm"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

func (a *app) modulesCommand() *cobra.Command {
	c := branch("modules", "Upload, list, show and remove modules",
		a.modulesPush(), a.modulesList(), a.modulesShow(), a.modulesRemove())
	c.Aliases = []string{"module"}
	return c
}

func (a *app) modulesPush() *cobra.Command {
	var manifest string
	var shipped bool
	c := &cobra.Command{
		Use:   "push module.wasm",
		Short: "Upload a module, or an Extism manifest (.json) with a module in it",
		Long: "Push uploads a module and prints its digest. With --shipped it uploads modules that this binary carries, by\n" +
			"their names, and without a name it lists them.",
		Example: "  snaprail modules push meter.wasm\n  snaprail modules push --shipped\n  snaprail modules push --shipped modbus mqttsink",
		Args: func(c *cobra.Command, args []string) error {
			if shipped {
				return nil
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if shipped && len(args) == 0 {
				return a.printShipped()
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if shipped {
					return a.pushShipped(ctx, api, args, manifest)
				}
				return a.push(ctx, api, args[0], manifest)
			})
		},
	}
	c.Flags().StringVar(&manifest, "manifest", "", "manifest `file` that takes the place of the module's own")
	c.Flags().BoolVar(&shipped, "shipped", false, "the modules are those that this binary carries, by their names: "+strings.Join(connectorswasm.Names(), ", "))
	return c
}

func (a *app) push(ctx context.Context, api *client.Client, file, manifest string) error {
	var sidecar []byte
	if manifest != "" {
		text, err := readFile(manifest)
		if err != nil {
			return err
		}
		if _, err := parseManifest(text); err != nil {
			return err
		}
		sidecar = text
	}
	f, err := os.Open(file)
	if err != nil {
		return fault.Wrap(fault.Usage, err, "cannot read").WithHint("Name a file that exists and is readable.")
	}
	defer f.Close()
	var m client.Module
	var created bool
	switch isJSON := strings.HasSuffix(file, ".json"); {
	case isJSON && sidecar != nil:
		return fault.New(fault.Usage, "%s is an Extism manifest, and --manifest is for modules", file).
			WithHint(`Put the module's manifest into the field "snaprail" of the Extism manifest.`)
	case isJSON:
		m, created, err = api.PushExtism(ctx, f)
	default:
		m, created, err = api.PushModule(ctx, f, sidecar)
	}
	return a.pushed(m, created, err)
}

// pushed prints what became of an upload.
func (a *app) pushed(m client.Module, created bool, err error) error {
	if err != nil {
		return err
	}
	if !created {
		fmt.Fprintf(a.err, "the server had this module already: %s\n", visible(versionLine(&m)))
	} else {
		fmt.Fprintf(a.err, "pushed %s\n", visible(versionLine(&m)))
	}
	return a.show(m, func() { fmt.Fprintln(a.out, m.Digest) })
}

func (a *app) modulesList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List modules",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Modules(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func() { a.printModules(list) })
			})
		},
	}
}

func (a *app) printModules(list []client.Module) {
	rows := make([][]string, len(list))
	for i, m := range list {
		rows[i] = []string{
			short(m.Digest), string(m.Manifest.Kind), m.Manifest.Category + "/" + m.Manifest.ProviderType,
			m.Manifest.Version, size(m.Size), when(m.Uploaded),
		}
	}
	a.rows([]string{"DIGEST", "KIND", "TYPE", "VERSION", "SIZE", "UPLOADED"}, rows)
}

func (a *app) modulesShow() *cobra.Command {
	return &cobra.Command{
		Use: "show module", Short: "Show a module: what it needs, can and cannot do",
		Long:    "Show takes the digest of a module, a type, whose newest version is shown, or the name of a module that is shipped.",
		Example: "  snaprail modules show 5235f21370aa\n  snaprail modules show telemetry/mqttsink",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				m, err := moduleOf(ctx, api, args[0])
				if err != nil {
					return err
				}
				return a.show(m, func() { a.printModule(m) })
			})
		},
	}
}

func (a *app) printModule(m client.Module) {
	rows := [][]string{
		{"digest", m.Digest},
		{"name", m.Manifest.DisplayName},
		{"type", m.Manifest.Category + "/" + m.Manifest.ProviderType},
		{"version", m.Manifest.Version},
		{"kind", strings.TrimSuffix(kindText(m.Manifest.Kind, m.Manifest.Delivers())+", mode "+string(m.Manifest.Mode), ", mode ")},
		{"size", size(m.Size)},
		{"uploaded", when(m.Uploaded)},
		{"used by", orDash(strings.Join(m.UsedBy, ", "))},
	}
	if len(m.Handles) > 0 {
		rows = append(rows, []string{"handles", strings.Join(m.Handles, ", ")})
	}
	a.rows(nil, append(rows, serviceRows(&m.Manifest)...))
	a.printAbilities(m.Anatomy, m.Can, m.Cannot, m.Needs)
	if m.Proposal != nil {
		fmt.Fprintf(a.out, "\nIt came with a proposal; nothing of it is granted:\n%s\n", proposed(m.Proposal))
	}
	if len(m.Manifest.ConfigSchema) > 0 {
		fmt.Fprintf(a.out, "\nIts config follows this schema:\n%s\n", indented(m.Manifest.ConfigSchema))
	}
}

// proposed is a proposal as people read it.
func proposed(p *spec.Proposal) string {
	raw, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return indented(raw)
}

func (a *app) modulesRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm digest", Aliases: []string{"remove", "delete"}, Short: "Remove a module that no connector uses",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if err := api.DeleteModule(ctx, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(a.err, "removed module %s\n", args[0])
				return nil
			})
		},
	}
}
