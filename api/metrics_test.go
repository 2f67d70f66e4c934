package api

import (
	"bytes"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// figuresOf are the metrics of the server, as a scraper reads them.
type figuresOf map[string]*dto.MetricFamily

func (r *rig) scrape() figuresOf {
	r.t.Helper()
	p := r.call(http.MethodGet, "/metrics", "", header("Authorization", ""))
	if p.status != http.StatusOK || !strings.HasPrefix(p.header.Get("Content-Type"), "text/plain; version=0.0.4") {
		r.t.Fatalf("%d %v", p.status, p.header)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(p.body))
	r.must(err)
	return families
}

// labels are a metric's, as k=v,k=v in the order of their names.
func labels(m *dto.Metric) string {
	var all []string
	for _, l := range m.GetLabel() {
		all = append(all, l.GetName()+"="+l.GetValue())
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

// value is one figure; -1 if it is not there.
func (f figuresOf) value(name, with string) float64 {
	for _, m := range f[name].GetMetric() {
		if labels(m) == with {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() // one of them
		}
	}
	return -1
}

// forms lists our figures: name, type and the names of their labels.
func (f figuresOf) forms() (all []string) {
	for name, family := range f {
		if !strings.HasPrefix(name, "snaprail_") {
			continue
		}
		seen := map[string]bool{}
		for _, m := range family.GetMetric() {
			var names []string
			for _, l := range m.GetLabel() {
				names = append(names, l.GetName())
			}
			slices.Sort(names)
			seen[strings.TrimSpace(strings.ToLower(family.GetType().String())+" "+strings.Join(names, ","))] = true
		}
		for form := range maps.Keys(seen) {
			all = append(all, name+" "+form)
		}
	}
	slices.Sort(all)
	return all
}

// What dashboards and alarms are built on: a name that changes breaks them.
const metricForms = `
snaprail_authn_failures_total counter code
snaprail_blocks_total counter connector,tenant
snaprail_build_info gauge go,version
snaprail_connector_state gauge connector,state,tenant
snaprail_converter_recycled_total counter tenant
snaprail_converter_replaced_total counter tenant
snaprail_denied_total counter connector,tenant
snaprail_engine_calls_total counter
snaprail_engine_deaths_total counter cause
snaprail_engine_denied_total counter
snaprail_engine_host_calls_total counter
snaprail_engine_info gauge kind
snaprail_engine_instances gauge state
snaprail_engine_memory_bytes gauge
snaprail_engine_modules gauge
snaprail_events_total counter connector,tenant
snaprail_gaps_total counter connector,tenant
snaprail_guest_cpu_seconds_total counter connector,tenant
snaprail_guest_fuel_units_total counter connector,tenant
snaprail_guest_memory_bytes gauge connector,tenant
snaprail_guest_throttled_seconds_total counter connector,tenant
snaprail_last_record_age_seconds gauge connector,tenant
snaprail_limit_hits_total counter connector,limit,tenant
snaprail_log_dropped_total counter connector,tenant
snaprail_log_lines_total counter connector,tenant
snaprail_outbox_blocks_total counter tenant
snaprail_outbox_bytes gauge tenant
snaprail_outbox_failed gauge tenant
snaprail_outbox_full_total counter tenant
snaprail_outbox_overrun_total counter tenant
snaprail_outbox_queued_bytes gauge tenant
snaprail_outbox_segments gauge tenant
snaprail_outbox_sync_seconds_total counter tenant
snaprail_outbox_syncs_total counter tenant
snaprail_quarantined_total counter connector,tenant
snaprail_records_total counter connector,tenant
snaprail_repeated_total counter connector,tenant
snaprail_restarts_total counter connector,tenant
snaprail_retried_total counter connector,tenant
snaprail_session_dropped_total counter connector,group,tenant
snaprail_skipped_total counter connector,tenant
snaprail_sse_clients gauge
snaprail_sse_stalled_total counter
snaprail_swaps_total counter connector,tenant
snaprail_tenant_converters gauge tenant
snaprail_tenant_cpu_seconds_total counter tenant
snaprail_tenant_instances gauge tenant
snaprail_tenant_memory_reserved_bytes gauge tenant
snaprail_tenant_throttled_seconds_total counter tenant
snaprail_traps_total counter connector,tenant
snaprail_twin_behind_blocks gauge tenant
snaprail_twin_bytes gauge tenant
snaprail_twin_devices gauge tenant
snaprail_twin_history_bytes gauge tenant
snaprail_twin_missing_blocks_total counter tenant
snaprail_uptime_seconds gauge
`

func TestMetrics(t *testing.T) {
	r := newRig(t)
	const lines = 7
	c := r.activated("meter", lines)
	of := "connector=" + c.ID + ",tenant=plant"
	r.until("the records", func() bool { return r.scrape().value("snaprail_records_total", of) == lines })
	f := r.scrape()
	if got := strings.Join(f.forms(), "\n"); got != strings.TrimSpace(metricForms) {
		t.Errorf("the figures are\n%s\nwant%s", got, metricForms)
	}
	for name, want := range map[string]float64{
		"snaprail_records_total": lines, "snaprail_quarantined_total": 0, "snaprail_skipped_total": 0,
		"snaprail_retried_total": 0, "snaprail_traps_total": 0, "snaprail_denied_total": 0, "snaprail_gaps_total": 0,
		"snaprail_restarts_total": 0, "snaprail_swaps_total": 0,
	} {
		if got := f.value(name, of); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if len(f["snaprail_connector_state"].GetMetric()) != 1 ||
		f.value("snaprail_connector_state", "connector="+c.ID+",state=running,tenant=plant") != 1 {
		t.Errorf("state %v", f["snaprail_connector_state"])
	}
	for name, with := range map[string]string{
		"snaprail_blocks_total": of, "snaprail_guest_memory_bytes": of,
		"snaprail_guest_cpu_seconds_total": of, "snaprail_guest_fuel_units_total": of,
		"snaprail_tenant_cpu_seconds_total": "tenant=plant", "snaprail_tenant_memory_reserved_bytes": "tenant=plant",
		"snaprail_outbox_blocks_total": "tenant=plant", "snaprail_outbox_syncs_total": "tenant=plant",
		"snaprail_outbox_sync_seconds_total": "tenant=plant", "snaprail_outbox_segments": "tenant=plant",
		"snaprail_engine_calls_total": "", "snaprail_engine_host_calls_total": "", "snaprail_engine_modules": "",
		"snaprail_engine_memory_bytes": "", "snaprail_uptime_seconds": "",
	} {
		if got := f.value(name, with); got <= 0 {
			t.Errorf("%s{%s} is %v", name, with, got)
		}
	}
	if age := f.value("snaprail_last_record_age_seconds", of); age < 0 || age > 60 {
		t.Errorf("the last record is %v seconds old", age)
	}
	if f.value("snaprail_build_info", "go="+runtime.Version()+",version=1.2.3-test") != 1 || f["go_goroutines"] == nil ||
		f.value("snaprail_sse_clients", "") != 0 || f.value("snaprail_authn_failures_total", "code=unauthenticated") != 0 {
		t.Error(f["snaprail_build_info"], f["snaprail_sse_clients"], f["snaprail_authn_failures_total"])
	}
	if f.value("snaprail_outbox_failed", "tenant=plant") != 0 || f.value("snaprail_outbox_full_total", "tenant=plant") != 0 {
		t.Error(f["snaprail_outbox_failed"], f["snaprail_outbox_full_total"])
	}
}

// TestOutboxMetrics: the bytes of the outbox are those of its files.
func TestOutboxMetrics(t *testing.T) {
	r := newRig(t)
	c := r.activated("meter", 200)
	r.until("the records", func() bool {
		return r.scrape().value("snaprail_records_total", "connector="+c.ID+",tenant=plant") == 200
	})
	r.call(http.MethodPost, "/api/connectors/meter/deactivate", "").ok(http.StatusOK, nil)
	var f figuresOf
	r.until("the end of its series", func() bool { // a connector that is stopped has no figures
		f = r.scrape()
		return len(f["snaprail_records_total"].GetMetric()) == 0 && len(f["snaprail_connector_state"].GetMetric()) == 0
	})
	segments, err := filepath.Glob(filepath.Join(r.dir, "outbox", "plant", "*.seg"))
	r.must(err)
	size := int64(0)
	for _, name := range segments {
		info, err := os.Stat(name)
		r.must(err)
		size += info.Size()
	}
	if got := f.value("snaprail_outbox_bytes", "tenant=plant"); size == 0 || got != float64(size) {
		t.Errorf("the outbox has %v bytes, and its files %v have %d", got, segments, size)
	}
	if got := f.value("snaprail_outbox_segments", "tenant=plant"); got != float64(len(segments)) {
		t.Errorf("%v segments, and %d files", got, len(segments))
	}
}

// TestMetricsFollowTheRules of Prometheus for names, units and help.
func TestMetricsFollowTheRules(t *testing.T) {
	r := newRig(t)
	r.activated("meter", 1)
	problems, err := promlint.New(bytes.NewReader(r.call(http.MethodGet, "/metrics", "").body)).Lint()
	r.must(err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestSessionMetrics: what sessions lost is shown for each group, and what their
// groups count by its name.
func TestSessionMetrics(t *testing.T) {
	c := control.ConnectorStats{Tenant: "plant", Connector: "con_1"}
	c.Status.Sessions = []lifecycle.Session{
		{Group: "udp", Dropped: 3, Counts: map[string]uint64{"dropped_rate": 2, "dropped_overflow": 1}},
		{Group: "udp", Dropped: 4, Counts: map[string]uint64{"dropped_rate": 4}},
		{Group: "kv"},
	}
	to := make(chan prometheus.Metric, 10)
	figures{to}.sessions(&c)
	close(to)
	got := map[string]float64{}
	for m := range to {
		var out dto.Metric
		if err := m.Write(&out); err != nil {
			t.Fatal(err)
		}
		got[labels(&out)] = out.GetCounter().GetValue()
	}
	want := map[string]float64{
		"connector=con_1,event=dropped_rate,group=udp,tenant=plant":     6,
		"connector=con_1,event=dropped_overflow,group=udp,tenant=plant": 1,
		"connector=con_1,group=udp,tenant=plant":                        7,
		"connector=con_1,group=kv,tenant=plant":                         0,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
