package main

import (
	"hash/fnv"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// A command moves something, and nobody takes that back. It is acknowledged to the
// broker with the step that wrote it, so that a node which dies in the step is handed
// it again. So a step begins no more writes than it has time for, and which of a
// command's were made is kept in the same step: what comes again goes on there.
const (
	// stepTime is how long a step begins writes. Behind it is the wait for one
	// connector (write_timeout, 3 s at most), within the 5 s of a call.
	stepTime = 250 * time.Millisecond
	// madeFor is how long a command is known that comes again.
	madeFor = 5 * time.Minute
)

// loadMade reads which commands were made.
func (n *node) loadMade() {
	var err error
	if n.made, err = kv.OpenRing("command", madeFor); err != nil {
		log.Warning("the commands that were made cannot be read, and one that comes again is made again: " + err.Error())
	}
}

// commandID is the same for the same message alone: hosts put the time into commands
// (tck-id-payloads-timestamp-in-UTC).
func commandID(m *abi.MQTTMessage) string {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(m.Topic))
	_, _ = sum.Write([]byte{0})
	_, _ = sum.Write(m.Payload)
	return strconv.Itoa(len(m.Payload)) + "/" + strconv.FormatUint(sum.Sum64(), 36)
}

// madeOf is how many of a command's metrics were written.
func (n *node) madeOf(id string, metrics int) int {
	answer, known := n.made.Find(id)
	if !known {
		return 0
	}
	count, err := strconv.Atoi(string(answer))
	if err != nil || count < 0 {
		return 0
	}
	if count >= metrics {
		log.Info("a command came again: it is not made again")
	}
	return min(count, metrics)
}

func (n *node) keepMade(id string, metrics int) {
	n.told(n.made.Keep(id, strconv.AppendInt(nil, int64(metrics), 10)))
}

func (n *node) forgetMade(id string) { n.told(n.made.Forget(id)) }

// told logs once that what was made is not kept.
func (n *node) told(err error) {
	if err != nil && !n.unkept {
		log.Warning("the commands that were made are not kept for the next start: " + err.Error())
	}
	n.unkept = err != nil
}
