package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/param"
	"github.com/snaprail/snaprail/runtime/spec"
)

// changed says what came of a change to a connector.
func (a *app) changed(v client.Connector) error {
	a.warn(v)
	fmt.Fprintf(a.err, "updated %s to revision %d\n", v.Name, v.Revision)
	if v.Runtime != nil && v.Enabled() && v.Runtime.Reason != "" {
		fmt.Fprintf(a.err, "warning: it is %s: %s\n", v.Runtime.State, visible(v.Runtime.Reason))
	}
	return a.show(v, func() {})
}

func (a *app) connectorsParams() *cobra.Command {
	show := func(ctx context.Context, api *client.Client, id string) error {
		rows, err := api.Params(ctx, id)
		if err != nil {
			return err
		}
		return a.show(rows, func() { a.printParams(rows) })
	}
	c := branch("params", "List the rows of a connector's configuration",
		a.on("list", "List the rows of a connector's configuration, without the values of secrets", show))
	c.Use, c.Args = "params connector", cobra.MaximumNArgs(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return a.withClient(c, func(ctx context.Context, api *client.Client) error { return show(ctx, api, args[0]) })
	}
	return c
}

func (a *app) printParams(list []spec.Param) {
	rows := make([][]string, len(list))
	for i, p := range list {
		rows[i] = []string{strconv.Itoa(p.Sequence), p.Key, string(p.Type), paramText(p)}
	}
	a.rows([]string{"SEQUENCE", "KEY", "TYPE", "VALUE"}, rows)
}

// paramText is what can be shown of a row's value.
func paramText(p spec.Param) string {
	switch {
	case p.Type == spec.ParamFile:
		return "file " + orDash(p.FileID)
	case p.Type != spec.ParamSecret:
		return p.Value
	case p.Secret == nil || !p.Secret.Set:
		return "not set"
	}
	return "set " + when(p.Secret.UpdatedAt) + ", fingerprint " + p.Secret.Fingerprint
}

func (a *app) connectorsImport() *cobra.Command {
	var match string
	c := &cobra.Command{
		Use: "import connector file", Short: "Replace a connector's configuration by a file",
		Long: "Import replaces all parameters of a connector by what a file holds: JSON, YAML, properties, or sections of\n" +
			"properties. The module may put it in order first. What the module's schema does not allow changes nothing.\n" +
			"A server.config without an authToken gets it from CONNECTOR_AUTH_TOKEN.",
		Example: "  snaprail connectors import drive client_secret.json",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			revision, err := parseRevision(match)
			if err != nil {
				return err
			}
			content, err := readFile(args[1])
			if err != nil {
				return err
			}
			if filepath.Base(args[1]) == param.FormatServerConfig { // its token may be in the environment instead
				content = param.WithAuthToken(content, a.env("CONNECTOR_AUTH_TOKEN"))
			}
			in := client.Import{
				FileContent: base64.StdEncoding.EncodeToString(content),
				FileName:    filepath.Base(args[1]), FileMIME: mime.TypeByExtension(filepath.Ext(args[1])),
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				v, err := api.ImportConfig(ctx, args[0], in, revision)
				if err != nil {
					return err
				}
				return a.changed(v)
			})
		},
	}
	c.Flags().StringVar(&match, "if-match", "", "`revision` that must not have changed")
	return c
}

func (a *app) connectorsSetDefault() *cobra.Command {
	return a.on("set-default", "Make a connector the default of its category", func(ctx context.Context, api *client.Client, id string) error {
		v, err := api.PatchConnector(ctx, id, json.RawMessage(`{"is_default":true}`), 0)
		if err != nil {
			return err
		}
		a.warn(v)
		fmt.Fprintf(a.err, "%s is the default of %s\n", v.Name, v.Category)
		return a.show(v, func() {})
	})
}

func (a *app) connectorsConfig() *cobra.Command {
	var reveal bool
	c := a.on("config", "Show a connector's configuration as its module gets it, with its secrets masked", func(ctx context.Context, api *client.Client, id string) error {
		config, err := api.Config(ctx, id, reveal)
		if err != nil {
			return err
		}
		return a.show(config, func() { fmt.Fprintf(a.out, "%s\n", indented(config)) })
	})
	c.Flags().BoolVar(&reveal, "reveal", false, "show the values of secrets: needs the right to, and is noted in the audit trail")
	return c
}
