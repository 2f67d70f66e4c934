package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
)

func (a *app) connectorsReconnect() *cobra.Command {
	return a.on("reconnect", "Close the connections of a connector that runs, and open them anew", func(ctx context.Context, api *client.Client, id string) error {
		v, err := api.Reconnect(ctx, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.err, "reconnected %s\n", v.Name)
		return a.show(v, func() {})
	})
}

func (a *app) connectorsLanes() *cobra.Command {
	c := a.on("lanes", "List the lanes of a connector with what each does now", func(ctx context.Context, api *client.Client, id string) error {
		list, err := api.Lanes(ctx, id)
		if err != nil {
			return err
		}
		return a.show(list, func() {
			rows := make([][]string, len(list))
			for i := range list {
				s := &list[i].Status
				name := list[i].Name
				if name == "" {
					name = "(one)"
				}
				rows[i] = []string{
					name, string(s.State), strconv.FormatUint(s.Counters.Records, 10), strconv.Itoa(s.Restarts),
					strconv.FormatUint(s.Counters.MissedPolls, 10), s.Reason,
				}
			}
			a.rows([]string{"LANE", "STATE", "RECORDS", "RESTARTS", "MISSED POLLS", "REASON"}, rows)
		})
	})
	c.Long = "Lanes lists the parts that a connector is divided into: one in all, or one for each of its devices or endpoints, as its module says.\n" +
		"Each has a state of its own, and what goes wrong in one is not the others'."
	return c
}
