package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
)

func (a *app) twinCommand() *cobra.Command {
	c := branch("twin", "Show what is known of a device now, and say what is wanted of it", a.twinShow(), a.twinWant(), a.twinHistory())
	c.Long = "A device's twin is its latest readings and attributes with their time, unit and quality, what is wanted\n" +
		"of it, and a window of history. It is filled by what connectors emit."
	return c
}

func (a *app) twinShow() *cobra.Command {
	return &cobra.Command{
		Use: "show connector device", Short: "Show a device's latest readings, and what is wanted of it",
		Example: "  snaprail twin show line-3 boiler-3", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				t, err := api.Twin(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				return a.show(t, func() { a.printTwin(t) })
			})
		},
	}
}

func (a *app) printTwin(t client.Twin) {
	var rows [][]string
	add := func(kind string, readings map[string]client.Reading) {
		for _, tag := range slices.Sorted(maps.Keys(readings)) {
			r := readings[tag]
			quality := "good"
			if r.Quality != 0 {
				quality = fmt.Sprintf("0x%08X", r.Quality)
			}
			rows = append(rows, []string{kind, tag, strings.TrimSpace(string(r.Value) + " " + r.Unit), quality, when(r.Time)})
		}
	}
	add("telemetry", t.Telemetry)
	add("attribute", t.Attributes)
	a.rows([]string{"KIND", "TAG", "VALUE", "QUALITY", "TIME"}, rows)
	if len(t.Desired) == 0 {
		return
	}
	rows = nil
	for _, name := range slices.Sorted(maps.Keys(t.Desired)) {
		state := "reported"
		if _, differs := t.Delta[name]; differs {
			state = "not reported"
		}
		rows = append(rows, []string{name, string(t.Desired[name]), state})
	}
	fmt.Fprintln(a.out)
	a.rows([]string{"WANTED", "VALUE", "STATE"}, rows)
}

func (a *app) twinWant() *cobra.Command {
	var replace bool
	c := &cobra.Command{
		Use: "want connector device {name=text | name:=json | name=}...", Short: "Say what is wanted of a device",
		Long: "Want changes what is wanted of a device: values of attributes. What the device does not report so is\n" +
			"sent to it as an update of attributes. name= takes a wish back; --replace takes all others back.",
		Example: "  snaprail twin want line-3 boiler-3 setpoint:=21.5 mode=auto", Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var named, gone []string
			for _, arg := range args[2:] {
				if name, isGone := strings.CutSuffix(arg, "="); isGone && !strings.ContainsAny(name, "=:") {
					gone = append(gone, name)
					continue
				}
				named = append(named, arg)
			}
			raw, err := a.arguments(named)
			if err != nil {
				return err
			}
			var wish map[string]json.RawMessage
			if err := json.Unmarshal(raw, &wish); err != nil {
				return fault.Wrap(fault.Usage, err, "what is wanted")
			}
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return a.want(ctx, api, args[0], args[1], wish, gone, replace)
			})
		},
	}
	c.Flags().BoolVar(&replace, "replace", false, "want this and nothing else")
	return c
}

func (a *app) want(ctx context.Context, api *client.Client, connector, device string, wish map[string]json.RawMessage, gone []string, replace bool) error {
	all := map[string]json.RawMessage{}
	var revision uint64
	if !replace {
		t, err := api.Twin(ctx, connector, device)
		if err != nil && !fault.Is(err, fault.DeviceUnknown) {
			return err
		}
		maps.Copy(all, t.Desired)
		revision = t.Revision
	}
	maps.Copy(all, wish)
	for _, name := range gone {
		delete(all, name)
	}
	t, err := api.Desire(ctx, connector, device, all, revision)
	if err != nil {
		return err
	}
	if err := a.show(t, func() { a.printTwin(t) }); err != nil {
		return err
	}
	switch {
	case t.Sent == nil:
		fmt.Fprintln(a.err, "there was nothing to send")
	case t.Sent.Success:
		fmt.Fprintln(a.err, "sent to the device")
	default:
		fmt.Fprintf(a.err, "warning: what is wanted is kept, and the device was not told: %s (%s)\n", visible(t.Sent.Detail), visible(t.Sent.Code))
	}
	return nil
}

func (a *app) twinHistory() *cobra.Command {
	var tag string
	var since time.Duration
	var limit int
	c := &cobra.Command{
		Use: "history connector device", Short: "Show a device's readings in the window that is kept",
		Example: "  snaprail twin history line-3 boiler-3 --tag temperature --since 10m", Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				var from time.Time
				if since > 0 {
					from = time.Now().Add(-since)
				}
				h, err := api.History(ctx, args[0], args[1], tag, from, limit)
				if err != nil {
					return err
				}
				return a.show(h, func() {
					var rows [][]string
					for _, tag := range slices.Sorted(maps.Keys(h.Tags)) {
						for _, s := range h.Tags[tag] {
							rows = append(rows, []string{s.Time.Format(time.RFC3339Nano), tag, string(s.Value)})
						}
					}
					a.rows([]string{"TIME", "TAG", "VALUE"}, rows)
				})
			})
		},
	}
	c.Flags().StringVar(&tag, "tag", "", "only of this `tag`")
	c.Flags().DurationVar(&since, "since", 0, "only of the last `time` (10m)")
	c.Flags().IntVar(&limit, "limit", 0, "the newest `n` of each tag; 0: all")
	return c
}
