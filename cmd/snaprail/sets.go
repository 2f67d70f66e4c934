package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/param"
)

// setPort is a TCP port of a set of connectors.
type setPort struct {
	tenant, set string
	port        int
}

// parseProbes reads SET=PORT, and TENANT/SET=PORT.
func parseProbes(given []string) (all []setPort, err error) {
	for _, text := range given {
		name, number, _ := strings.Cut(text, "=")
		port, err := strconv.ParseUint(number, 10, 16)
		p := setPort{tenant: defaultTenant, set: name, port: int(port)}
		if tenant, set, named := strings.Cut(name, "/"); named {
			p.tenant, p.set = tenant, set
		}
		if err != nil || port == 0 || p.tenant == "" || p.set == "" {
			return nil, fault.New(fault.Usage, "--tcp-probe %q: want SET=PORT, as in field=8000", text)
		}
		all = append(all, p)
	}
	return all, nil
}

func (a *app) setsCommand() *cobra.Command {
	return branch("sets", "Look at sets of connectors, whose health is declared and probed together",
		a.setsList(), a.setsShow(), a.setsProbe(), a.setsImport())
}

func (a *app) setsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the sets with their health", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				all, err := api.Sets(ctx)
				if err != nil {
					return err
				}
				return a.show(all, func() {
					rows := make([][]string, len(all))
					for i := range all {
						rows[i] = []string{all[i].Name, string(all[i].Health), strconv.Itoa(len(all[i].Members)), probeText(all[i].Probe)}
					}
					a.rows([]string{"SET", "HEALTH", "CONNECTORS", "PROBE"}, rows)
				})
			})
		},
	}
}

func probeText(p *client.Probe) string {
	switch {
	case p == nil:
		return "-"
	case p.Open:
		return fmt.Sprintf("%d open", p.Port)
	case p.Error != "":
		return fmt.Sprintf("%d: %s", p.Port, visible(p.Error))
	}
	return fmt.Sprintf("%d closed", p.Port)
}

func (a *app) printSet(s client.Set) {
	from := ""
	if s.Probe != nil && s.Probe.Fixed {
		from = " (by --tcp-probe)"
	}
	fmt.Fprintf(a.out, "set %s is %s; probe: %s%s\n\n", s.Name, s.Health, probeText(s.Probe), from)
	rows := make([][]string, len(s.Members))
	for i, m := range s.Members {
		rows[i] = []string{m.Name, string(m.State), string(m.Health)}
	}
	a.rows([]string{"CONNECTOR", "STATE", "HEALTH"}, rows)
}

// onSet is a command about one set.
func (a *app) onSet(use, short string, args int, do func(ctx context.Context, api *client.Client, args []string) (client.Set, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(args),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				s, err := do(ctx, api, args)
				if err != nil {
					return err
				}
				for _, w := range s.Warnings {
					fmt.Fprintf(a.err, "warning: %s\n", visible(w))
				}
				return a.show(s, func() { a.printSet(s) })
			})
		},
	}
}

func (a *app) setsShow() *cobra.Command {
	return a.onSet("show set", "Show a set with its connectors", 1, func(ctx context.Context, api *client.Client, args []string) (client.Set, error) {
		return api.Set(ctx, args[0])
	})
}

func (a *app) setsProbe() *cobra.Command {
	c := a.onSet("probe set port", "Have a TCP port open while a set is healthy; 0: none", 2,
		func(ctx context.Context, api *client.Client, args []string) (client.Set, error) {
			port, err := strconv.ParseUint(args[1], 10, 16)
			if err != nil {
				return client.Set{}, fault.New(fault.Usage, "%q is no port", args[1])
			}
			return api.ProbeSet(ctx, args[0], int(port))
		})
	c.Example = "  snaprail sets probe field 8000"
	return c
}

func (a *app) setsImport() *cobra.Command {
	var in client.SetCreate
	c := a.onSet("import set server.config", "Make a connector for each source of a server.config", 2,
		func(ctx context.Context, api *client.Client, args []string) (client.Set, error) {
			content, err := readFile(args[1])
			if err != nil {
				return client.Set{}, err
			}
			in.Name, in.ServerConfig = args[0], string(param.WithAuthToken(content, a.env("CONNECTOR_AUTH_TOKEN")))
			return api.CreateSet(ctx, in)
		})
	c.Long = "Import makes a connector for each source that a server.config lists, all in one set, or none of them. The set is\n" +
		"probed on the file's tcpProbePort, else on 8000. Without an authToken in the file it is that of CONNECTOR_AUTH_TOKEN."
	c.Example = "  snaprail sets import field serverConfig/server.config --remote"
	flags := c.Flags()
	flags.BoolVar(&in.Remote, "remote", false, "their code attaches from outside: the program that the file was for")
	flags.StringVar(&in.Module, "module", "", "`digest` of the module that all of them run")
	flags.StringVar(&in.Category, "category", "", "`category` of their type, in place of a module")
	flags.StringVar(&in.ProviderType, "type", "", "`provider type` of their type")
	return c
}
