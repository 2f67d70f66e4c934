package supervisor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
)

// sink is a connector of the guest carrier, which emits what it delivers.
func (r *rig) sink(name string, feed spec.Feed, config string) control.ConnectorInput {
	return control.ConnectorInput{Name: name, Module: r.module("carrier"), Feed: feed, Config: []byte(config)}
}

// arrivals reads what a sink has delivered.
type arrivals struct {
	*records
	sink string // id
}

func (a arrivals) wants(texts ...string) {
	a.t.Helper()
	for _, want := range texts {
		rec := a.next()
		for rec.Connector != a.sink {
			rec = a.next()
		}
		if got := string(rec.Payload); got != want {
			a.t.Fatalf("%q arrived, want %q", got, want)
		}
	}
}

// frames are the payloads of a source's records with their keys, as a sink has
// them: those of this epoch from a sequence on.
func frames(epoch, first int, texts ...string) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = fmt.Sprintf("src/%d/%d %s\n", epoch, first+i, text)
	}
	return all
}

// source is the connector src, which emits the lines of l.
func (r *rig) source(l *line) control.ConnectorView {
	in := r.echoOn(l, nil)
	in.Name = "src"
	return r.connect(in)
}

// TestSinkGetsEverythingInOrder: what was there, when it asks for that, and what
// comes; with keys, without its own.
func TestSinkGetsEverythingInOrder(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	r.source(l)
	s := r.stream("")
	l.send(t, "a\nb\n")
	s.wants("a\n", "b\n")
	early := r.connect(r.sink("early", spec.Feed{From: []string{"src"}, Start: spec.FeedOldest, MaxRecords: 3}, `{}`))
	late := r.connect(r.sink("late", spec.Feed{From: []string{"src"}}, `{}`))
	foreign := r.connect(r.sink("foreign", spec.Feed{From: []string{"nobody"}, Start: spec.FeedOldest}, `{}`))
	arrivals{r.stream(""), early.ID}.wants(frames(1, 0, "a", "b")...)
	l.send(t, "c\nd\ne\nf\ng\n")
	arrivals{r.stream(""), early.ID}.wants(frames(1, 0, "a", "b", "c", "d", "e", "f", "g")...)
	arrivals{r.stream(""), late.ID}.wants(frames(1, 2, "c", "d", "e", "f", "g")...)
	done := func(s lifecycle.Status) bool { return s.Delivery.Behind == 0 && s.Delivery.Buffered == 0 }
	if st := r.until(early.ID, "done", done); st.Delivery.Delivered != 7 || st.Delivery.Retried != 0 || st.Delivery.Last.IsZero() {
		t.Errorf("early: %+v", st.Delivery)
	}
	if st := r.until(foreign.ID, "done", done); st.Delivery.Delivered != 0 || st.Counters.Records != 0 {
		t.Errorf("foreign: %+v", st)
	}
}

// TestSinkJudgesRecords: each verdict settles its record, and one that has to
// wait holds those behind it.
func TestSinkJudgesRecords(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	v := r.connect(r.sink("out", spec.Feed{}, `{}`))
	r.source(l)
	s := arrivals{r.stream(""), v.ID}
	l.send(t, "1\n2 reject\n3\n4 later\n5 skip\n6 later\n7\n")
	s.wants(frames(1, 0, "1")...)
	s.wants(frames(1, 2, "3", "4 later")...)
	s.wants(frames(1, 5, "6 later", "7")...)
	st := r.until(v.ID, "counted", func(s lifecycle.Status) bool { return s.Delivery.Delivered == 5 })
	if st.Counters.Quarantined != 1 || st.Counters.Skipped != 1 || st.Delivery.Retried < 2 || st.Delivery.Held != "" {
		t.Errorf("status %+v", st)
	}
	r.state(v.ID, lifecycle.Running)
	rejects := r.rejects("plant")
	var in abi.DeliverInput
	if len(rejects) != 1 || rejects[0].Device != "echo" || rejects[0].Reason != "told to reject" || in.Decode(rejects[0].Input) != nil {
		t.Fatalf("rejects %+v", rejects)
	}
	if p := &in.Parts[0]; p.Connector != "src" || !strings.HasSuffix(p.Key(0), "/1/1") || string(p.Batch.Records[0].Payload) != "2 reject\n" {
		t.Errorf("quarantine holds %s %q, want the record with its key", p.Key(0), p.Batch.Records[0].Payload)
	}
}

