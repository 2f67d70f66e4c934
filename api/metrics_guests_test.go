package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/runtime/spec"
)

// What guests count is shown with whose it is, and no guest spoils the figures of
// others.
func TestGuestMetrics(t *testing.T) {
	shown := map[string]spec.GuestSeries{}
	r := newRig(t, func(c *Config) {
		c.GuestMetrics = func([]string) map[string]spec.GuestSeries { return shown }
	})
	first, second := r.activated("meter", 1).ID, r.activated("other", 1).ID
	if first > second {
		first, second = second, first
	}
	for _, id := range []string{first, second} {
		shown[id] = spec.GuestSeries{Series: []spec.Series{
			{Name: "frames_total", Help: "Of " + id, Kind: "counter", Value: 3, Labels: []spec.SeriesLabel{{Name: "unit", Value: "a\"\n\\"}}},
			{Name: "seconds", Help: "How long.", Kind: "histogram", Value: 4, Count: 2, Bounds: []float64{1, 2}, Below: []uint64{1, 1}},
		}}
	}
	other := shown[second]
	other.Dropped = 5
	other.Series = append(other.Series, spec.Series{Name: "level", Kind: "gauge", Value: -1, Labels: []spec.SeriesLabel{{Name: "tank", Value: "b"}}})
	shown[second] = other
	mine := shown[first]
	mine.Series = append(mine.Series, spec.Series{Name: "level", Kind: "counter", Value: 1})
	shown[first] = mine

	p := r.call(http.MethodGet, "/metrics", "")
	text := string(p.body)
	for _, want := range []string{
		`snaprail_guest_metric_frames_total{connector="` + first + `",tenant="plant",unit="a\"\n\\"} 3`,
		`snaprail_guest_metric_frames_total{connector="` + second + `",tenant="plant",unit="a\"\n\\"} 3`,
		`snaprail_guest_metric_seconds_bucket{connector="` + first + `",tenant="plant",le="2"} 1`,
		`snaprail_guest_metric_seconds_count{connector="` + first + `",tenant="plant"} 2`,
		`snaprail_records_total`,
	} {
		if p.status != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%d: no %s", p.status, want)
		}
	}
	// Which of the two comes first is nobody's word, but it is one.
	if n := strings.Count(text, "\nsnaprail_guest_metric_level{"); n != 1 {
		t.Errorf("%d series of a name that means two things", n)
	}
	if n := strings.Count(text, "\nsnaprail_guest_metrics_dropped_total{"); n != 2 {
		t.Errorf("%d counts of what was dropped", n)
	}
}
