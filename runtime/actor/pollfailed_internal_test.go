package actor

import (
	"log/slog"
	"testing"

	"github.com/snaprail/snaprail/runtime/fault"
)

// What the state says already is no news for the log: a device that is away would
// fill it, and push out what matters.
func TestPollsThatFailAreNewsOnce(t *testing.T) {
	l := &lane{Actor: &Actor{cfg: Config{Log: slog.New(slog.DiscardHandler)}}}
	said := ""
	for _, text := range []string{"away", "away", "away", "away", "away", "denied", "denied", "away"} {
		if l.pollFailed(fault.New(fault.ResourceUnavailable, "%s", text)) {
			said += text + " "
		} else {
			said += "- "
		}
	}
	if want := "away away away - - denied - away "; said != want {
		t.Errorf("said %q, want %q", said, want)
	}
	if l.failing != "polls fail: away" {
		t.Errorf("the state says %q", l.failing)
	}
}
