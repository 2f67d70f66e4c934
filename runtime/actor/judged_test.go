package actor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// judged is a source that notes how its events ended.
type judged struct {
	*source

	heard []string
}

func (j *judged) Settled(i int, rejected string) {
	j.heard = append(j.heard, fmt.Sprintf("%d:%s", j.events[i].Time, rejected))
}

var _ capability.Judged = (*judged)(nil)

// A source that wants to know how its events ended learns it of each once, also
// of those behind one that is held back, and before they are acknowledged.
func TestASourceLearnsHowItsEventsEnded(t *testing.T) {
	j := &judged{source: &source{t: t}}
	b := new(inbox)
	b.attach(&guest{handles: []*session{{source: j}}})
	for range 4 {
		j.add(1)
	}
	now := time.Unix(1, 0)
	step := func(verdicts ...abi.Verdict) {
		t.Helper()
		batch := b.gather(now, 10)
		if len(batch) != len(verdicts) {
			t.Fatalf("%d events, want %d", len(batch), len(verdicts))
		}
		for i, v := range verdicts {
			b.settle(i, v, now)
		}
		if len(j.heard) > 0 && len(batch) == 4 {
			t.Error("it was told before the step was durable")
		}
		b.acknowledge()
	}
	step(abi.Verdict{}, abi.Verdict{Decision: abi.DecisionRetry}, abi.Verdict{Decision: abi.DecisionReject, Reason: "broken"}, abi.Verdict{Decision: abi.DecisionSkip})
	if got := strings.Join(j.heard, " "); got != "0: 2:broken 3:" || j.acked != 1 {
		t.Errorf("heard %q, %d acknowledged", got, j.acked)
	}
	step(abi.Verdict{Decision: abi.DecisionReject})
	if got := strings.Join(j.heard[3:], " "); got != "1:rejected" || j.acked != 4 {
		t.Errorf("then heard %q, %d acknowledged", got, j.acked)
	}
}
