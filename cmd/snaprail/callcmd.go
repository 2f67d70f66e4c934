package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

func (a *app) callCommand() *cobra.Command {
	var connector bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "call category operation [argument=text | argument:=json | argument=@file]...",
		Short: "Run an operation of a category, or of one connector",
		Long: "Runs an operation with the category's default connector, or with what is built in where there is none.\n" +
			"With --connector the first argument is the id or name of a connector instead.\n\n" +
			"argument=text sends a text, argument:=json any JSON, argument=@file the bytes of a file in base64 (@-: of\n" +
			"the standard input).",
		Example: `  snaprail call email send_message to=shift@example.com subject=Boiler body='Pressure is low'
  snaprail call storage put path=reports/may.pdf data=@may.pdf
  snaprail call --connector shelf list limit:=10`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			raw, err := a.arguments(args[2:])
			if err != nil {
				return err
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				run := api.CallCategory
				if connector {
					run = api.CallConnector
				}
				out, err := run(ctx, args[0], args[1], raw, wait)
				if err != nil {
					return err
				}
				if out.BuiltIn {
					fmt.Fprintf(a.err, "warning: %s has no default connector: answered by %s/%s, which is built in\n",
						visible(out.Category), visible(out.Category), visible(out.ProviderType))
				}
				return a.show(out, func() {
					if !out.BuiltIn {
						fmt.Fprintf(a.err, "answered by %s\n", visible(out.Connector))
					}
					fmt.Fprintln(a.out, indented(out.Result))
				})
			})
		},
	}
	c.Flags().BoolVar(&connector, "connector", false, "the first argument names a connector, and not a category")
	c.Flags().DurationVar(&wait, "wait", 0, "how long the server waits for the answer, up to a minute (default 10s)")
	return c
}

// maxArgument bounds a file that is sent as an argument.
const maxArgument = 700 << 10

// arguments makes an object of what was typed.
func (a *app) arguments(typed []string) (json.RawMessage, error) {
	object := map[string]any{}
	for _, one := range typed {
		name, text, ok := strings.Cut(one, "=")
		if !ok || strings.TrimSuffix(name, ":") == "" {
			return nil, fault.New(fault.Usage, "%q: want argument=text, argument:=json or argument=@file", one)
		}
		plain, isJSON := strings.CutSuffix(name, ":")
		if _, twice := object[plain]; twice {
			return nil, fault.New(fault.Usage, "the argument %s is given twice", plain)
		}
		var err error
		switch {
		case isJSON && !json.Valid([]byte(text)):
			err = fault.New(fault.Usage, "%s: what follows := is not JSON", plain)
		case isJSON:
			object[plain] = json.RawMessage(text)
		case strings.HasPrefix(text, "@"):
			object[plain], err = a.fileArgument(text[1:])
		default:
			object[plain] = text
		}
		if err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, "arguments")
	}
	return raw, nil
}

// fileArgument reads a file whole, or the standard input; as JSON it is base64.
func (a *app) fileArgument(name string) ([]byte, error) {
	from := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fault.Wrap(fault.Usage, err, "cannot read").WithHint("Name a file that exists and is readable.")
		}
		defer f.Close()
		from = f
	}
	raw, err := io.ReadAll(io.LimitReader(from, maxArgument+1))
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Usage, err, "cannot read")
	case len(raw) > maxArgument:
		return nil, fault.New(fault.Usage, "%s has more than %d bytes", name, maxArgument)
	}
	return raw, nil
}
