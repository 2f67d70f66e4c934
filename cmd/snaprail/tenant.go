package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/identity"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// defaultTenantMemory is the memory that the guests of a tenant may reserve
// together: 64 of them at the default limit.
const defaultTenantMemory = 4 << 30

func (a *app) tenantCommand() *cobra.Command {
	c := branch("tenant", "Make, show, bound and remove tenants",
		a.tenantList(), a.tenantShow(), a.tenantCreate(), a.tenantLimits(), a.tenantRemove())
	c.Aliases = []string{"tenants"}
	return c
}

func (a *app) tenantLimits() *cobra.Command {
	var data string
	keys := a.keys()
	var o ceilingFlags
	c := &cobra.Command{
		Use:   "limits [tenant]",
		Short: "Show or change the ceiling of a tenant's limits",
		Long: "Limits changes what a tenant may have: it asks the server, and when nobody answers, or with --data, it\n" +
			"works on the data directory of a server that is stopped. What is not named stays as it is; 0 takes the\n" +
			"tenant's own word back, so that the server's default counts (see `snaprail serve --help`). Without a flag\n" +
			"it only shows.",
		Example: "  snaprail tenant limits --memory 512MiB --cpu 0.5\n" +
			"  snaprail tenant limits plant --connector memory_bytes=128MiB --connector call_timeout=10s\n" +
			"  snaprail tenant limits plant --quota connectors=50 --quota requests_per_minute=600 --grantable 'http https://api.example.com/*'",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			tenant := defaultTenant
			if len(args) > 0 {
				tenant = args[0]
			}
			change, err := o.change(c)
			if err != nil {
				return err
			}
			return a.either(c, func(ctx context.Context, api *client.Client) error {
				return a.changeCeiling(ctx, api, tenant, change, c.Flags().NFlag() > 0)
			}, func(ctx context.Context) error { return a.setCeiling(ctx, data, keys, tenant, change) })
		},
	}
	keys.flag(c)
	c.Flags().StringVar(&data, "data", a.dataDir(), "data `directory` of the server (SNAPRAIL_DATA)")
	o.tenantFlags(c)
	return c
}

// tenantFlags are what a tenant may have.
func (o *ceilingFlags) tenantFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.memory, "memory", "", "`bytes` of memory for all its guests together, such as 512MiB")
	f.StringVar(&o.cpu, "cpu", "", "`cores` of processor for all its guests together, such as 0.5")
	f.StringSliceVar(&o.connector, "connector", nil, "the most that one connector may be given, as `name=value`")
	f.StringSliceVar(&o.quota, "quota", nil, "how much it may have of something, as `name=number`: connectors, modules, module_bytes, requests_per_minute, changes_per_minute")
	f.StringArrayVar(&o.grantable, "grantable", nil, "what its users may grant, as `'group pattern rights'`; may be repeated; none: the server's word")
}

func (a *app) setCeiling(ctx context.Context, data string, keys keySource, tenant string, change func(*spec.Ceiling)) (err error) {
	s, err := openStopped(data, keys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var was spec.Ceiling
	c, err := supervisor.SetCeiling(ctx, s, tenant, func(c *spec.Ceiling) {
		was = *c
		change(c)
	})
	if err == nil && !reflect.DeepEqual(was, c) {
		err = ceilingEvent(ctx, s, tenant, c)
	}
	if err != nil {
		return err
	}
	return a.show(c, func() { a.printCeiling(c) })
}

// ceilingEvent writes a tenant's new ceiling into its audit trail.
func ceilingEvent(ctx context.Context, s store.Store, tenant string, c spec.Ceiling) error {
	space, err := s.Tenant(tenant)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "ceiling")
	}
	return identity.Record(ctx, space, identity.Event{
		Who: identity.Who{Kind: identity.ByLocal}, Action: identity.LimitsChange, On: "tenant " + tenant,
		Outcome: identity.Done, Detail: "the ceiling is now " + string(raw),
	})
}

func (a *app) printCeiling(c spec.Ceiling) {
	own := func(unit spec.Unit, v float64) string {
		if v == 0 {
			return "the server's default"
		}
		return quantity(unit, v)
	}
	rows := [][]string{
		{"all together", spec.LimitMemory, own(spec.Bytes, float64(c.MemoryBytes))},
		{"all together", spec.LimitCPU, own(spec.Cores, c.CPU)},
	}
	for _, d := range spec.LimitTable() {
		rows = append(rows, []string{"each connector", d.Name, own(d.Unit, d.Of(&c.Connector))})
	}
	for _, name := range quotaNames() {
		to, _ := quotaField(name)
		v := "the server's default"
		if n := *to(&c.Quota); n > 0 {
			v = strconv.FormatUint(n, 10)
		}
		rows = append(rows, []string{"the tenant", name, v})
	}
	a.rows([]string{"OF", "LIMIT", "AT MOST"}, rows)
	for _, g := range c.Grantable {
		fmt.Fprintf(a.out, "may grant: %s\n", visible(strings.Join(append([]string{g.Group}, g.Resources...), " ")))
	}
}

// ceilingFlags are a ceiling as flags name it.
type ceilingFlags struct {
	memory, cpu                 string
	connector, quota, grantable []string
}

