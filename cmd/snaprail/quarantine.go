package main

import (
	"context"
	"fmt"
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
		Long: "Show prints what is kept. With -o json it has the content as the group or the contract encodes it, in Base64,\n" +
			"and a record on its way out as `snaprail tail` shows it.",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				q, err := api.QuarantinedRecord(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				return a.show(q, func() { a.printQuarantined(q) })
			})
		},
	}
}

func (a *app) printQuarantined(q client.Quarantined) {
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
		rows[len(rows)-1][1] = "yes: `snaprail quarantine retry`"
	}
	a.rows(nil, rows)
	switch {
	case len(q.Record) > 0:
		fmt.Fprintf(a.out, "record\n%s\n", indented(q.Record))
	case q.Of != "delivery" && utf8.Valid(q.Input) && q.Group != "hooks":
		fmt.Fprintf(a.out, "content\n%s\n", visible(string(q.Input)))
	default:
		fmt.Fprintf(a.out, "content\n%s\n", visible(q.Summary))
	}
}

// each does something about the positions that are named, or all.
func (a *app) each(ctx context.Context, api *client.Client, args []string, all bool, do func(position string) error) error {
	positions := args[1:]
	if all {
		list, _, err := api.Quarantine(ctx, args[0], 0)
		if err != nil {
			return err
		}
		for i := range list { // the oldest first, as they came
			if q := list[len(list)-1-i]; q.Retryable {
				positions = append(positions, q.Position)
			}
		}
	}
	for _, position := range positions {
		if err := do(position); err != nil {
			return err
		}
	}
	return nil
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
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				var done []client.Retried
				err := a.each(ctx, api, args, all, func(position string) error {
					r, err := api.RetryQuarantined(ctx, args[0], position)
					if err != nil {
						return err
					}
					done = append(done, r)
					if a.output != outputJSON {
						a.printRetried(position, r)
					}
					return nil
				})
				if err != nil {
					return err
				}
				return a.show(append([]client.Retried{}, done...), func() {})
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all that is listed and was on its way out")
	return c
}

func (a *app) printRetried(position string, r client.Retried) {
	text := r.State
	switch r.State {
	case "refused":
		text += ": " + strings.TrimRight(r.Reason, ": ") + " (now at " + r.Position + ")"
	case "waiting":
		text += " for its turn: it stays in quarantine until then"
	case "dropped":
		text = "not handed in: the connector stopped or changed meanwhile"
	}
	fmt.Fprintln(a.out, visible(position+" "+text))
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
				return a.each(ctx, api, args, false, func(position string) error { return api.DropQuarantined(ctx, args[0], position) })
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
		"them, once more, with the same keys; those that are passed over are not delivered."
	c.Example = "  snaprail connectors rewind archive --to oldest\n  snaprail connectors rewind archive --to 2026-03-01T06:00:00Z"
	c.Flags().StringVar(&to, "to", "", "the `place`: oldest, now, a time in RFC 3339, or the position of a record as `snaprail tail -o json` has it")
	c.Flags().StringVar(&match, "if-match", "", "`revision` of the connector that must not have changed")
	return c
}
