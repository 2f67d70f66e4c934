package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

// errEnough ends a stream after the records that were asked for.
var errEnough = errors.New("enough")

func (a *app) tailCommand() *cobra.Command {
	var o client.StreamOptions
	var n int
	c := &cobra.Command{
		Use:   "tail",
		Short: "Print records as they come, from now or any earlier position",
		Long: "Tail prints records until it is interrupted, as many as -n says, or with --until now those that there are\n" +
			"when it is called: with --from start that is all that is kept. --timeout does not end it: that is of calls\n" +
			"with one answer.",
		Example: "  snaprail tail --connector meter\n  snaprail tail --from start -n 100 -o json\n" +
			"  snaprail tail --from start --until now -o json > kept.ndjson",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if n < 0 {
				return fault.New(fault.Usage, "-n %d: want a positive number", n)
			}
			if o.Format == "cloudevents" && a.output != outputJSON {
				return fault.New(fault.Usage, "--format cloudevents prints JSON").WithHint("Add -o json.")
			}
			if o.Until != "" && o.Until != "now" {
				return fault.New(fault.Usage, "--until %s: want now", o.Until)
			}
			o.Lost = a.lost
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return a.tail(ctx, api, o, n)
			})
		},
	}
	c.Flags().StringVar(&o.From, "from", "now", "where to start: start, now, or a `position` behind which to go on")
	c.Flags().StringVar(&o.Until, "until", "", "where to end: `now`, behind the records that there are at the call (default: go on)")
	c.Flags().StringVar(&o.Connector, "connector", "", "only of this connector, by id or `name`")
	c.Flags().StringVar(&o.Topic, "topic", "", "only the events of one connector: `/sources/name`")
	c.Flags().StringVar(&o.Format, "format", "", "form of the records with -o json: `record or cloudevents`")
	c.Flags().IntVarP(&n, "number", "n", 0, "end after so many records; 0: when interrupted")
	return c
}

func (a *app) tail(ctx context.Context, api *client.Client, o client.StreamOptions, n int) error {
	seen := 0
	err := api.Stream(ctx, o, func(r client.Record) error {
		text := string(r.Raw)
		if a.output != outputJSON {
			text = recordLine(r)
		}
		if err := a.line(text); err != nil {
			return err
		}
		if seen++; seen == n {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// recordLine is a record for a person: time, device, values with units.
func recordLine(r client.Record) string {
	var b strings.Builder
	b.WriteString(r.Time.UTC().Format("2006-01-02T15:04:05.000Z"))
	b.WriteString("  ")
	b.WriteString(visible(r.Device))
	if r.Kind != "telemetry" {
		b.WriteString("  (" + visible(r.Kind) + ")")
	}
	for _, v := range r.Values {
		b.WriteString("  " + visible(v.Name) + "=" + visible(text(v.JSON)))
		if unit := r.Units[v.Name]; unit != "" {
			b.WriteString(" " + visible(unit))
		}
		if code := r.Quality[v.Name]; code != 0 {
			fmt.Fprintf(&b, " (quality 0x%08x)", code)
		}
	}
	switch {
	case len(r.Payload) > 0:
		b.WriteString("  " + visible(text(r.Payload)))
	case len(r.Base64) > 0:
		b.WriteString("  " + size(int64(len(r.Base64))) + " of " + visible(r.ContentType))
	}
	return b.String()
}

// text is a JSON value without the quotes of a string.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && !slices.Equal(raw, []byte("null")) {
		return s
	}
	return string(raw)
}