// TestSinkSurvivesPoison: a record that kills the guest, or that it says to be
// wrong, is sought out and put aside; the others arrive, in order, without a
// restart that somebody would see.
func TestSinkSurvivesPoison(t *testing.T) {
	for _, how := range []string{"poison", "wrong"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t)
			l := newLine(t)
			v := r.connect(r.sink("out", spec.Feed{MaxWaitMS: 50}, `{}`))
			r.source(l)
			s := arrivals{r.stream(""), v.ID}
			l.send(t, "1\n2\n3 "+how+"\n4\n5\n6\n7 "+how+"\n8\n")
			s.wants(frames(1, 0, "1", "2")...)
			s.wants(frames(1, 3, "4", "5", "6")...)
			s.wants(frames(1, 7, "8")...)
			st := r.until(v.ID, "counted", func(s lifecycle.Status) bool { return s.Counters.Quarantined == 2 && s.Delivery.Delivered == 6 })
			if st.State != lifecycle.Running || st.Restarts != 0 {
				t.Errorf("status %+v", st)
			}
			if trapped := st.Counters.Traps > 0; trapped != (how == "poison") {
				t.Errorf("%d traps", st.Counters.Traps)
			}
			for _, reject := range r.rejects("plant") {
				if !strings.Contains(reject.Reason, how) {
					t.Errorf("reason %q does not name %s", reject.Reason, how)
				}
			}
		})
	}
}

// TestSinkThatCannotDeliverHolds: nothing is lost while the other side is away,
// the state says so, and what waits goes out when it is back.
func TestSinkThatCannotDeliverHolds(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.sink("out", spec.Feed{}, `{"closed":"the door is shut"}`)
	v := r.connect(in)
	r.source(l)
	l.send(t, "a\nb\n")
	st := r.until(v.ID, "held", func(s lifecycle.Status) bool { return s.Delivery.Held != "" })
	if st.State != lifecycle.Degraded || !strings.Contains(st.Reason, "the door is shut") || st.Delivery.Delivered != 0 || st.Counters.Quarantined != 0 {
		t.Errorf("status %+v", st)
	}
	r.until(v.ID, "tried again", func(s lifecycle.Status) bool { return s.Delivery.Retried >= st.Delivery.Retried+2 })
	logs, err := r.tenant.Logs(t.Context(), v.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for logs.Pending() {
		line, err := logs.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line.Text, "nothing can be delivered") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("that nothing can be delivered is said %d times", said)
	}
	l.send(t, "c\n")
	in.Config = []byte(`{}`)
	r.update(v.ID, in)
	arrivals{r.stream(""), v.ID}.wants(frames(1, 0, "a", "b", "c")...)
	r.state(v.ID, lifecycle.Running)
}

// TestSinkGoesOnWhereItStood: over a swap and a restart of the server nothing is
// lost and, after an orderly stop, nothing comes twice; and while the sink is
// stopped its records wait for it.
func TestSinkGoesOnWhereItStood(t *testing.T) {
	r := newRig(t)
	l := newLine(t)
	in := r.sink("out", spec.Feed{From: []string{"src"}}, `{}`)
	v := r.connect(in)
	r.source(l)
	l.send(t, "a\n")
	s := arrivals{r.stream(""), v.ID}
	s.wants("src/1/0 a\n")
	in.Config = []byte(`{"mark":"!"}`)
	r.update(v.ID, in)
	l.send(t, "b\n")
	s.wants("src!/1/1 b\n")
	if _, err := r.tenant.Deactivate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	r.state(v.ID, lifecycle.Stopped)
	l.send(t, "c\n")
	r.stream("").wants("a\n", "src/1/0 a\n", "b\n", "src!/1/1 b\n", "c\n")
	r.stop()
	r.start()
	l.send(t, "d\n")
	if _, err := r.tenant.Activate(t.Context(), v.ID); err != nil {
		t.Fatal(err)
	}
	arrivals{r.stream(""), v.ID}.wants("src/1/0 a\n", "src!/1/1 b\n", "src!/1/2 c\n", "src!/2/0 d\n")
}

// TestFeedIsForModulesThatDeliver: a feed that would do nothing is refused, and so
// is one that says what cannot be.
func TestFeedIsForModulesThatDeliver(t *testing.T) {
	r := newRig(t)
	in := r.echoOn(newLine(t), nil)
	in.Feed.From = []string{"src"}
	for pointer, c := range map[string]control.ConnectorInput{
		"/feed":             in,
		"/feed/start":       r.sink("out", spec.Feed{Start: "never"}, `{}`),
		"/feed/max_records": r.sink("out", spec.Feed{MaxRecords: 257}, `{}`),
		"/feed/max_wait_ms": r.sink("out", spec.Feed{MaxWaitMS: -1}, `{}`),
		"/feed/from/0":      r.sink("out", spec.Feed{From: []string{""}}, `{}`),
	} {
		_, err := r.tenant.CreateConnector(t.Context(), c)
		if err == nil || !strings.Contains(fmt.Sprintf("%+v", fault.Of(err).Fields), pointer) {
			t.Errorf("%s: %v", pointer, err)
		}
	}
}
