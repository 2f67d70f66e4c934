package api

import (
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// metrics are the figures of this process, in a registry of their own.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	failures *prometheus.CounterVec
	stalled  prometheus.Counter
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "snaprail_authn_failures_total", Help: "Requests that were refused for their token.",
		}, []string{"code"}),
		stalled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "snaprail_sse_stalled_total", Help: "Streams that were dropped because their reader took nothing.",
		}),
	}
	m.failures.WithLabelValues(fault.Unauthenticated.String())
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "snaprail_build_info", Help: "1, with what this binary is.",
		ConstLabels: prometheus.Labels{"version": s.cfg.Version, "go": runtime.Version()},
	})
	info.Set(1)
	m.registry.MustRegister(m.failures, m.stalled, info, collector{s},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true, MaxRequestsInFlight: 4})
	return m
}

func (m *metrics) authFailed(err error) {
	m.failures.WithLabelValues(fault.Of(err).Kind.String()).Inc()
}

// serveMetrics answers this machine, and whoever operates the server: the
// figures name the connectors of all tenants.
func (s *Server) serveMetrics(c echo.Context) error {
	if !s.isOwnMachine(c) {
		if err := s.authenticate(c.Request().Context(), c); err != nil {
			return err
		}
		if !s.cfg.Control.Operates(identityOf(c).Tenant) {
			return fault.New(fault.RoleRequired, "the figures are of all tenants")
		}
	}
	s.metrics.handler.ServeHTTP(c.Response(), c.Request())
	return nil
}

// isOwnMachine reports whether a request comes from this machine itself, and not
// from a proxy on it, behind which everybody would.
func (s *Server) isOwnMachine(c echo.Context) bool {
	r := c.Request()
	for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	return c.Get(keyBrought) == nil && s.cfg.PublicURL == "" && isLoopback(r.RemoteAddr)
}

func isLoopback(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// collector reads the control plane's figures when they are asked for.
type collector struct{ s *Server }

// Describe says nothing, which makes the collector an unchecked one.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the figures.
func (c collector) Collect(to chan<- prometheus.Metric) {
	stats := c.s.cfg.Control.Stats()
	w := figures{to}
	w.gauge("snaprail_uptime_seconds", "Since the server was started.", time.Since(c.s.started).Seconds())
	w.gauge("snaprail_sse_clients", "Streams that are open.", float64(c.s.streams.count()))
	for i := range stats.Connectors {
		w.connector(&stats.Connectors[i])
		w.delivery(&stats.Connectors[i])
		w.limits(&stats.Connectors[i])
		w.messages(&stats.Connectors[i])
	}
	c.guests(w, stats)
	w.engine(stats)
	w.outboxes(stats)
	w.tenants(stats)
}

// figures sends metrics by name.
type figures struct{ to chan<- prometheus.Metric }

func (f figures) send(kind prometheus.ValueType, name, help string, v float64, labels ...string) {
	names, values := make([]string, 0, len(labels)/2), make([]string, 0, len(labels)/2)
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, strings.ToValidUTF8(labels[i+1], "\ufffd"))
	}
	f.to <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, v, values...)
}

func (f figures) gauge(name, help string, v float64, labels ...string) {
	f.send(prometheus.GaugeValue, name, help, v, labels...)
}

func (f figures) counter(name, help string, v float64, labels ...string) {
	f.send(prometheus.CounterValue, name, help, v, labels...)
}

