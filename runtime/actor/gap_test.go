package actor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// event is what a session tells in this second.
func event(second int64, text string) *capability.Event {
	return &capability.Event{Time: time.Unix(second, 0).UnixNano(), Name: text, Err: fault.New(fault.ResourceUnavailable, "%s", text)}
}

// wantOutages compares what waits for its record: "from-to reason" in seconds.
func wantOutages(t *testing.T, o *outages, want ...string) {
	t.Helper()
	var got []string
	for _, x := range o.list {
		to := "now"
		if !x.to.IsZero() {
			to = fmt.Sprint(x.to.Unix())
		}
		got = append(got, fmt.Sprintf("%d-%s %s", x.from.Unix(), to, x.reason))
	}
	if !slices.Equal(got, want) {
		t.Errorf("outages %q, want %q", got, want)
	}
}

// An outage is its session's: it begins once, and only its own session ends
// it.
func TestOutagesBelongToTheirSessions(t *testing.T) {
	var o outages
	a, b := &session{}, &session{}
	o.end(a, event(5, "")) // it was never away
	o.begin(a, event(10, "cable"))
	o.begin(b, event(11, "power"))
	o.begin(a, event(12, "again"))
	wantOutages(t, &o, "10-now cable", "11-now power")
	o.end(b, event(20, ""))
	o.end(b, event(21, ""))
	wantOutages(t, &o, "10-now cable", "11-20 power")
	o.begin(b, event(30, "power again"))
	wantOutages(t, &o, "10-now cable", "11-20 power", "30-now power again")
	o.dropped(&session{}, event(35, "lost"))
	o.begin(&session{}, &capability.Event{Time: time.Unix(40, 0).UnixNano()})
	o.leave(time.Unix(50, 0), []*session{b})
	wantOutages(t, &o, "10-50 cable", "11-20 power", "30-now power again", "35-35 lost", "40-50 the session lost its resource")
}

// deaf is a session that only sends, or not.
type deaf struct {
	capability.Source

	only bool
}

func (d deaf) Deaf() bool { return d.only }

// Nothing is missing of a session that only sends.
func TestNoOutageOfWhatOnlySends(t *testing.T) {
	var o outages
	sends, receives := &session{source: deaf{only: true}}, &session{source: deaf{}}
	o.begin(sends, event(1, "cable"))
	o.begin(receives, event(2, "cable"))
	o.end(sends, event(3, ""))
	o.end(receives, event(4, ""))
	wantOutages(t, &o, "2-4 cable")
}

// What is dropped is missing for an instant; what is dropped while its session is away
// is a part of what is missing then, and no gap beside it.
func TestDroppedDataIsAnOutageOfAnInstant(t *testing.T) {
	var o outages
	s, other := &session{}, &session{}
	o.dropped(s, event(3, "frame_too_long"))
	o.begin(s, event(4, "cable"))
	o.dropped(other, event(5, "queue_full"))
	o.dropped(s, event(6, "session_lost"))
	o.dropped(s, event(6, "session_lost"))
	o.end(s, event(7, ""))
	o.dropped(s, event(8, "queue_full"))
	wantOutages(t, &o, "3-3 frame_too_long", "4-7 cable; session_lost", "5-5 queue_full", "8-8 queue_full")
	o.begin(s, event(9, strings.Repeat("x", maxReason)))
	o.dropped(s, event(10, "queue_full"))
	if last := o.list[len(o.list)-1]; len(last.reason) != maxReason {
		t.Errorf("the reason has %d bytes", len(last.reason))
	}
}

// What waits is bounded, and what is over the bound is covered all the same.
func TestOutagesAreBounded(t *testing.T) {
	var o outages
	s, other := &session{}, &session{}
	o.begin(s, event(1, "cable"))
	for i := range int64(abi.MaxItems) {
		o.dropped(other, event(2+i, "lost"))
	}
	if n := len(o.list); n != maxOutages {
		t.Fatalf("%d outages wait, want %d", n, maxOutages)
	}
	if last := o.list[maxOutages-1]; last.from.Unix() != maxOutages || last.to.Unix() != 1+abi.MaxItems {
		t.Errorf("the last outage is from %d to %d", last.from.Unix(), last.to.Unix())
	}
	o.end(s, event(1000, ""))
	if first := o.list[0]; first.to.Unix() != 1000 {
		t.Errorf("the outage ends at %d", first.to.Unix())
	}
}

// The reason in a status is one short line of whole characters.
func TestBrief(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"one line":                "one line",
		"a\n\n  b  \r\n\tc\nd\ne": "a; b; c; d",
		"panic\n\ngoroutine 1 [running]:\nmain.f()\n\t/src/main.go:7 +0x1\nmain.g()\n": "panic; goroutine 1 [running]:; main.f(); /src/main.go:7 +0x1",
		strings.Repeat("ä", 400):       strings.Repeat("ä", 256),
		"x" + strings.Repeat("ä", 400): "x" + strings.Repeat("ä", 255),
	} {
		if got := brief(text); got != want || !utf8.ValidString(got) {
			t.Errorf("brief(%q) is %q, want %q", text, got, want)
		}
	}
}
