package actor

import (
	"context"
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// maxOutages bounds the gaps that wait for their record; further ones are
// counted in the last.
const maxOutages = 64

// outage is a time in which data may be missing.
type outage struct {
	feed     int
	from, to time.Time // to: zero while it lasts
	reason   string
}

// outage notes that a source lost its resource.
func (l *lane) outage(feed int, e *capability.Event) {
	for _, o := range l.down {
		if o.feed == feed && o.to.IsZero() {
			return
		}
	}
	reason := "the session lost its resource"
	if e.Err != nil {
		reason = e.Err.Error()
	}
	l.note(outage{feed: feed, from: time.Unix(0, e.Time), reason: reason})
}

// ended notes that a source works again.
func (l *lane) ended(feed int, e *capability.Event) {
	for i := range l.down {
		if o := &l.down[i]; o.feed == feed && o.to.IsZero() {
			o.to = time.Unix(0, e.Time)
		}
	}
}

// dropped notes that a source had to throw data away.
func (l *lane) dropped(e *capability.Event) {
	at := time.Unix(0, e.Time)
	l.note(outage{feed: -1, from: at, to: at, reason: e.Name})
}

func (l *lane) note(o outage) {
	if len(l.down) < maxOutages {
		l.down = append(l.down, o)
	}
}

// recordGaps writes a record for every gap that is over. It runs behind the
// step that saw its end and before the sources are acknowledged.
func (l *lane) recordGaps(ctx context.Context) error {
	kept := l.down[:0]
	for _, o := range l.down {
		if o.to.IsZero() {
			kept = append(kept, o)
			continue
		}
		if err := l.writeGap(ctx, o.from, o.to, o.reason); err != nil {
			return err
		}
	}
	l.down = kept
	return nil
}

// gapSinceLastRun says that data may be missing since a run that did not end
// orderly, unless all sources can be read again.
func (l *lane) gapSinceLastRun(ctx context.Context) error {
	from := l.gap
	l.gap = time.Time{}
	if from.IsZero() || l.inbox.replayable() {
		return nil
	}
	return l.writeGap(ctx, from, time.Now(), "the host did not stop orderly")
}

// writeGap commits a gap record.
func (l *lane) writeGap(ctx context.Context, from, to time.Time, reason string) error {
	payload, err := json.Marshal(struct {
		From   time.Time `json:"from"`
		To     time.Time `json:"to"`
		Reason string    `json:"reason"`
	}{from.UTC(), to.UTC(), reason})
	if err != nil {
		return err
	}
	batch := abi.Batch{Records: []abi.Record{{
		Kind: abi.KindGap, Time: to.UnixNano(), ContentType: "application/json", Payload: payload,
	}}}
	l.count(func(c *lifecycle.Counters) { c.Gaps++ })
	return l.write(ctx, &outbox.Block{Count: 1, Records: batch.Append(nil)})
}
