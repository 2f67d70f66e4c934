package snaprail_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// built is what a host reads of the step that build makes.
func built(t *testing.T, build func(*snaprail.Step)) *abi.Outcome {
	t.Helper()
	h := guesttest.New(t, &full{poll: func(_ []byte, step *snaprail.Step) error {
		build(step)
		return nil
	}})
	return h.MustPoll(nil)
}

func TestStepAsksFor(t *testing.T) {
	out := built(t, func(step *snaprail.Step) {
		step.Skip(1, "a")
		step.Reject(2, "b")
		step.Retry(3, 1500*time.Microsecond, "c")
		step.SetCursor([]byte("here"))
		step.After("once", time.Second)
		step.Every("again", 2*time.Second)
		step.ClearTimer("once")
		step.PutDevice("id", "type", "Name")
		step.RemoveDevice("old")
		step.Reply(abi.Reply{Correlation: "q", Status: abi.ReplyEmpty})
		step.NextPoll(3 * time.Second)
	})
	want := &abi.Outcome{
		Verdicts: []abi.Verdict{
			{Input: 1, Decision: abi.DecisionSkip, Reason: "a"},
			{Input: 2, Decision: abi.DecisionReject, Reason: "b"},
			{Input: 3, Decision: abi.DecisionRetry, Reason: "c", RetryAfterMS: 2},
		},
		Cursor: []byte("here"),
		Timers: []abi.Timer{
			{Name: "once", AfterMS: 1000},
			{Name: "again", AfterMS: 2000, EveryMS: 2000},
			{Name: "once", Clear: true},
		},
		Devices: []abi.DeviceChange{
			{Change: abi.ChangePut, ID: "id", Type: "type", Name: "Name"},
			{Change: abi.ChangeRemove, ID: "old"},
		},
		Replies:    []abi.Reply{{Correlation: "q", Status: abi.ReplyEmpty}},
		NextPollMS: 3000,
	}
	if !reflect.DeepEqual(out, want) {
		t.Errorf("outcome is %+v, want %+v", out, want)
	}
}

// The last word on an input counts: two for one would cost the whole step.
func TestStepJudgesAnInputOnce(t *testing.T) {
	out := built(t, func(step *snaprail.Step) {
		step.Skip(1, "a")
		step.Skip(0, "b")
		step.Reject(1, "c")
		step.Reject(2, "d")
		step.Retry(0, time.Millisecond, "e")
	})
	want := []abi.Verdict{
		{Input: 1, Decision: abi.DecisionReject, Reason: "c"},
		{Input: 0, Decision: abi.DecisionRetry, Reason: "e", RetryAfterMS: 1},
		{Input: 2, Decision: abi.DecisionReject, Reason: "d"},
	}
	if !reflect.DeepEqual(out.Verdicts, want) {
		t.Errorf("verdicts are %+v, want %+v", out.Verdicts, want)
	}
}

func TestStepRecords(t *testing.T) {
	out := built(t, func(step *snaprail.Step) {
		step.Telemetry("a", 1, abi.Point{Name: "x", Value: abi.Int(1)}).Key = []byte("key")
		step.Attributes("b", 2, abi.Point{Name: "y", Value: abi.Int(2)})
		step.Payload("c", 3, "text/plain", []byte("raw"))
		step.Record(abi.KindEvent, "d", 4).SourceKey = "s"
	})
	got := out.Batch.Records
	if len(got) != 4 {
		t.Fatalf("%d records, want 4", len(got))
	}
	a, b, c, d := got[0], got[1], got[2], got[3]
	if a.Kind != abi.KindTelemetry || a.Device != "a" || a.Time != 1 || string(a.Key) != "key" || a.Points[0].Value.Int() != 1 {
		t.Errorf("telemetry is %+v", a)
	}
	if b.Kind != abi.KindAttributes || b.Device != "b" || b.Time != 2 || b.Points[0].Name != "y" {
		t.Errorf("attributes are %+v", b)
	}
	if c.Device != "c" || c.Time != 3 || c.ContentType != "text/plain" || string(c.Payload) != "raw" {
		t.Errorf("payload is %+v", c)
	}
	if d.Kind != abi.KindEvent || d.Device != "d" || d.SourceKey != "s" || len(d.Points) != 0 {
		t.Errorf("event is %+v", d)
	}
}

// TestStepStartsEmpty asks for everything in one call and nothing in the next:
// the memory is the same, the content must not be.
func TestStepStartsEmpty(t *testing.T) {
	calls := 0
	h := guesttest.New(t, &full{poll: func(_ []byte, step *snaprail.Step) error {
		calls++
		if calls == 2 {
			return nil
		}
		r := step.Telemetry("a", 1, abi.Point{Name: "x"})
		if calls == 3 && (len(r.Points) != 1 || len(r.Headers) != 0 || r.Payload != nil || r.SourceKey != "") {
			t.Errorf("a reused record starts with %+v", r)
		}
		r.Payload, r.SourceKey = []byte("p"), "s"
		r.Headers = append(r.Headers, abi.Header{Name: "h"})
		step.Skip(0, "why")
		step.SetCursor([]byte("c"))
		step.After("t", time.Second)
		step.PutDevice("d", "", "")
		step.Reply(abi.Reply{})
		step.NextPoll(time.Second)
		return nil
	}})
	h.MustPoll(nil)
	if out := h.MustPoll(nil); !reflect.DeepEqual(out, &abi.Outcome{
		Verdicts: out.Verdicts[:0], Timers: out.Timers[:0], Devices: out.Devices[:0], Replies: out.Replies[:0],
	}) {
		t.Errorf("an empty step gave %+v", out)
	}
	h.MustPoll(nil)
}

func TestEmptyCursorIsNotUnchanged(t *testing.T) {
	out := built(t, func(step *snaprail.Step) { step.SetCursor(nil) })
	if out.Cursor == nil || len(out.Cursor) != 0 {
		t.Errorf("cursor is %#v, want an empty one", out.Cursor)
	}
	if out := built(t, func(*snaprail.Step) {}); out.Cursor != nil {
		t.Errorf("cursor is %#v, want none", out.Cursor)
	}
}

func TestCursorIsCopied(t *testing.T) {
	out := built(t, func(step *snaprail.Step) {
		cursor := []byte("here")
		step.SetCursor(cursor)
		copy(cursor, "gone")
	})
	if string(out.Cursor) != "here" {
		t.Errorf("cursor is %q", out.Cursor)
	}
}