// change is what the flags do to a ceiling.
func (o *ceilingFlags) change(c *cobra.Command) (func(*spec.Ceiling), error) {
	var set []func(*spec.Ceiling)
	if c.Flags().Changed("memory") {
		n, err := parseSize("--memory", o.memory)
		if err != nil {
			return nil, err
		}
		set = append(set, func(c *spec.Ceiling) { c.MemoryBytes = n })
	}
	if c.Flags().Changed("cpu") {
		v, err := parseCores("--cpu", o.cpu)
		if err != nil {
			return nil, err
		}
		set = append(set, func(c *spec.Ceiling) { c.CPU = v })
	}
	for _, pair := range o.connector {
		d, v, err := parseLimit("--connector", pair)
		if err != nil {
			return nil, err
		}
		set = append(set, func(c *spec.Ceiling) { d.Set(&c.Connector, v) })
	}
	for _, pair := range o.quota {
		to, n, err := parseQuota(pair)
		if err != nil {
			return nil, err
		}
		set = append(set, func(c *spec.Ceiling) { *to(&c.Quota) = n })
	}
	if c.Flags().Changed("grantable") {
		list, err := parseGrantable(o.grantable)
		if err != nil {
			return nil, err
		}
		set = append(set, func(c *spec.Ceiling) { c.Grantable = list })
	}
	return func(c *spec.Ceiling) {
		for _, do := range set {
			do(c)
		}
	}, nil
}

// ceiling is the flags' own.
func (o *ceilingFlags) ceiling() (c spec.Ceiling, err error) {
	if c.MemoryBytes, err = parseSize("--tenant-memory", o.memory); err != nil {
		return c, err
	}
	if c.CPU, err = parseCores("--tenant-cpu", o.cpu); err != nil {
		return c, err
	}
	for _, pair := range o.connector {
		d, v, err := parseLimit("--connector-limit", pair)
		if err != nil {
			return c, err
		}
		d.Set(&c.Connector, v)
	}
	return c, nil
}

// parseLimit reads memory_bytes=128MiB. 0 is no bound.
func parseLimit(flag, pair string) (d spec.Limit, v float64, err error) {
	name, value, _ := strings.Cut(pair, "=")
	var names []string
	for _, d = range spec.LimitTable() {
		names = append(names, d.Name)
		if d.Name != name {
			continue
		}
		if v, err = parseAmount(flag, d.Unit, value); err == nil && v != 0 && (v < d.Min || v > d.Max) {
			err = fault.New(fault.Usage, "%s %s: want %s to %s", flag, pair, quantity(d.Unit, d.Min), quantity(d.Unit, d.Max))
		}
		return d, v, err
	}
	return d, 0, fault.New(fault.Usage, "%s %q: want name=value, with one of %s", flag, pair, strings.Join(names, ", "))
}

func parseAmount(flag string, unit spec.Unit, value string) (float64, error) {
	switch unit {
	case spec.Bytes, spec.BytesPerSecond:
		n, err := parseSize(flag, value)
		return float64(n), err
	case spec.Seconds:
		if value == "0" {
			return 0, nil
		}
		d, err := time.ParseDuration(value)
		if err != nil {
			return 0, fault.New(fault.Usage, "%s %q: want a duration, such as 10s", flag, value)
		}
		return d.Seconds(), nil
	default:
		return parseCores(flag, value)
	}
}

// parseSize reads 512MiB, 1GiB or a number of bytes.
func parseSize(flag, value string) (uint64, error) {
	factor := uint64(1)
	digits := value
	for suffix, by := range map[string]uint64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(value, suffix); ok {
			digits, factor = strings.TrimSpace(rest), by
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n > (1<<50)/factor {
		return 0, fault.New(fault.Usage, "%s %q: want a number of bytes, such as 512MiB", flag, value)
	}
	return n * factor, nil
}

// parseCores reads a number that is not negative.
func parseCores(flag, value string) (float64, error) {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || !(v >= 0) || v > 1<<50 {
		return 0, fault.New(fault.Usage, "%s %q: want a number, such as 0.5", flag, value)
	}
	return v, nil
}

// flags are the server's default ceiling.
func (o *ceilingFlags) flags(a *app, c *cobra.Command) {
	var limits []string
	if env := a.env("SNAPRAIL_CONNECTOR_LIMITS"); env != "" {
		limits = strings.Split(env, ",")
	}
	flags := c.Flags()
	flags.StringVar(&o.memory, "tenant-memory", a.envOr("SNAPRAIL_TENANT_MEMORY", fmt.Sprintf("%dGiB", defaultTenantMemory>>30)),
		"`bytes` of memory that the guests of a tenant may reserve; 0: no bound (SNAPRAIL_TENANT_MEMORY)")
	flags.StringVar(&o.cpu, "tenant-cpu", a.envOr("SNAPRAIL_TENANT_CPU", "0"),
		"`cores` of processor for the guests of a tenant; 0: no bound (SNAPRAIL_TENANT_CPU)")
	flags.StringSliceVar(&o.connector, "connector-limit", limits,
		"the most that one connector may be given, as `name=value` (SNAPRAIL_CONNECTOR_LIMITS)")
}
