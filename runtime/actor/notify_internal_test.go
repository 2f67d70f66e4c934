package actor

import (
	"fmt"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// Notifications go with the step; a guest's own state cannot be taken for one.
func TestStagedNotifications(t *testing.T) {
	var s stage
	if err := s.Put(t.Context(), spec.NotificationPrefix+"forged", []byte("{}")); !fault.Is(err, fault.Invalid) {
		t.Errorf("a forged one: %v", err)
	}
	if err := s.Delete(t.Context(), spec.NotificationPrefix+"another"); !fault.Is(err, fault.Invalid) {
		t.Errorf("one taken away: %v", err)
	}
	for i := range maxNotes {
		for range 2 { // the second takes the place of the first
			if err := s.note(outbox.KV{Key: spec.NotificationPrefix + fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.note(outbox.KV{Key: spec.NotificationPrefix + "more"}); !fault.Is(err, fault.Exhausted) {
		t.Errorf("too many: %v", err)
	}
	if n := len(s.take()); n != maxNotes {
		t.Errorf("%d go with the step", n)
	}
	if n := len(s.take()); n != 0 {
		t.Errorf("%d are left for the next one", n)
	}
}
