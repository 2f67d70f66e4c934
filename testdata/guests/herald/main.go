// Command herald is a connector for the host's tests, in poll mode: it reads the
// file of its parameter map and random bytes, counts its polls, and notifies people
// of what it is told to say, with a telemetry record of all that. What it is told
// to fail with it says as well, and then fails.
package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/files"
	"github.com/snaprail/snaprail/guest-sdk/go/metrics"
	"github.com/snaprail/snaprail/guest-sdk/go/notify"
	"github.com/snaprail/snaprail/guest-sdk/go/random"
)

var _ = snaprail.Register(&herald{})

func main() {}

type herald struct {
	Say   string `json:"say"`
	Fail  string `json:"fail"`
	Polls int    `json:"polls"` // that it says it in
}

func (h *herald) Open(in *abi.OpenInput, step *snaprail.Step) error {
	*h = herald{Polls: 1}
	step.PutDevice("herald", "herald", "herald")
	return snaprail.Config(in, h)
}

func (h *herald) Poll(cursor []byte, step *snaprail.Step) error {
	polls, _ := strconv.Atoi(string(cursor)) // 0: none yet
	if err := metrics.Add("polls_total", 1, "Polls.", metrics.Label("say", h.Say)); err != nil {
		return err
	}
	if h.Fail != "" {
		if err := notify.Send(abi.SeverityCritical, h.Fail, "", ""); err != nil {
			return err
		}
		return errors.New("it was told to fail")
	}
	if polls < h.Polls {
		if err := notify.Send(abi.SeverityError, h.Say, "poll "+strconv.Itoa(polls+1), "what"); err != nil {
			return err
		}
	}
	content, err := files.Read("map")
	if err != nil {
		return err
	}
	bytes, err := random.Bytes(8)
	if err != nil {
		return err
	}
	step.Telemetry("herald", time.Now().UnixNano(),
		abi.Point{Name: "map", Value: abi.String(string(content))}, abi.Point{Name: "random", Value: abi.Bytes(bytes)})
	step.SetCursor(strconv.AppendInt(nil, int64(polls+1), 10))
	return nil
}
