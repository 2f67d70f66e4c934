package actor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// TestRefusalsAreToldAtABoundedRate: a million refusals are a few calls, and
// none is lost from the count.
func TestRefusalsAreToldAtABoundedRate(t *testing.T) {
	var told []Refusal
	r := refusals{tell: func(one Refusal) { told = append(told, one) }}
	now := time.Unix(1_000, 0)
	kind := Refusal{Group: "serial", Function: "open", Resource: "/dev/ttyS1", Code: "denied"}
	r.add(now, kind)
	if len(told) != 1 || told[0].Count != 1 || told[0].Resource != kind.Resource {
		t.Fatalf("the first is told at once: %v", told)
	}
	const more, each = 1_050_000, 10 * time.Microsecond
	for range more {
		now = now.Add(each)
		r.add(now, kind)
	}
	if most := int(more * each / time.Second); len(told) > 1+most {
		t.Errorf("%d calls in %d seconds", len(told), most)
	}
	if next := r.flush(now, false); next.IsZero() || next.Sub(now) > refusalPause {
		t.Errorf("what waits is told at %s, and now is %s", next, now)
	}
	r.flush(now, true)
	var sum uint64
	for _, one := range told {
		sum += one.Count
	}
	if sum != more+1 || r.count() != more+1 {
		t.Errorf("%d were told, %d counted, of %d", sum, r.count(), more+1)
	}
}

// TestRefusalsOfManyKindsAreToldTogether: a guest cannot make kinds without
// end by asking for ever other resources.
func TestRefusalsOfManyKindsAreToldTogether(t *testing.T) {
	var told []Refusal
	r := refusals{tell: func(one Refusal) { told = append(told, one) }}
	now := time.Unix(1_000, 0)
	for i := range 10_000 {
		r.add(now, Refusal{Group: "serial", Function: "open", Resource: fmt.Sprint(i), Code: "denied"})
	}
	if len(told) > refusalKinds+1 || len(r.kinds) > refusalKinds+1 {
		t.Errorf("%d calls and %d kinds", len(told), len(r.kinds))
	}
	r.flush(now.Add(refusalPause), false)
	if last := told[len(told)-1]; last != (Refusal{Resource: "(others)", Code: "denied", Count: 10_000 - refusalKinds - 1}) {
		t.Errorf("the others: %+v", last)
	}
	r.add(now.Add(2*refusalStale), Refusal{Group: "file", Code: "denied"})
	if last := told[len(told)-1]; last.Group != "file" {
		t.Errorf("old kinds make room: %+v", last)
	}
}

// TestWhatARefusedGuestMadeUpIsKeptInPart: a guest may ask for a mebibyte in
// each kind of refusal.
func TestWhatARefusedGuestMadeUpIsKeptInPart(t *testing.T) {
	var told []Refusal
	g := &guest{surroundings: &surroundings{refusals: &refusals{tell: func(one Refusal) { told = append(told, one) }}}}
	denied := fault.New(fault.Denied, "no grant")
	g.refuse("file", "open", "/etc/passwd", denied)
	g.refuse("file", "open", "/"+strings.Repeat("é", 1<<19), denied)
	if len(told) != 2 || told[0].Resource != "/etc/passwd" || told[0].Code != "denied" {
		t.Fatalf("told %+.200v", told)
	}
	if n := len(told[1].Resource); n != maxRefused-1 { // the last é has no room
		t.Errorf("%d bytes are told of what was asked for", n)
	}
	for kind := range g.refusals.kinds {
		if len(kind.Resource) > maxRefused {
			t.Errorf("%d bytes are kept of what was asked for", len(kind.Resource))
		}
	}
}
