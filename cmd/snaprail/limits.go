package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

func (a *app) limitsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "limits", Short: "Show what the tenant may have and what it uses",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withClient(c, func(ctx context.Context, api *client.Client) error {
				l, err := api.Limits(ctx)
				if err != nil {
					return err
				}
				return a.show(l, func() { a.printTenantLimits(l) })
			})
		},
	}
}

func (a *app) printTenantLimits(l lifecycle.TenantLimits) {
	fmt.Fprintf(a.out, "tenant %s: %d guests, %.1f s of the processor used, %.1f s waited for it\n\n",
		visible(l.Tenant), l.Instances, l.CPUSeconds, l.ThrottledSeconds)
	rows := make([][]string, len(l.Limits))
	for i, v := range l.Limits {
		most := "-"
		if v.Limit > 0 {
			most = quantity(v.Unit, v.Limit)
		}
		rows[i] = []string{v.Name, quantity(v.Unit, v.Used), most}
	}
	a.rows([]string{"ALL TOGETHER", "USED", "LIMIT"}, rows)
	fmt.Fprintln(a.out)
	rows = make([][]string, len(l.Connector))
	for i, v := range l.Connector {
		rows[i] = []string{v.Name, quantity(v.Unit, v.Default), quantity(v.Unit, v.Most)}
	}
	a.rows([]string{"EACH CONNECTOR", "DEFAULT", "AT MOST"}, rows)
}

// printLimits shows what a guest uses of its limits.
func (a *app) printLimits(head string, limits []lifecycle.Limit) {
	if len(limits) == 0 {
		return
	}
	rows := make([][]string, len(limits))
	for i, l := range limits {
		peak := "-"
		if l.Peak > 0 {
			peak = quantity(l.Unit, l.Peak)
		}
		rows[i] = []string{l.Name, quantity(l.Unit, l.Used), peak, quantity(l.Unit, l.Limit), strconv.FormatUint(l.Hits, 10)}
	}
	fmt.Fprintln(a.out)
	a.rows([]string{head, "USED", "PEAK", "LIMIT", "HITS"}, rows)
}

// quantity prints an amount for a person.
func quantity(unit spec.Unit, v float64) string {
	switch unit {
	case spec.Bytes:
		return size(int64(v))
	case spec.BytesPerSecond:
		return size(int64(v)) + "/s"
	case spec.Seconds:
		return time.Duration(v * float64(time.Second)).Round(time.Microsecond).String()
	case spec.Cores:
		return strconv.FormatFloat(v, 'f', 2, 64) + " " + string(unit)
	default:
		return strconv.FormatFloat(v, 'f', 0, 64) + " " + string(unit)
	}
}
