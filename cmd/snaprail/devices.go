package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
)

func (a *app) devicesCommand() *cobra.Command {
	var connector string
	c := &cobra.Command{
		Use:   "devices",
		Short: "List devices",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				list, err := api.Devices(ctx, connector)
				if err != nil {
					return err
				}
				return a.show(list, func() {
					rows := make([][]string, len(list))
					for i, d := range list {
						rows[i] = []string{d.ID, d.Name, orDash(d.Type), d.Connector, when(d.Added)}
					}
					a.rows([]string{"ID", "NAME", "TYPE", "CONNECTOR", "ADDED"}, rows)
				})
			})
		},
	}
	c.Flags().StringVar(&connector, "connector", "", "only of this connector, by id or `name`")
	return c
}
