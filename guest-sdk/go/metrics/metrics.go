// Package metrics counts for whoever watches the server (group metrics). A metric
// named frames_total is shown as snaprail_guest_metric_frames_total, with the
// tenant, the connector and the labels given here.
//
//	metrics.Add("frames_total", 1, "Frames that were read.", metrics.Label("unit", "31"))
//
// Metrics live in the host's memory: they begin anew when it does, and are not
// taken back with a step that fails. A connector has a bounded number of series;
// what is beyond it is dropped, and the host counts that.
package metrics

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/hostcall"
)

// Label is a label of a series.
func Label(name, value string) abi.Header { return abi.Header{Name: name, Value: []byte(value)} }

// Add adds to a counter. n is not negative. By custom its name ends in _total.
func Add(name string, n float64, help string, labels ...abi.Header) error {
	return Record(abi.Metric{Name: name, Kind: abi.MetricCounter, Value: n, Help: help, Labels: labels})
}

// Set sets a gauge.
func Set(name string, value float64, help string, labels ...abi.Header) error {
	return Record(abi.Metric{Name: name, Kind: abi.MetricGauge, Value: value, Help: help, Labels: labels})
}

// Observe adds a value to a histogram with the host's buckets, which are good for
// seconds: 1 ms to 16 s, each twice the one before.
func Observe(name string, value float64, help string, labels ...abi.Header) error {
	return Record(abi.Metric{Name: name, Kind: abi.MetricHistogram, Value: value, Help: help, Labels: labels})
}

// Record makes many changes with one call. The error is an *abi.Error: invalid for
// a name or label that cannot be, or a metric of another kind before; then none of
// them was made.
func Record(metrics ...abi.Metric) error {
	request := abi.MetricsRecord{Metrics: metrics}
	_, err := hostRecord(request.Append(hostcall.Request()))
	return err
}
