// Command census is a connector for the host's tests: it tells for whom it was
// opened and why, whose turn it is when it is polled, and why it closes. With
// a manifest for run mode it loses its connection when it is told to.
package main

import (
	"encoding/json"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

var _ = snaprail.Register(&census{})

func main() {}

type census struct {
	SlowMS int64  `json:"slow_ms"` // how long a poll takes
	NextMS int64  `json:"next_ms"` // when it asks to be polled next
	Refuse string `json:"refuse"`  // the lane that does not open
	LoseMS int64  `json:"lose_ms"` // run mode: after how long the connection is lost; 0: never

	lane  string
	polls int64
}

// opened is what open was handed, as a record tells it.
type opened struct {
	Reason   string   `json:"reason"`
	Lane     string   `json:"lane"`
	Devices  []string `json:"devices"`
	Revision uint64   `json:"revision"`
	Cursor   string   `json:"cursor,omitempty"`
}

func (c *census) Open(in *abi.OpenInput, step *snaprail.Step) error {
	if err := snaprail.Config(in, c); err != nil {
		return err
	}
	c.lane = in.Lane
	if c.Refuse != "" && c.Refuse == in.Lane {
		return snaprail.NewError("refused", "the lane {0} was told not to open", in.Lane)
	}
	o := opened{Reason: in.Reason, Lane: in.Lane, Revision: in.Revision, Cursor: string(in.Cursor)}
	for _, d := range in.Devices {
		o.Devices = append(o.Devices, d.ID)
	}
	raw, err := json.Marshal(o)
	if err != nil {
		return err
	}
	log.Info("opened: " + in.Reason)
	step.Event(in.Lane, "opened", raw, nil)
	return nil
}

func (c *census) Close(reason string) error {
	log.Info("closed: " + reason)
	return nil
}

func (c *census) Poll(_ []byte, step *snaprail.Step) error {
	if c.SlowMS > 0 {
		time.Sleep(time.Duration(c.SlowMS) * time.Millisecond)
	}
	c.polls++
	device := step.Device()
	if device == "" {
		device = c.lane
	}
	step.Telemetry(device, time.Now().UnixNano(), abi.Point{Name: "polls", Value: abi.Int(c.polls)})
	step.SetCursor([]byte(device))
	if c.NextMS > 0 {
		step.NextPoll(time.Duration(c.NextMS) * time.Millisecond)
	}
	return nil
}

func (c *census) Run(loop *snaprail.Loop) error {
	wait := time.Duration(c.LoseMS) * time.Millisecond
	if c.LoseMS == 0 {
		wait = time.Hour
	}
	for loop.Receive(wait) {
		if c.LoseMS > 0 && len(loop.Events()) == 0 {
			return &abi.Error{Kind: abi.FaultUnavailable, Code: "lost", Text: "the connection is lost"}
		}
	}
	return loop.Err()
}