func (f figures) connector(c *control.ConnectorStats) {
	l := []string{"tenant", c.Tenant, "connector", c.Connector}
	f.gauge("snaprail_connector_state", "1, with the state that the connector is in.", 1,
		"tenant", c.Tenant, "connector", c.Connector, "state", string(c.Status.State))
	n := &c.Status.Counters
	f.counter("snaprail_records_total", "Records made durable.", float64(n.Records), l...)
	f.counter("snaprail_events_total", "Events handed to the guest.", float64(n.Events), l...)
	f.counter("snaprail_blocks_total", "Blocks made durable.", float64(n.Blocks), l...)
	f.counter("snaprail_skipped_total", "Events that the guest skipped.", float64(n.Skipped), l...)
	f.counter("snaprail_quarantined_total", "Events and records put aside.", float64(n.Quarantined), l...)
	f.counter("snaprail_retried_total", "Events to be tried again.", float64(n.Retried), l...)
	f.counter("snaprail_repeated_total", "Records left out because their source key had come before.", float64(n.Repeated), l...)
	f.counter("snaprail_traps_total", "Crashes of the guest.", float64(n.Traps), l...)
	f.counter("snaprail_denied_total", "Host calls refused.", float64(n.Denied), l...)
	f.counter("snaprail_gaps_total", "Places where records are missing.", float64(n.Gaps), l...)
	f.counter("snaprail_log_lines_total", "Lines of the guest's log.", float64(n.LogLines), l...)
	f.counter("snaprail_log_dropped_total", "Lines of the guest's log beyond its rate.", float64(n.LogDropped), l...)
	f.counter("snaprail_restarts_total", "Restarts after a crash.", float64(c.Status.Restarts), l...)
	f.counter("snaprail_swaps_total", "Changes of version while running.", float64(c.Status.Swaps), l...)
	f.sessions(c)
	f.gauge("snaprail_guest_memory_bytes", "Linear memory of the guest.", float64(c.Status.MemoryBytes), l...)
	if !n.LastRecord.IsZero() {
		f.gauge("snaprail_last_record_age_seconds", "Since the last record.", time.Since(n.LastRecord).Seconds(), l...)
	}
}

// delivery is how a connector does that takes records out; nothing of another.
func (f figures) delivery(c *control.ConnectorStats) {
	d, l := &c.Status.Delivery, []string{"tenant", c.Tenant, "connector", c.Connector}
	if *d == (lifecycle.Delivery{}) {
		return
	}
	held := 0.0
	if d.Held != "" {
		held = 1
	}
	f.counter("snaprail_delivered_total", "Records that arrived where they were to go.", float64(d.Delivered), l...)
	f.counter("snaprail_delivery_retried_total", "Further tries to deliver a record, each time of each record; none of them says that it went out twice.", float64(d.Retried), l...)
	f.counter("snaprail_delivery_missed_blocks_total", "Blocks gone from the outbox before they could be delivered.", float64(d.Missed), l...)
	f.gauge("snaprail_delivery_behind_blocks", "Blocks of the outbox that are not done with.", float64(d.Behind), l...)
	f.gauge("snaprail_delivery_waiting_records", "Records that are not done with; reckoned, as far as they were not read yet.", float64(d.Waiting), l...)
	if !d.Oldest.IsZero() {
		f.gauge("snaprail_delivery_oldest_age_seconds", "Since the oldest record came that is not done with.", time.Since(d.Oldest).Seconds(), l...)
	}
	f.gauge("snaprail_delivery_held", "1 while nothing can be delivered.", held, l...)
}

// sessions are what groups count of their own, of all sessions of a connector
// together. A group has few names for it, and no guest chooses them.
func (f figures) sessions(c *control.ConnectorStats) {
	type event struct{ group, name string }
	sums, dropped := map[event]uint64{}, map[string]uint64{}
	for i := range c.Status.Sessions {
		s := &c.Status.Sessions[i]
		dropped[s.Group] += s.Dropped
		for name, n := range s.Counts {
			sums[event{s.Group, name}] += n
		}
	}
	for e, n := range sums {
		f.counter("snaprail_session_events_total", "What happened at the connector's sessions, as their groups name it.", float64(n),
			"tenant", c.Tenant, "connector", c.Connector, "group", e.group, "event", e.name)
	}
	for group, n := range dropped {
		f.counter("snaprail_session_dropped_total", "What the connector's sessions lost to a full buffer, a rate or a bad frame.", float64(n),
			"tenant", c.Tenant, "connector", c.Connector, "group", group)
	}
}

// limits are the connector's limits and what it uses of the processor.
func (f figures) limits(c *control.ConnectorStats) {
	l := []string{"tenant", c.Tenant, "connector", c.Connector}
	n := &c.Status.Counters
	f.counter("snaprail_guest_cpu_seconds_total", "That the connector's guests ran.", n.CPUSeconds, l...)
	f.counter("snaprail_guest_fuel_units_total", "Units of fuel that they used: about an instruction each.", float64(n.FuelUnits), l...)
	f.counter("snaprail_guest_throttled_seconds_total", "That they waited for a share of the processor.", n.ThrottledSeconds, l...)
	for i := range c.Status.Limits {
		limit := &c.Status.Limits[i]
		f.counter("snaprail_limit_hits_total", "Times that a limit was reached.", float64(limit.Hits),
			"tenant", c.Tenant, "connector", c.Connector, "limit", limit.Name)
	}
}

