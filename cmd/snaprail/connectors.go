package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

func (a *app) connectorsCommand() *cobra.Command {
	c := branch("connectors", "Create, change, test, start and stop connectors",
		a.connectorsCreate(), a.connectorsUpdate(), a.connectorsList(), a.connectorsShow(),
		a.connectorsStatus(), a.connectorsTest(), a.connectorsActivate(), a.connectorsDeactivate(), a.connectorsReconnect(), a.connectorsRewind(), a.connectorsLanes(),
		a.connectorsParams(), a.connectorsImport(), a.connectorsConfig(), a.connectorsSetDefault(), a.connectorsRemove())
	c.Aliases = []string{"connector"}
	return c
}

// on is a command that does one thing to one connector.
func (a *app) on(use, short string, do func(context.Context, *client.Client, string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " connector", Short: short,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return do(ctx, api, args[0])
			})
		},
	}
}

func (a *app) connectorsCreate() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "create [name]",
		Short: "Create a connector of a type, or from JSON as the API takes it",
		Long: "Create makes a connector: of a type, with parameters, or from a file of JSON, whose fields the flags replace.\n" +
			"What its module reaches has to be granted: see `snaprail grants`.\n\n" +
			"In a file, a converter may have others behind it, for what comes from devices; what goes to them takes\n" +
			"the converters the other way, and any may say what a call sends, as here textframe does:\n\n" +
			`  "converter": {"module": "<digest of json>", "config": {...},` + "\n" +
			`    "then": [{"module": "<digest of textframe>", "config": {"fields": [], "rpc": {"version": "V\n"}}}]}`,
		Example: "  snaprail connectors create archive --type storage/s3 --param bucket=plant --secret secret_key\n" +
			"  snaprail connectors create -f meter.json\n  jq '.name = \"meter2\"' meter.json | snaprail connectors create -f -",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				s.name = args[0]
			}
			if s.file == "" && s.typ == "" && s.module == "" {
				return fault.New(fault.Usage, "--file is missing").WithHint("Say what it is made of: with --file, --type or --module.")
			}
			body, err := a.given(&s)
			if err != nil {
				return err
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				body, err := a.made(ctx, api, &s, body)
				if err != nil {
					return err
				}
				v, err := api.CreateConnector(ctx, body)
				if err != nil {
					return err
				}
				a.warn(v)
				return a.show(v, func() { fmt.Fprintln(a.out, v.ID) })
			})
		},
	}
	s.flags(c)
	return c
}

func (a *app) connectorsUpdate() *cobra.Command {
	var s settings
	var match string
	var consent []string
	c := &cobra.Command{
		Use:   "update connector",
		Short: "Change what is set of a connector",
		Long: "Update changes what the flags name. With a file it replaces all that is set. It fails when somebody else\n" +
			"changed the connector between the reading and the writing; --if-match names the revision that the change\n" +
			"was made on.\n\n" +
			"A module that asks for more than the one that it replaces needs consent. On a terminal, update\n" +
			"shows what it asks for and asks whether you agree; elsewhere --consent says so beforehand.\n" +
			"Going back to a module that the connector has run on needs none.",
		Example: "  snaprail connectors update meter -f meter.json\n" +
			"  snaprail connectors update meter -f meter.json --consent 5235f21370aa\n" +
			"  snaprail connectors update archive --version 2.0.0 --param region=eu-central-1",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			revision, err := parseRevision(match)
			if err != nil {
				return err
			}
			body, err := a.given(&s)
			if err != nil {
				return err
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return a.update(ctx, api, args[0], update{&s, body, consent, revision})
			})
		},
	}
	s.flags(c)
	c.Flags().StringVar(&s.name, "name", "", "its new `name`")
	c.Flags().StringSliceVar(&consent, "consent", nil, "`digest` of a module that asks for more, by who has read what that is")
	c.Flags().StringVar(&match, "if-match", "", "`revision` that must not have changed (default: the one of now)")
	return c
}

// update is a change of a connector as it was asked for.
type update struct {
	*settings
	body     json.RawMessage // of the file
	consent  []string
	revision uint64 // 0: the one of now
}

func (a *app) update(ctx context.Context, api *client.Client, id string, u update) error {
	if u.revision == 0 {
		now, err := api.Connector(ctx, id)
		if err != nil {
			return err
		}
		u.revision = now.Revision
	}
	send := api.UpdateConnector
	body, err := u.body, error(nil)
	if u.file == "" {
		send = api.PatchConnector
		body, err = a.patchOf(ctx, api, u.settings, id)
	} else {
		body, err = a.made(ctx, api, u.settings, body)
	}
	if err == nil {
		body, err = withConsent(body, u.consent)
	}
	if err != nil {
		return err
	}
	v, err := send(ctx, id, body, u.revision)
	if fault.Is(err, fault.ConsentRequired) && (u.file != "" || u.module != "") {
		if body, err = a.agree(body, err); err != nil {
			return err
		}
		v, err = send(ctx, id, body, u.revision)
	}
	if err != nil {
		return err
	}
	return a.changed(v)
}

// parseRevision reads 7, "7" or W/"7".
func parseRevision(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.Trim(strings.TrimPrefix(s, "W/"), `"`), 10, 64)
	if err != nil || n == 0 {
		return 0, fault.New(fault.Usage, "--if-match %q: want a revision, such as 7", s)
	}
	return n, nil
}

