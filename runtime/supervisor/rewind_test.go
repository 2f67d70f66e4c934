package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestRewind: a connector that delivers begins again where it is told to, while it
// runs and when it starts; one that does not is refused.
func TestRewind(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.sink("out", spec.Feed{}, `{}`))
	src := r.source(l)
	s := arrivals{r.stream(""), v.ID}
	l.send(t, "a\nb\n")
	s.wants(frames(1, 0, "a", "b")...)
	r.until(v.ID, "done", func(s lifecycle.Status) bool { return s.Delivery.Waiting == 0 && s.Delivery.Delivered == 2 })
	between := time.Now()
	l.send(t, "c\n")
	s.wants(frames(1, 2, "c")...)
	rewind := func(to string, revision uint64) control.Rewound {
		t.Helper()
		got, err := r.tenant.Rewind(t.Context(), "out", to, revision)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := rewind("oldest", v.Revision); got.Block != 1 || got.Note != "" || got.At.IsZero() || got.Blocks != got.Newest {
		t.Errorf("%+v", got)
	}
	s.wants(frames(1, 0, "a", "b", "c")...)
	rewind(between.Format(time.RFC3339Nano), 0)
	s.wants(frames(1, 2, "c")...)
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
	rewind("1.0", 0)
	if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	s.wants(frames(1, 0, "a", "b", "c")...)
	r.until(v.ID, "done", func(s lifecycle.Status) bool { return s.Delivery.Waiting == 0 })
	rewind("now", 0)
	l.send(t, "d\n")
	s.wants(frames(1, 3, "d")...)

	for to, kind := range map[string]fault.Kind{
		"": fault.Invalid, "soon": fault.Invalid, "0": fault.Invalid, "99999": fault.Invalid, "2999-01-01T00:00:00Z": fault.Invalid,
	} {
		if _, err := r.tenant.Rewind(t.Context(), v.ID, to, 0); !fault.Is(err, kind) {
			t.Errorf("to %q: %v", to, err)
		}
	}
	if _, err := r.tenant.Rewind(t.Context(), v.ID, "oldest", 4711); !fault.Is(err, fault.StaleRevision) {
		t.Errorf("another revision: %v", err)
	}
	if _, err := r.tenant.Rewind(t.Context(), src.ID, "oldest", 0); !fault.Is(err, fault.Unsupported) {
		t.Errorf("of a source: %v", err)
	}
}

// TestFeedThatGrowsBeginsNow, and says so.
func TestFeedThatGrowsBeginsNow(t *testing.T) {
	r := newRig(t)
	v := r.connect(r.sink("out", spec.Feed{From: []string{"src"}}, `{}`))
	r.source(newLine(t))
	for _, c := range []struct {
		from []string
		says bool
	}{{[]string{"src", "other"}, true}, {[]string{"src"}, false}, {nil, true}, {[]string{"src"}, false}} {
		got, err := r.tenant.UpdateConnector(t.Context(), v.ID, r.sink("out", spec.Feed{From: c.from}, `{}`), 0)
		if err != nil {
			t.Fatal(err)
		}
		if says := strings.Contains(strings.Join(got.Warnings, "\n"), "connectors rewind"); says != c.says {
			t.Errorf("from %v: %v", c.from, got.Warnings)
		}
	}
}

