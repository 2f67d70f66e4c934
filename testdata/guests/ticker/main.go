// Command ticker is a connector for the host's tests, in run mode: it emits a
// count at an interval, with the count as cursor, and answers messages with
// their own body.
package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

var _ = snaprail.Register(&ticker{})

func main() {}

type ticker struct {
	Device     string `json:"device"`
	IntervalMS int64  `json:"interval_ms"`
	StopAfter  int64  `json:"stop_after"`
	IgnoreStop bool   `json:"ignore_stop"`

	count int64
}

func (t *ticker) Open(in *abi.OpenInput, step *snaprail.Step) error {
	t.Device, t.IntervalMS = "ticker", 1000
	if err := snaprail.Config(in, t); err != nil {
		return err
	}
	count, err := strconv.ParseInt("0"+string(in.Cursor), 10, 64)
	if err != nil {
		return fmt.Errorf("the cursor %q is no count: %w", in.Cursor, err)
	}
	t.count = count
	step.PutDevice(t.Device, "ticker", t.Device)
	return nil
}

func (t *ticker) Run(loop *snaprail.Loop) error {
	ticks := int64(0)
	for loop.Receive(time.Duration(t.IntervalMS) * time.Millisecond) {
		for i := range loop.Events() {
			answer(&loop.Events()[i], loop.Step())
		}
		if len(loop.Events()) == 0 {
			t.tick(loop.Step())
			ticks++
		}
		if _, err := loop.Emit(); err != nil {
			return err
		}
		if ticks == t.StopAfter && ticks > 0 {
			return nil
		}
	}
	for t.IgnoreStop && loop.Err() == nil {
		t.count++
	}
	return loop.Err()
}

func (t *ticker) tick(step *snaprail.Step) {
	t.count++
	step.Telemetry(t.Device, time.Now().UnixNano(), abi.Point{Name: "count", Value: abi.Int(t.count)})
	step.SetCursor(strconv.AppendInt(nil, t.count, 10))
}

func answer(event *abi.Event, step *snaprail.Step) {
	if event.Type != abi.EventMessage || event.Message == nil || event.Message.Correlation == "" {
		return
	}
	step.Reply(abi.Reply{
		Correlation: event.Message.Correlation,
		Status:      abi.ReplyComplete,
		ContentType: event.Message.ContentType,
		Body:        event.Message.Body,
	})
}
