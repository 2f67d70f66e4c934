package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

func (a *app) quarantineCommand() *cobra.Command {
	c := branch("quarantine", "Show, retry and drop what connectors could not handle",
		a.quarantineList(), a.quarantineShow(), a.quarantineRetry(), a.quarantineDrop())
	c.Long = "What a connector refuses, or does not survive, is put aside with the reason, and the rest goes on. It is kept\n" +
		"as long as the outbox keeps its block. What comes in and what goes out are both there; what goes out can be\n" +
		"tried once more. Each is named by its position, which the list shows."
	return c
}

func (a *app) quarantineList() *cobra.Command {
	var limit int
	c := a.on("list", "List what a connector could not handle, newest first", func(ctx context.Context, api *client.Client, id string) error {
		list, older, err := api.Quarantine(ctx, id, limit)
		if err != nil {
			return err
		}
		if older > 0 {
			fmt.Fprintf(a.err, "%d older ones are kept, and not listed\n", older)
		}
		return a.show(append([]client.Quarantined{}, list...), func() {
			rows := make([][]string, len(list))
			for i, q := range list {
				rows[i] = []string{q.Position, when(q.At), q.Of, orDash(q.Device), strings.TrimRight(q.Reason, ": "), q.Summary}
			}
			a.rows([]string{"POSITION", "AT", "WHAT", "DEVICE", "REASON", "CONTENT"}, rows)
		})
	})
	c.Aliases = []string{"ls"}
	c.Flags().IntVar(&limit, "limit", 100, "no more than so many; 0: all")
	return c
}

func (a *app) quarantineShow() *cobra.Command {
	return &cobra.Command{
		Use: "show connector position", Short: "Show something that a connector could not handle, whole",
		Long: "Show prints what is kept: of a message its topic and payload, of a request its path and body, a record on its way\n" +
			"out as `snaprail tail` shows it. With -o json it also has the whole as the group or the contract encodes it, in Base64.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				q, err := api.QuarantinedRecord(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				return a.show(q, func() { a.printQuarantined(args[0], q) })
			})
		},
	}
}

func (a *app) printQuarantined(connector string, q client.Quarantined) {
	what := q.Of
	if q.Group != "" {
		what += " of " + q.Group
	}
	rows := [][]string{
		{"position", q.Position},
		{"put aside", when(q.At)},
		{"what", what},
		{"lane", orDash(q.Lane)},
		{"device", orDash(q.Device)},
		{"reason", strings.TrimRight(q.Reason, ": ")},
		{"size", size(int64(q.Bytes))},
		{"again", "no: it came in, and its source would have to send it again"},
	}
	if q.Retryable {
		rows[len(rows)-1][1] = "yes: `snaprail quarantine retry " + connector + " " + q.Position + "`"
	}
	if q.Source != "" {
		rows = append(rows, []string{"came from", q.Source})
	}
	a.rows(nil, rows)
	switch {
	case len(q.Record) > 0:
		fmt.Fprintf(a.out, "record\n%s\n", indented(q.Record))
	case len(q.Content) > 0:
		for i := range q.Content {
			a.printContent(&q.Content[i])
		}
	case q.Of != "delivery" && utf8.Valid(q.Input):
		fmt.Fprintf(a.out, "content\n%s\n", visible(string(q.Input)))
	default:
		fmt.Fprintf(a.out, "content\n%s\n", visible(q.Summary))
	}
}

// printContent prints a message or a request, so that what was sent can be copied.
func (a *app) printContent(c *client.Content) {
	var rows [][]string
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("topic", c.Topic)
	if c.Partition != nil && c.Offset != nil {
		add("partition", fmt.Sprintf("%d, offset %d", *c.Partition, *c.Offset))
	}
	add("request", strings.TrimSpace(c.Method+" "+c.Path))
	add("query", c.Query)
	add("content type", c.ContentType)
	for _, h := range c.Headers {
		add("header", h.Name+": "+textOrBase64(h.Value, h.Bytes))
	}
	add("key", textOrBase64(c.Key, c.KeyBytes))
	a.rows(nil, rows)
	fmt.Fprintf(a.out, "payload\n%s\n", visible(textOrBase64(c.Payload, c.PayloadBytes)))
}

func textOrBase64(text string, raw []byte) string {
	if len(raw) > 0 {
		return "base64 " + base64.StdEncoding.EncodeToString(raw)
	}
	return text
}

// retryable are the positions of all that is listed and was on its way out, the
// oldest first, as they came.
func retryable(ctx context.Context, api *client.Client, connector string) (positions []string, err error) {
	list, _, err := api.Quarantine(ctx, connector, 0)
	for i := range slices.Backward(list) {
		if list[i].Retryable {
			positions = append(positions, list[i].Position)
		}
	}
	return positions, err
}

// undone are the positions that a command could do nothing about, with the first
// reason.
type undone struct {
	positions []string
	first     *fault.Fault
}

func (u *undone) add(position string, err error) {
	if u.first == nil {
		u.first = fault.Of(err)
	}
	u.positions = append(u.positions, position)
}

// of is an error that names them, if there are any of so many.
func (u *undone) of(all int, done string) error {
	if u.first == nil {
		return nil
	}
	return fault.New(u.first.Kind, "%d of %d were not %s: %s", len(u.positions), all, done, strings.Join(u.positions, ", ")).WithHint("%s", u.first.Hint)
}