// TestQuarantineIsHandedInAgain: what a sink refused is seen whole, delivered when
// the sink takes it, and then in quarantine no more.
func TestQuarantineIsHandedInAgain(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.sink("out", spec.Feed{}, `{}`)
	v := r.connect(in)
	r.source(l)
	s := arrivals{r.stream(""), v.ID}
	l.send(t, "1 reject\n2\n3 reject\n")
	s.wants(frames(1, 1, "2")...)
	list := func(want int) []control.Quarantined {
		t.Helper()
		all, next, more, err := r.tenant.Quarantine(t.Context(), "out", control.Page{})
		if err != nil || len(all) != want || next != "" || more != 0 {
			t.Fatalf("%+v %q %d %v, want %d", all, next, more, err, want)
		}
		return all
	}
	st := r.until(v.ID, "refused", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 2 })
	if st.LastRefused == nil || st.LastRefused.Reason != "told to reject" || st.LastRefused.Device != "echo" || st.LastRefused.At.IsZero() {
		t.Errorf("the status says %+v", st.LastRefused)
	}
	all := list(2)
	newest, oldest := all[0], all[1]
	last := func() *lifecycle.Refused {
		t.Helper()
		v, err := r.tenant.Connector(t.Context(), "out")
		list, _, errList := r.tenant.Connectors(t.Context(), control.ConnectorFilter{}, control.Page{})
		if err != nil || errList != nil {
			t.Fatal(err, errList)
		}
		for _, other := range list {
			if other.ID == v.ID && (other.Runtime.LastRefused == nil) != (v.Runtime.LastRefused == nil) {
				t.Error("the list says another thing of what was refused last")
			}
		}
		return v.Runtime.LastRefused
	}
	if got := last(); got == nil || got.Position != newest.Position {
		t.Errorf("the last refused is %+v, want that at %s", got, newest.Position)
	}
	if newest.Reason != "told to reject" || newest.Device != "echo" || !newest.Retryable || newest.Of != "delivery" ||
		!strings.Contains(newest.Summary, "/1/2 of src") || !strings.Contains(newest.Summary, "3 reject") {
		t.Errorf("%+v", newest)
	}
	one, next, _, err := r.tenant.Quarantine(t.Context(), "out", control.Page{Limit: 1})
	if err != nil || len(one) != 1 || next != newest.Position {
		t.Errorf("a page: %+v %q %v", one, next, err)
	}
	if rest, _, _, _ := r.tenant.Quarantine(t.Context(), "out", control.Page{After: next}); len(rest) != 1 || rest[0].Position != oldest.Position {
		t.Errorf("the next page: %+v", rest)
	}
	whole, err := r.tenant.QuarantinedRecord(t.Context(), "out", oldest.Position)
	if err != nil || whole.Record == nil || string(whole.Record.Payload) != "1 reject\n" || len(whole.Input) == 0 {
		t.Errorf("%+v, %v", whole, err)
	}
	retry := func(at string) control.Retried {
		t.Helper()
		got, err := r.tenant.RetryQuarantined(t.Context(), "out", at)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	again := retry(oldest.Position) // it is as wrong as before, and the newest then
	if again.State != control.RetryRefused || again.Reason != "told to reject" {
		t.Errorf("%+v", again)
	}
	if all := list(2); all[0].Position != again.Position || all[1].Position != newest.Position {
		t.Errorf("%+v, want %s first", all, again.Position)
	}
	in.Config = []byte(`{"lenient":true}`)
	r.update(v.ID, in)
	several := []string{oldest.Position, "x", again.Position}
	got, err := r.tenant.RetryQuarantine(t.Context(), "out", several)
	if err != nil || len(got) != len(several) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []struct {
		state string
		kind  fault.Kind
	}{{control.RetryFailed, fault.NotFound}, {control.RetryFailed, fault.Invalid}, {control.RetryDelivered, 0}} {
		if g := got[i]; g.From != several[i] || g.State != want.state || g.Fault != nil && g.Fault.Kind != want.kind {
			t.Errorf("%d: %+v, want %+v", i, g, want)
		}
	}
	s.wants(frames(1, 0, "1 reject")...)
	list(1)
	if got := last(); got != nil { // that of the second attempt, which was delivered
		t.Errorf("the status complains of what was delivered: %+v", got)
	}
	if err := r.tenant.DropQuarantined(t.Context(), "out", newest.Position); err != nil {
		t.Error(err)
	}
	list(0)
	for at, kind := range map[string]fault.Kind{
		newest.Position: fault.NotFound, oldest.Position: fault.NotFound, "1.0": fault.NotFound, "999.0": fault.NotFound, "x": fault.Invalid, "01.0": fault.Invalid,
	} {
		if _, err := r.tenant.RetryQuarantined(t.Context(), "out", at); !fault.Is(err, kind) {
			t.Errorf("at %s: %v", at, err)
		}
	}
	if _, err := r.tenant.RetryQuarantine(t.Context(), "out", nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("none: %v", err)
	}
	r.stop()
	r.start()
	list(0) // what is done with stays so
}

// TestQuarantineOfASinkThatStands: nothing is handed in while nobody takes it, and
// it is not forgotten either; all of it can be dropped at once.
func TestQuarantineOfASinkThatStands(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.sink("out", spec.Feed{}, `{}`)
	v := r.connect(in)
	src := r.source(l)
	l.send(t, "1 reject\n2 reject\n")
	r.until(v.ID, "refused", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 2 })
	all, _, _, err := r.tenant.Quarantine(t.Context(), "out", control.Page{})
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, err := r.tenant.QuarantinedRecord(t.Context(), src.ID, all[0].Position); !fault.Is(err, fault.NotFound) {
		t.Errorf("of another connector: %v", err)
	}
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
	if _, err := r.tenant.RetryQuarantined(t.Context(), "out", all[0].Position); !fault.Is(err, fault.WrongState) {
		t.Errorf("of one that stands: %v", err)
	}
	if n, err := r.tenant.DropQuarantine(t.Context(), "out", all[0].Position); n != 2 || err != nil {
		t.Errorf("%d dropped, %v", n, err)
	}
	if all, _, _, err := r.tenant.Quarantine(t.Context(), "out", control.Page{}); len(all) != 0 || err != nil {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := r.tenant.DropQuarantine(t.Context(), "out", "9999.0"); !fault.Is(err, fault.Invalid) {
		t.Errorf("what is yet to come: %v", err)
	}
}
