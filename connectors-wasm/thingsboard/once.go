package main

import (
	"encoding/json"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// An RPC moves something, and nobody takes that back. It is acknowledged to the
// platform with the step that passed it on, so that a guest which dies in the step is
// handed it again. So a step begins no more of them than it has time for, and what
// was passed on is kept in the same step: a repeat is answered, and not made.
const (
	// stepTime is how long a step begins with messages. Behind it are the wait for one
	// connector (rpc_timeout, 3 s at most) and one answer, within the 5 s of a call.
	stepTime = 250 * time.Millisecond
	// tellTime is what the platform has to acknowledge an answer.
	tellTime = time.Second
	// doneFor is how long a repeat is known. The platform counts its RPCs from the
	// start again when it is restarted.
	doneFor = 5 * time.Minute
)

// loadDone reads which RPCs were passed on.
func (g *gateway) loadDone() {
	var err error
	if g.made, err = kv.OpenRing("rpc", doneFor); err != nil {
		log.Warning("the RPCs that were done cannot be read, and a repeat of one is made again: " + err.Error())
	}
}

// keepDone keeps the answer to an RPC that was passed on.
func (g *gateway) keepDone(id string, answer []byte) {
	if len(answer) > kv.MaxAnswer {
		answer = []byte(`{"success":true,"repeated":true}`)
	}
	err := g.made.Keep(id, answer)
	if err != nil && !g.unkept {
		log.Warning("the RPCs that were done are not kept for the next start: " + err.Error())
	}
	g.unkept = err != nil
}

// rpcID is the same for the same RPC alone: what the platform calls by a number that
// it uses again is told apart by what it asks.
func rpcID(device, id, method string, params json.RawMessage) string {
	sum := fnv.New64a()
	for _, part := range []string{device, method, string(params)} {
		_, _ = sum.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return id + "/" + strconv.FormatUint(sum.Sum64(), 36)
}