func (f figures) tenants(stats control.Stats) {
	for i := range stats.Tenants {
		t := &stats.Tenants[i]
		l := []string{"tenant", t.Tenant}
		f.counter("snaprail_tenant_cpu_seconds_total", "That the tenant's guests ran.", t.CPU.Seconds(), l...)
		f.counter("snaprail_tenant_throttled_seconds_total", "That they waited for the tenant's share of the processor.", t.Throttled.Seconds(), l...)
		f.gauge("snaprail_tenant_memory_reserved_bytes", "Limits of the linear memory of the tenant's guests, all together.", float64(t.MemoryBytes), l...)
		f.gauge("snaprail_tenant_instances", "Guests of the tenant.", float64(t.Instances), l...)
		f.gauge("snaprail_tenant_converters", "Converters of the tenant that are in use.", float64(t.Converters), l...)
		f.counter("snaprail_converter_recycled_total", "Instances of converters that were replaced because their memory had grown.", float64(t.Recycled), l...)
		f.counter("snaprail_converter_replaced_total", "Instances of converters that were replaced because they had died.", float64(t.Replaced), l...)
		f.twins(t)
	}
}

func (f figures) twins(of *control.TenantStats) {
	t, l := &of.Twins, []string{"tenant", of.Tenant}
	f.gauge("snaprail_twin_devices", "Devices that have a twin.", float64(t.Devices), l...)
	f.gauge("snaprail_twin_bytes", "Latest readings of all twins.", float64(t.Bytes), l...)
	f.gauge("snaprail_twin_history_bytes", "Histories of all twins.", float64(t.History), l...)
	f.gauge("snaprail_twin_behind_blocks", "Blocks of the outbox that the twins have not read yet.", float64(t.Behind), l...)
	f.counter("snaprail_twin_missing_blocks_total", "Blocks that were gone before the twins had read them.", float64(t.Missing), l...)
	for why, n := range t.Dropped {
		f.counter("snaprail_twin_dropped_total", "Readings left out, by reason.", float64(n), append(l, "reason", why)...)
	}
}

func (f figures) engine(stats control.Stats) {
	e := &stats.Engine
	f.gauge("snaprail_engine_info", "1, with the kind of engine that runs guests.", 1, "kind", e.Kind)
	f.gauge("snaprail_engine_modules", "Modules compiled and in use.", float64(e.Modules))
	f.gauge("snaprail_engine_instances", "Guests by state.", float64(e.Idle), "state", "idle")
	f.gauge("snaprail_engine_instances", "Guests by state.", float64(e.Running), "state", "running")
	f.gauge("snaprail_engine_memory_bytes", "Linear memory of all guests.", float64(e.MemoryBytes))
	f.counter("snaprail_engine_calls_total", "Calls into guests.", float64(e.Calls))
	f.counter("snaprail_engine_host_calls_total", "Calls of guests to the host.", float64(e.HostCalls))
	f.counter("snaprail_engine_denied_total", "Calls of guests to what was not granted.", float64(e.Denied))
	for cause, n := range map[string]uint64{
		"trap": e.Traps, "deadline": e.Deadlines, "memory": e.OutOfMemory, "canceled": e.Canceled, "host": e.HostFailures,
	} {
		f.counter("snaprail_engine_deaths_total", "Guests that died, by cause.", float64(n), "cause", cause)
	}
}

func (f figures) outboxes(stats control.Stats) {
	for tenant, o := range stats.Outbox {
		l := []string{"tenant", tenant}
		f.gauge("snaprail_outbox_bytes", "Size of all segments.", float64(o.Bytes), l...)
		f.gauge("snaprail_outbox_segments", "Segments.", float64(o.Segments), l...)
		f.gauge("snaprail_outbox_queued_bytes", "Bytes that wait to be committed.", float64(o.Queued), l...)
		f.counter("snaprail_outbox_blocks_total", "Blocks committed.", float64(o.Appends), l...)
		f.counter("snaprail_outbox_syncs_total", "Commits; each one is a sync of the disk.", float64(o.Groups), l...)
		f.counter("snaprail_outbox_sync_seconds_total", "Spent in them.", o.SyncSum.Seconds(), l...)
		f.counter("snaprail_outbox_full_total", "Commits refused because the disk is full.", float64(o.Full), l...)
		f.counter("snaprail_outbox_overrun_total", "Segments deleted although somebody still needed them.", float64(o.Overrun), l...)
		f.gauge("snaprail_outbox_failed", "1 when the log takes no more blocks.", oneIf(o.Failed), l...)
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
