package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
)

// ticketsCommand is about messages that nobody waits for.
func (a *app) ticketsCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List tickets, the oldest first", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				all, err := api.Tickets(ctx)
				if err != nil {
					return err
				}
				return a.show(all, func() {
					rows := make([][]string, len(all))
					for i, t := range all {
						rows[i] = []string{t.ID, t.State, t.Type, t.Connector, orDash(t.Device), when(t.Created)}
					}
					a.rows([]string{"ID", "STATE", "TYPE", "CONNECTOR", "DEVICE", "CREATED"}, rows)
				})
			})
		},
	}
	show := &cobra.Command{
		Use: "show id", Short: "Show a ticket, with the replies that have come", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				t, err := api.Ticket(ctx, args[0])
				if err != nil {
					return err
				}
				return a.showTicket(t)
			})
		},
	}
	cancel := &cobra.Command{
		Use: "cancel id", Short: "Give up a message that is pending, and forget its ticket", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				return api.CancelTicket(ctx, args[0])
			})
		},
	}
	return branch("tickets", "Show and give up messages that nobody waits for", list, show, cancel)
}

func (a *app) showTicket(t client.Ticket) error {
	return a.show(t, func() {
		rows := [][]string{
			{"id", t.ID},
			{"state", t.State},
			{"type", t.Type},
			{"connector", t.Connector},
			{"device", orDash(t.Device)},
			{"deadline", when(t.Deadline)},
		}
		if t.Ended != nil {
			rows = append(rows, []string{"took", t.Ended.Sub(t.Created).Round(time.Millisecond).String()})
		}
		if c := t.Callback; c != nil {
			rows = append(rows, []string{"callback", fmt.Sprintf("%s (%s after %d tries) %s", c.URL, c.State, c.Tries, c.Error)})
		}
		a.rows(nil, rows)
		for _, r := range t.Replies {
			if r.Error != nil {
				fmt.Fprintf(a.out, "error: %s: %s\n", visible(r.Error.Code), visible(r.Error.Text))
				continue
			}
			_ = a.showReply(r) // a closed stdout is nobody's news
		}
	})
}