// jsonFile reads a file or stdin and sees that it is JSON: what it says is for
// the server to judge.
func (a *app) jsonFile(name string) (json.RawMessage, error) {
	var body []byte
	var err error
	switch name {
	case "":
		return nil, fault.New(fault.Usage, "--file is missing")
	case "-":
		body, err = io.ReadAll(io.LimitReader(a.in, maxFile))
		if err != nil {
			return nil, fault.Wrap(fault.Usage, err, "cannot read stdin")
		}
	default:
		if body, err = readFile(name); err != nil {
			return nil, err
		}
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, new(json.RawMessage)); errors.As(err, &syntax) {
		return nil, fault.Wrap(fault.BodyInvalid, err, "%s is not JSON", name).WithOffset(syntax.Offset)
	} else if err != nil {
		return nil, fault.Wrap(fault.BodyInvalid, err, "%s is not JSON", name)
	}
	return body, nil
}

func (a *app) connectorsList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List connectors with their states",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Connectors(ctx)
				if err != nil {
					return err
				}
				return a.show(list, func() { a.printConnectors(list) })
			})
		},
	}
}

func (a *app) connectorsShow() *cobra.Command {
	return a.on("show", "Show a connector: what is set, and what it does", func(ctx context.Context, api *client.Client, id string) error {
		v, err := api.Connector(ctx, id)
		if err != nil {
			return err
		}
		return a.show(v, func() { a.printConnector(v) })
	})
}

func (a *app) connectorsStatus() *cobra.Command {
	return a.on("status", "Show what a connector does now", func(ctx context.Context, api *client.Client, id string) error {
		v, err := api.Connector(ctx, id)
		if err != nil {
			return err
		}
		return a.show(v.Runtime, func() { a.printStatus(v) })
	})
}

func (a *app) connectorsTest() *cobra.Command {
	return a.on("test", "Test whether a connector reaches what it talks to", func(ctx context.Context, api *client.Client, id string) error {
		r, err := api.TestConnector(ctx, id)
		if err != nil {
			return err
		}
		if err := a.show(r, func() { a.printTest(r) }); err != nil {
			return err
		}
		if !r.Success {
			f := fault.New(fault.NotConnected, "%s", cmp.Or(r.Message, "the module does not say why"))
			if hint, _ := r.Details["hint"].(string); hint != "" {
				f.Hint = hint
			} else {
				f.Hint = "Look at the test's message, mend the cause and test again."
			}
			return f
		}
		return nil
	})
}

func (a *app) connectorsActivate() *cobra.Command {
	return a.on("activate", "Start a connector, after a test if none has passed", func(ctx context.Context, api *client.Client, id string) error {
		v, err := api.Activate(ctx, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.err, "activated %s\n", v.Name)
		return a.show(v, func() {})
	})
}

func (a *app) connectorsDeactivate() *cobra.Command {
	return a.on("deactivate", "Stop a connector", func(ctx context.Context, api *client.Client, id string) error {
		v, err := api.Deactivate(ctx, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.err, "deactivated %s\n", v.Name)
		return a.show(v, func() {})
	})
}

// warnNoDefault says where the calls of a category go when its default is gone.
func (a *app) warnNoDefault(ctx context.Context, api *client.Client, category string) {
	now := "its calls fail"
	if types, err := api.Types(ctx, category); err == nil {
		for _, t := range types {
			if t.BuiltIn {
				now = "its calls go to " + t.Category + "/" + t.ProviderType + ", which is built in"
			}
		}
	}
	fmt.Fprintf(a.err, "warning: %s has no default connector any more: %s\n", visible(category), visible(now))
}

// warnFed says which sinks deliver the records of a connector that is gone: they
// run on, and get no more of it.
func (a *app) warnFed(ctx context.Context, api *client.Client, gone *client.Connector) {
	list, err := api.Connectors(ctx)
	if err != nil {
		fmt.Fprintf(a.err, "warning: whether sinks deliver from %s could not be looked up: %s\n", visible(gone.Name), visible(err.Error()))
		return
	}
	for i := range list {
		f := &list[i].Feed
		if list[i].ID != gone.ID && len(f.From) > 0 && f.Wants(gone.ID, gone.Name) {
			fmt.Fprintf(a.err, "warning: %s delivers from %s, and gets nothing new of it: `snaprail connectors update %s --from name` names others\n",
				visible(list[i].Name), visible(gone.Name), visible(list[i].Name))
		}
	}
}

func (a *app) connectorsRemove() *cobra.Command {
	var match string
	c := a.on("rm", "Stop a connector and remove it", func(ctx context.Context, api *client.Client, id string) error {
		revision, err := parseRevision(match)
		if err != nil {
			return err
		}
		v, err := api.Connector(ctx, id)
		if err != nil {
			return err
		}
		if err := api.DeleteConnector(ctx, id, revision); err != nil {
			return err
		}
		fmt.Fprintf(a.err, "removed connector %s\n", id)
		if v.Default() {
			a.warnNoDefault(ctx, api, v.Category)
		}
		a.warnFed(ctx, api, &v)
		return nil
	})
	c.Aliases = []string{"remove", "delete"}
	c.Flags().StringVar(&match, "if-match", "", "`revision` that must not have changed")
	return c
}
