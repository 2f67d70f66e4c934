package api

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/spec"
)

// guestPrefix begins the names of what guests count, which so are none of ours.
const guestPrefix = "snaprail_guest_metric_"

// family is what all series of one name have in common, whichever connectors have
// them: one that has not would spoil the figures for all.
type family struct{ kind, help string }

// guests sends what the connectors' guests have counted. Of two that use a name for
// different things, the one that comes first has it, and the other's series are
// counted as dropped.
func (c collector) guests(w figures, stats control.Stats) {
	if c.s.cfg.GuestMetrics == nil {
		return
	}
	ids := make([]string, len(stats.Connectors))
	for i := range stats.Connectors {
		ids[i] = stats.Connectors[i].Connector
	}
	all := c.s.cfg.GuestMetrics(ids)
	families := map[string]family{}
	for i := range stats.Connectors {
		on := &stats.Connectors[i]
		own, ok := all[on.Connector]
		if !ok {
			continue
		}
		for j := range own.Series {
			s := &own.Series[j]
			f, known := families[s.Name]
			if !known {
				f = family{s.Kind, s.Help}
				families[s.Name] = f
			}
			if f.kind != s.Kind {
				own.Dropped++
				continue
			}
			w.guest(on, s, f.help)
		}
		w.counter("snaprail_guest_metrics_dropped_total", "Changes of guests' metrics that found no room for another series, and series under a name that means something else.",
			float64(own.Dropped), "tenant", on.Tenant, "connector", on.Connector)
	}
}

// guest sends one series.
func (f figures) guest(on *control.ConnectorStats, s *spec.Series, help string) {
	names, values := []string{"tenant", "connector"}, []string{on.Tenant, on.Connector}
	for _, l := range s.Labels {
		names, values = append(names, l.Name), append(values, strings.ToValidUTF8(l.Value, "\ufffd"))
	}
	desc := prometheus.NewDesc(guestPrefix+s.Name, help, names, nil)
	var m prometheus.Metric
	var err error
	switch s.Kind {
	case "histogram":
		buckets := make(map[float64]uint64, len(s.Bounds))
		for i, bound := range s.Bounds {
			buckets[bound] = s.Below[i]
		}
		m, err = prometheus.NewConstHistogram(desc, s.Count, s.Value, buckets, values...)
	case "gauge":
		m, err = prometheus.NewConstMetric(desc, prometheus.GaugeValue, s.Value, values...)
	default:
		m, err = prometheus.NewConstMetric(desc, prometheus.CounterValue, s.Value, values...)
	}
	if err == nil { // else it cannot be shown, and must not spoil the others
		f.to <- m
	}
}