// named refuses a command that names nothing, or everything twice.
func named(args []string, all bool) error {
	if all == (len(args) == 1) {
		return nil
	}
	return fault.New(fault.Usage, "name positions, or --all").WithHint("`snaprail quarantine list %s` shows the positions.", args[0])
}

func (a *app) quarantineRetry() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "retry connector [position...]", Short: "Hand records that a connector could not deliver to it again",
		Long: "Retry hands records to the connector that refused them, behind what waits for it already. What it delivers now is\n" +
			"in quarantine no more; what it refuses again is there with the new reason. The connector must run.",
		Example: "  snaprail quarantine retry archive 184.0\n  snaprail quarantine retry archive --all",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := named(args, all); err != nil {
				return err
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) (err error) {
				positions := args[1:]
				if all {
					if positions, err = retryable(ctx, api, args[0]); err != nil {
						return err
					}
				}
				return a.retry(ctx, api, args[0], positions)
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all that is listed and was on its way out")
	return c
}

// retry hands in what one call takes, and then the next.
func (a *app) retry(ctx context.Context, api *client.Client, connector string, positions []string) error {
	all := []client.Retried{}
	var failed undone
	for some := range slices.Chunk(positions, client.MaxRetry) {
		done, err := api.RetryQuarantine(ctx, connector, some)
		if err != nil {
			return err
		}
		for _, r := range done {
			if err := r.Err(); err != nil {
				failed.add(r.From, err)
			}
			if a.output != outputJSON {
				a.printRetried(r)
			}
		}
		all = append(all, done...)
	}
	if err := a.show(all, func() {}); err != nil {
		return err
	}
	return failed.of(len(positions), "handed in")
}

func (a *app) printRetried(r client.Retried) {
	text := r.State
	switch r.State {
	case "refused":
		text += ": " + strings.TrimRight(r.Reason, ": ") + " (now at " + r.Position + ")"
	case "waiting":
		text += " for its turn: it stays in quarantine until then"
	case "dropped":
		text = "not handed in: the connector stopped or changed meanwhile"
	case "failed":
		text = "not handed in: " + r.Reason
	}
	fmt.Fprintln(a.out, visible(r.From+" "+text))
}

func (a *app) quarantineDrop() *cobra.Command {
	var all bool
	var through string
	c := &cobra.Command{
		Use: "drop connector [position...]", Short: "Take from quarantine what is seen to",
		Example: "  snaprail quarantine drop archive 184.0\n  snaprail quarantine drop archive --through 190.3",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if through == "" {
				if err := named(args, all); err != nil {
					return err
				}
			} else if all || len(args) > 1 {
				return fault.New(fault.Usage, "--through names all that is to be dropped")
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				switch {
				case all:
					list, _, err := api.Quarantine(ctx, args[0], 1)
					if err != nil || len(list) == 0 {
						return err
					}
					through = list[0].Position
					fallthrough
				case through != "":
					d, err := api.DropQuarantine(ctx, args[0], through)
					if err != nil {
						return err
					}
					return a.show(d, func() { fmt.Fprintln(a.out, strconv.Itoa(d.Dropped)+" dropped") })
				}
				var failed undone
				for _, position := range args[1:] {
					if err := api.DropQuarantined(ctx, args[0], position); err != nil {
						failed.add(position, err)
						fmt.Fprintln(a.err, visible(position+" not dropped: "+fault.Of(err).Text))
					}
				}
				return failed.of(len(args)-1, "dropped")
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all that there is")
	c.Flags().StringVar(&through, "through", "", "all up to and with this `position`")
	return c
}

func (a *app) connectorsRewind() *cobra.Command {
	var to, match string
	c := a.on("rewind", "Have a connector deliver records again, or pass over some", func(ctx context.Context, api *client.Client, id string) error {
		revision, err := parseRevision(match)
		if err != nil {
			return err
		}
		if to == "" {
			return fault.New(fault.Usage, "--to is missing").WithHint("Say where it goes on: oldest, now, a time or a position.")
		}
		r, err := api.Rewind(ctx, id, to, revision)
		if err != nil {
			return err
		}
		if r.Note != "" {
			fmt.Fprintf(a.err, "warning: %s\n", visible(r.Note))
		}
		return a.show(r, func() {
			switch {
			case r.Blocks == 0:
				fmt.Fprintln(a.out, "goes on with what comes from now on")
			case r.At.IsZero():
				fmt.Fprintf(a.out, "goes on with block %d of %d\n", r.Block, r.Newest)
			default:
				fmt.Fprintf(a.out, "goes on with block %d of %d, which came at %s\n", r.Block, r.Newest, when(r.At))
			}
		})
	})
	c.Long = "Rewind sets the place from which a connector that delivers is handed the tenant's records. One that runs goes on\n" +
		"from there at once, another when it starts. Records that it has delivered come to it, and to where it delivers\n" +
		"them, once more, with the same keys; those that are passed over are not delivered.\n\n" +
		"While a record is held up, the connector does not send again what it sent of the records behind it: rewind when\n" +
		"it delivers. A time is that at which a record was made; one that waited for room on the disk stands further on."
	c.Example = "  snaprail connectors rewind archive --to oldest\n  snaprail connectors rewind archive --to 2026-03-01T06:00:00Z"
	c.Flags().StringVar(&to, "to", "", "the `place`: oldest, now, a time in RFC 3339, or the position of a record as `snaprail tail -o json` has it")
	c.Flags().StringVar(&match, "if-match", "", "`revision` of the connector that must not have changed")
	return c
}
