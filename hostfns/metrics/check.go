package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// kinds are the names of kinds.
func kinds() [3]string {
	return [...]string{abi.MetricCounter: "counter", abi.MetricGauge: "gauge", abi.MetricHistogram: "histogram"}
}

// check says what is wrong with a change.
func (o *owner) check(q *abi.Metric) error {
	switch {
	case !isName(q.Name):
		return fmt.Errorf("the name %q: want 1 to %d of a-z, A-Z, 0-9 and _, no digit first", fault.Clip(q.Name, maxName), maxName)
	case strings.HasSuffix(q.Name, "_bucket") || strings.HasSuffix(q.Name, "_sum") || strings.HasSuffix(q.Name, "_count"):
		return fmt.Errorf("%s: the end of the name is one of a histogram's own", q.Name)
	case q.Kind > abi.MetricHistogram:
		return fmt.Errorf("%s: a kind that this version does not know", q.Name)
	case math.IsNaN(q.Value) || math.IsInf(q.Value, 0):
		return fmt.Errorf("%s: the value is no number", q.Name)
	case q.Kind == abi.MetricCounter && q.Value < 0:
		return fmt.Errorf("%s: a counter does not go down", q.Name)
	case len(q.Labels) > maxLabels:
		return fmt.Errorf("%s: %d labels: at most %d", q.Name, len(q.Labels), maxLabels)
	}
	slices.SortFunc(q.Labels, func(a, b abi.Header) int { return cmp.Compare(a.Name, b.Name) })
	for i, l := range q.Labels {
		switch {
		case !isName(l.Name) || strings.HasPrefix(l.Name, "__") || l.Name == "tenant" || l.Name == "connector" || l.Name == "le":
			return fmt.Errorf("%s: the label %q cannot be", q.Name, fault.Clip(l.Name, maxName))
		case i > 0 && l.Name == q.Labels[i-1].Name:
			return fmt.Errorf("%s: the label %s twice", q.Name, l.Name)
		case len(l.Value) > maxValue:
			return fmt.Errorf("%s: the value of %s has more than %d bytes", q.Name, l.Name, maxValue)
		}
	}
	if err := checkBuckets(q); err != nil {
		return err
	}
	return o.fits(q)
}

// fits holds a change to what the metric was before.
func (o *owner) fits(q *abi.Metric) error {
	m := o.metrics[q.Name]
	switch {
	case m == nil:
		return nil
	case m.kind != q.Kind:
		return fmt.Errorf("%s is a %s, and not a %s", q.Name, kinds()[m.kind], kinds()[q.Kind])
	case !slices.EqualFunc(m.labels, q.Labels, func(name string, l abi.Header) bool { return name == l.Name }):
		return fmt.Errorf("%s has the labels %q", q.Name, m.labels)
	}
	return nil
}

func checkBuckets(q *abi.Metric) error {
	if q.Kind != abi.MetricHistogram || q.BucketCount == 0 {
		return nil
	}
	last := q.BucketStart * math.Pow(q.BucketFactor, float64(q.BucketCount))
	if q.BucketCount > maxBuckets || !(q.BucketStart > 0) || !(q.BucketFactor > 1) || math.IsInf(last, 0) || math.IsNaN(last) {
		return errors.New(q.Name + ": buckets begin above 0 and grow, and there are at most 32")
	}
	return nil
}

// boundsOf are the upper bounds of a histogram: those that it asks for, or 1 ms to
// 16 s.
func boundsOf(q *abi.Metric) []float64 {
	start, factor, n := q.BucketStart, q.BucketFactor, int(q.BucketCount)
	if n == 0 {
		start, factor, n = 0.001, 2, 15
	}
	bounds := make([]float64, n)
	for i := range bounds {
		bounds[i] = start
		start *= factor
	}
	return bounds
}

func isName(s string) bool {
	return s != "" && len(s) <= maxName && (s[0] < '0' || s[0] > '9') && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
}

func namesOf(labels []abi.Header) []string {
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = l.Name
	}
	return names
}

func labelsOf(labels []abi.Header) []spec.SeriesLabel {
	out := make([]spec.SeriesLabel, len(labels))
	for i, l := range labels {
		out[i] = spec.SeriesLabel{Name: l.Name, Value: strings.ToValidUTF8(string(l.Value), "\ufffd")}
	}
	return out
}

// keyOf tells series of one metric apart.
func keyOf(labels []abi.Header) string {
	var b strings.Builder
	for _, l := range labels {
		b.Write(l.Value)
		b.WriteByte(0xff) // of no UTF-8
	}
	return b.String()
}
