package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
)

func (a *app) notificationsCommand() *cobra.Command {
	c := branch("notifications", "Show and acknowledge what connectors have to say to people", a.notificationsList(), a.notificationsAck())
	c.Long = "A connector that needs somebody says so once, under a key: what goes on is counted, and listed until it\n" +
		"is acknowledged. Each time is also an event of the connector (`snaprail tail`)."
	return c
}

func (a *app) notificationsList() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "list", Short: "List notifications that nobody has acknowledged", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Notifications(ctx, all)
				if err != nil {
					return err
				}
				return a.show(list, func() {
					rows := make([][]string, len(list))
					for i, n := range list {
						rows[i] = []string{n.ID, n.Severity, n.Connector, n.Title, strconv.FormatUint(n.Count, 10), when(n.First), when(n.Last), orDash(n.AcknowledgedBy)}
					}
					a.rows([]string{"ID", "SEVERITY", "CONNECTOR", "TITLE", "TIMES", "FIRST", "LAST", "ACKNOWLEDGED"}, rows)
				})
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "also those that somebody has acknowledged")
	return c
}

func (a *app) notificationsAck() *cobra.Command {
	return &cobra.Command{
		Use: "ack id", Short: "Say that somebody has seen to a notification", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				n, err := api.Acknowledge(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(n, func() { _ = a.line(n.ID + " acknowledged by " + n.AcknowledgedBy) })
			})
		},
	}
}
