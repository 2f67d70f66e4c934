package metrics

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestContract(t *testing.T) {
	hostfnstest.Run(t, hostfnstest.Case{
		Group: New(),
		Calls: []hostfnstest.Call{
			{Function: "record", Request: &abi.MetricsRecord{}},
			{Function: "record", Request: &abi.MetricsRecord{Metrics: []abi.Metric{{Name: "frames_total", Value: 1}}}},
			{Function: "record", Request: &abi.MetricsRecord{Metrics: []abi.Metric{{Name: "frames_total", Kind: abi.MetricGauge}}}},
			{Function: "record", Request: &abi.MetricsRecord{Metrics: []abi.Metric{{Name: "a b"}}}},
		},
		Log: `
==> metrics.record()
<== ok
==> metrics.record(metrics=[{frames_total 0  [] 1 0 0 0}])
<== ok
==> metrics.record(metrics=[{frames_total 1  [] 0 0 0 0}])
<== error=invalid
==> metrics.record(metrics=[{a b 0  [] 0 0 0 0}])
<== error=invalid
`,
	})
}

func opened(t *testing.T, g *Group, owner string) capability.Session {
	t.Helper()
	s, err := g.Open(t.Context(), capability.Scope{Owner: owner}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func record(t *testing.T, s capability.Session, metrics ...abi.Metric) error {
	t.Helper()
	_, err := s.Call(t.Context(), "record", (&abi.MetricsRecord{Metrics: metrics}).Append(nil), nil)
	return err
}

func label(name, value string) abi.Header { return abi.Header{Name: name, Value: []byte(value)} }

// shown writes the series of a connector, a line each.
func shown(g *Group, owner string) string {
	var b strings.Builder
	all := g.Series([]string{owner})[owner]
	for _, s := range all.Series {
		fmt.Fprintf(&b, "%s %s %v = %v", s.Kind, s.Name, s.Labels, s.Value)
		if s.Kind == "histogram" {
			fmt.Fprintf(&b, " of %d, %v %v", s.Count, s.Bounds, s.Below)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "dropped %d", all.Dropped)
	return b.String()
}

func TestSeries(t *testing.T) {
	g := New()
	s, other := opened(t, g, "con_1"), opened(t, g, "con_2")
	seconds := abi.Metric{Name: "seconds", Kind: abi.MetricHistogram, BucketStart: 1, BucketFactor: 2, BucketCount: 3}
	slow, fast := seconds, seconds
	slow.Value, fast.Value = 3, 1
	if err := record(t, s,
		abi.Metric{Name: "frames_total", Value: 1, Help: "Frames.", Labels: []abi.Header{label("unit", "2"), label("port", "a")}},
		abi.Metric{Name: "frames_total", Value: 2, Labels: []abi.Header{label("port", "a"), label("unit", "2")}},
		abi.Metric{Name: "frames_total", Value: 5, Labels: []abi.Header{label("port", "\xff\""), label("unit", "1")}},
		abi.Metric{Name: "level", Kind: abi.MetricGauge, Value: 9}, abi.Metric{Name: "level", Kind: abi.MetricGauge, Value: -1}, slow, fast); err != nil {
		t.Fatal(err)
	}
	if err := record(t, other, abi.Metric{Name: "frames_total", Kind: abi.MetricGauge, Value: 7}); err != nil {
		t.Error("another connector's metric of the same name:", err)
	}
	want := "counter frames_total [{port a} {unit 2}] = 3\ncounter frames_total [{port \ufffd\"} {unit 1}] = 5\ngauge level [] = -1\nhistogram seconds [] = 4 of 2, [1 2 4] [1 1 2]\ndropped 0"
	if got := shown(g, "con_1"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// The next guest goes on; what nobody asks for any more goes with its guests.
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := shown(g, "con_1"); got != want {
		t.Errorf("without a guest: %s", got)
	}
	_ = g.Series(nil)
	if got := shown(g, "con_1"); got != "dropped 0" {
		t.Errorf("of a connector that is gone: %s", got)
	}
	if got := shown(g, "con_2"); !strings.Contains(got, "= 7") {
		t.Errorf("of one that was not asked for: %s", got)
	}
}

func TestBounds(t *testing.T) {
	g := New()
	s := opened(t, g, "con_1")
	for i := range maxSeries + 5 {
		if err := record(t, s, abi.Metric{Name: "a", Value: 1, Labels: []abi.Header{label("i", fmt.Sprint(i))}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxMetrics + 5 {
		if err := record(t, s, abi.Metric{Name: fmt.Sprintf("m%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if all := g.Series([]string{"con_1"})["con_1"]; len(all.Series) != maxSeries || all.Dropped != 5+maxMetrics+5 {
		t.Errorf("%d series, %d dropped", len(all.Series), all.Dropped)
	}
	if err := record(t, s, abi.Metric{Name: "a", Kind: abi.MetricGauge}, abi.Metric{Name: "a", Value: 1}); !fault.Is(err, fault.Invalid) {
		t.Errorf("of another kind: %v", err)
	}
	second := opened(t, g, "con_2")
	if err := record(t, second, abi.Metric{Name: "b", Kind: abi.MetricGauge, Value: 2}, abi.Metric{Name: "b", Value: 1}); err != nil || shown(g, "con_2") != "gauge b [] = 2\ndropped 1" {
		t.Errorf("two kinds at once: %v, %s", err, shown(g, "con_2"))
	}
	many := make([]abi.Header, maxLabels+1)
	for i := range many {
		many[i] = label(fmt.Sprintf("l%d", i), "")
	}
	for _, bad := range []abi.Metric{
		{},
		{Name: "1a"},
		{Name: "h_count"},
		{Name: "h_sum"},
		{Name: "h_bucket"},
		{Name: strings.Repeat("a", maxName+1)},
		{Name: "b", Kind: 3},
		{Name: "b", Value: -1},
		{Name: "b", Value: math.NaN()},
		{Name: "b", Kind: 1, Value: math.Inf(1)},
		{Name: "b", Labels: many},
		{Name: "b", Labels: []abi.Header{label("tenant", "x")}},
		{Name: "b", Labels: []abi.Header{label("le", "x")}},
		{Name: "b", Labels: []abi.Header{label("__x", "")}},
		{Name: "b", Labels: []abi.Header{label("x", ""), label("x", "")}},
		{Name: "b", Labels: []abi.Header{label("x", strings.Repeat("x", maxValue+1))}},
		{Name: "a", Labels: []abi.Header{label("j", "1")}},
		{Name: "a"},
		{Name: "h", Kind: 2, BucketCount: 1},
		{Name: "h", Kind: 2, BucketCount: 33, BucketStart: 1, BucketFactor: 2},
		{Name: "h", Kind: 2, BucketCount: 9, BucketStart: 1, BucketFactor: 1},
		{Name: "h", Kind: 2, BucketCount: 9, BucketStart: math.NaN(), BucketFactor: 2},
	} {
		if err := record(t, s, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestHammerSeries(t *testing.T) {
	g := New()
	var running sync.WaitGroup
	for i := range 4 {
		s := opened(t, g, "con_1")
		running.Go(func() {
			for range 200 {
				if err := record(t, s, abi.Metric{Name: "a", Value: 1, Labels: []abi.Header{label("i", fmt.Sprint(i%2))}}); err != nil {
					t.Error(err)
				}
				_ = g.Series([]string{"con_1"})
			}
		})
	}
	running.Wait()
	if got := shown(g, "con_1"); got != "counter a [{i 0}] = 400\ncounter a [{i 1}] = 400\ndropped 0" {
		t.Errorf("got %s", got)
	}
}

// What a candidate counts counts when it works, and not before; that of one that never
// does is gone with it.
func TestCandidatesCountWhenTheyWork(t *testing.T) {
	g := New()
	tried := true
	guest := func() capability.Session {
		s, err := g.Open(t.Context(), capability.Scope{Owner: "con_1", Tried: func() bool { return tried }}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	refused, taken := guest(), guest()
	for range 2 * maxStaged {
		if err := record(t, refused, abi.Metric{Name: "frames_total", Kind: abi.MetricGauge, Value: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if err := record(t, taken, abi.Metric{Name: "opened_total", Value: 1, Labels: []abi.Header{label("port", "a")}}); err != nil {
		t.Fatal(err)
	}
	if err := refused.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := shown(g, "con_1"); got != "dropped 0" {
		t.Errorf("what is tried counts: %s", got)
	}
	if err := record(t, taken, abi.Metric{Name: "a b"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a test learns nothing: %v", err)
	}
	tried = false
	if err := record(t, taken, abi.Metric{Name: "frames_total", Value: 2}); err != nil {
		t.Fatal(err)
	}
	if got, want := shown(g, "con_1"), "counter frames_total [] = 2\ncounter opened_total [{port a}] = 1\ndropped 0"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
