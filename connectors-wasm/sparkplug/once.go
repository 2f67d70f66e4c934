package main

import (
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// A command moves something, and nobody takes that back. It is acknowledged to the
// broker with the step that wrote it, so that a node which dies in the step is handed
// it again. So that a write is begun is committed before it goes out, and what comes
// again goes on behind the last that was begun.
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

// underWay marks the last write of a command as begun, and not known to be made.
const underWay = "?"

// madeOf is how many of a command's metrics were written, or begun.
func (n *node) madeOf(id string, metrics int) int {
	answer, known := n.made.Find(id)
	if !known {
		return 0
	}
	text, begun := strings.CutSuffix(string(answer), underWay)
	count, err := strconv.Atoi(text)
	if err != nil || count < 0 {
		return 0
	}
	switch {
	case begun:
		log.Warning("the node ended while write " + text + " of a command was under way: whether it was made is not known, and it is not made again")
	case count >= metrics:
		log.Info("a command came again: it is not made again")
	}
	return min(count, metrics)
}

// beginWrite commits that the write of a command's metric, counted from 1, is about
// to be made.
func (n *node) beginWrite(id string, metric int) {
	err := n.made.Keep(id, append(strconv.AppendInt(nil, int64(metric), 10), underWay...))
	if err == nil {
		var begun snaprail.Step
		begun.ClearTimer("command") // there is none: a step that asks for nothing is not sent
		_, err = snaprail.Emit(&begun)
	}
	n.told(err)
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
