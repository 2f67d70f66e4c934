package actor

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// TestWhatIsToldOfRejectsIsBounded: names are a guest's to choose, and neither the
// log nor the status holds them whole.
func TestWhatIsToldOfRejectsIsBounded(t *testing.T) {
	long := strings.Repeat("n", 300<<10)
	batch := abi.Batch{Records: []abi.Record{{Device: long, Points: []abi.Point{{Name: long, Value: abi.Int(1)}}}}}
	var lines []string
	l := lane{Actor: &Actor{env: &surroundings{line: func(_ abi.LogLevel, _, _, text string) { lines = append(lines, text) }}}}
	l.sequence = 7
	l.tellRejects([]outbox.Reject{{Device: long, Reason: "no", Of: outbox.RejectRecord, Input: batch.Append(nil)}})
	if len(lines) != 1 || len(lines[0]) > outbox.SummaryBound(shownReject)+8 {
		t.Errorf("%d lines, of %d bytes", len(lines), len(lines[0]))
	}
	if r := l.status.LastRefused; r == nil || len(r.Device) != maxReason || r.Position != "7.0" {
		t.Error("the status names the device whole, or not where it is")
	}
}
