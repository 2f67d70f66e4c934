package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// messageFlags are those that all messages have.
type messageFlags struct {
	message  client.Message
	data     string
	metadata []string
	wait     time.Duration
	later    bool
}

// messageCommands are one command for each type of message.
func (a *app) messageCommands() []*cobra.Command {
	const arguments = "[name=text | name:=json | name=@file]..."
	return []*cobra.Command{
		a.messageCommand("publish", `{connector `+arguments+` | "PUBLISH {...} TO SOURCE connector"}`,
			"Publish a message to a connector or a device, without a reply",
			"  snaprail publish line-3 text='Maintenance at noon'\n  snaprail publish 'PUBLISH {\"text\": \"hello\"} TO SOURCE line-3'", 0),
		a.messageCommand("query", `{connector `+arguments+` | "SELECT * FROM SOURCE connector WITH name = value"}`,
			"Query a connector, and print what it answers as it comes",
			"  snaprail query archive from=2026-01-01 limit:=10\n  snaprail query 'SELECT * FROM SOURCE archive WITH limit = 10'", 0),
		a.messageCommand("rpc", "connector method "+arguments,
			"Call a procedure of a device, or of the connector",
			"  snaprail rpc line-3 toggle_gpio pin:=1 --device boiler-3", 1),
		a.messageCommand("command", "connector method "+arguments,
			"Send a command to a device, or to the connector",
			"  snaprail command line-3 set_level level:=70 --device boiler-3 --metadata unit=percent", 1),
		a.messageCommand("attributes", "connector name=text...",
			"Tell a device new values of its attributes",
			"  snaprail attributes line-3 brightness:=40 --device boiler-3", 0),
	}
}

// messageCommand is the command for one type of message, with so many words
// between the connector and the arguments.
func (a *app) messageCommand(kind, use, short, example string, words int) *cobra.Command {
	var f messageFlags
	c := &cobra.Command{
		Use: kind + " " + use, Short: short, Example: example,
		Long: short + ".\n\n" +
			"name=text sends a text, name:=json any JSON, name=@file the bytes of a file in base64 (@-: of the standard\n" +
			"input). --data gives all of the data as JSON instead.",
		Args: cobra.MinimumNArgs(1 + words),
		RunE: func(c *cobra.Command, args []string) error {
			connector, err := a.readMessage(kind, args, &f)
			if err != nil {
				return err
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				if f.later || f.message.Callback != "" {
					t, err := api.SendLater(ctx, kind, connector, f.message)
					if err != nil {
						return err
					}
					return a.showTicket(t)
				}
				return a.sendMessage(ctx, api, kind, connector, f.message)
			})
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.message.Device, "device", "", "`id` of the device; none: the connector itself")
	flags.StringVar(&f.data, "data", "", "all of the data as `JSON`, or @file with it, in place of arguments")
	flags.StringArrayVar(&f.metadata, "metadata", nil, "`name=text` or name:=json of the protocol's part beside the data; may be repeated")
	flags.DurationVar(&f.wait, "wait", 0, "how long the replies may take, up to 5m (default 10s)")
	flags.BoolVar(&f.later, "later", false, "do not wait: print a ticket for snaprail tickets show")
	flags.StringVar(&f.message.Callback, "callback", "", "do not wait: have the ticket posted to this `URL` when it has ended")
	switch kind {
	case "query":
	case "publish": // has no reply that could hold it
		flags.BoolVar(&f.message.DryRun, "dry-run", false, "write nothing: end with an error that holds what would be written")
	default:
		flags.BoolVar(&f.message.DryRun, "dry-run", false, "write nothing: print what would be written, with the bytes")
	}
	if words > 0 {
		flags.BoolVar(&f.message.OneWay, "one-way", false, "ask for no reply: wait until the message was handled")
	}
	return c
}

// readMessage completes the message by what was typed, and says who it is for.
func (a *app) readMessage(kind string, args []string, f *messageFlags) (connector string, err error) {
	if f.wait < 0 {
		return "", fault.New(fault.Usage, "--wait %s: want a positive duration", f.wait)
	}
	if f.wait > 0 {
		f.message.Timeout = new(spec.Duration(f.wait))
	}
	if len(f.metadata) > 0 {
		if f.message.Metadata, err = a.arguments(f.metadata); err != nil {
			return "", err
		}
	}
	if read := statementOf(kind); read != nil && len(args) == 1 && begins(args[0], statementWord(kind)) {
		if f.data != "" {
			return "", fault.New(fault.Usage, "--data and a statement say the same")
		}
		connector, f.message.Data, err = read(args[0])
		return connector, err
	}
	connector, args = args[0], args[1:]
	if kind == "rpc" || kind == "command" {
		f.message.Method, args = args[0], args[1:]
		if strings.Contains(f.message.Method, "=") {
			return "", fault.New(fault.Usage, "%q: want the method before the arguments", f.message.Method)
		}
	}
	if f.data != "" {
		if len(args) > 0 {
			return "", fault.New(fault.Usage, "--data takes the place of arguments, and there are both")
		}
		f.message.Data, err = a.dataOf(f.data)
		return connector, err
	}
	if len(args) > 0 || kind == "query" {
		f.message.Data, err = a.arguments(args)
	}
	return connector, err
}

func statementOf(kind string) func(string) (string, json.RawMessage, error) {
	switch kind {
	case "query":
		return selectStatement
	case "publish":
		return publishStatement
	}
	return nil
}

func statementWord(kind string) string {
	if kind == "query" {
		return "select"
	}
	return kind
}

// dataOf is the JSON of --data.
func (a *app) dataOf(text string) (json.RawMessage, error) {
	raw := []byte(text)
	if name, ok := strings.CutPrefix(text, "@"); ok {
		var err error
		if raw, err = a.fileArgument(name); err != nil {
			return nil, err
		}
	}
	if !json.Valid(raw) {
		return nil, fault.New(fault.Usage, "--data: what there is is not JSON")
	}
	return raw, nil
}

// sendMessage prints each reply as it comes. An error is the command's own.
func (a *app) sendMessage(ctx context.Context, api *client.Client, kind, connector string, m client.Message) error {
	var failed error
	err := api.Send(ctx, kind, connector, m, func(r client.Reply) error {
		if failed = client.ReplyFault(r); failed != nil && a.output != outputJSON {
			return nil // it is printed as every error is
		}
		return a.showReply(r)
	})
	if err != nil {
		return err
	}
	return failed
}

func (a *app) showReply(r client.Reply) error {
	if r.Code == http.StatusMultiStatus { // some parts of it failed: each says for itself
		a.exit = fault.ExitFailure
	}
	if a.output == outputJSON {
		raw, err := json.Marshal(r)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "print")
		}
		return a.line(string(raw))
	}
	if len(r.Metadata) > 0 {
		fmt.Fprintf(a.err, "metadata: %s\n", visible(text(r.Metadata)))
	}
	switch {
	case len(r.Data) > 0:
		return a.line(visibleJSON(r.Data))
	case len(r.DataBase64) > 0:
		return a.line(size(int64(len(r.DataBase64))) + " of " + visible(r.ContentType))
	}
	if r.Status == "empty" {
		fmt.Fprintln(a.err, "done, without a reply")
	}
	return nil
}

// visibleJSON is indented JSON, or the text of a string.
func visibleJSON(raw json.RawMessage) string {
	if raw[0] == '"' {
		return visible(text(raw))
	}
	lines := strings.Split(indented(raw), "\n")
	for i := range lines {
		lines[i] = visible(lines[i])
	}
	return strings.Join(lines, "\n")
}
