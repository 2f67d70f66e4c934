package main

import (
	"encoding/json"
	"hash/fnv"
	"strconv"
	"time"

	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
)

// An RPC moves something, and nobody takes that back. It is acknowledged to the
// platform with the step that passed it on, so that a guest which dies in the step is
// handed it again. So that it is begun is committed before it goes out, and a repeat is
// answered, and not made: with what came of it, or that nobody knows.
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

// unknown is the answer to a repeat of an RPC whose end nobody has seen.
const unknown = `{"success":false,"error":"interrupted: the gateway ended while this was under way: whether it was made is not known, and it is not made again"}`

// begin commits that an RPC is about to be passed on.
func (g *gateway) begin(id string) {
	err := g.made.Keep(id, []byte(unknown))
	if err == nil {
		var begun snaprail.Step
		begun.ClearTimer("rpc") // there is none: a step that asks for nothing is not sent
		_, err = snaprail.Emit(&begun)
	}
	g.told(err)
}

// keepDone keeps the answer to an RPC that was passed on.
func (g *gateway) keepDone(id string, answer []byte) {
	if len(answer) > kv.MaxAnswer {
		answer = []byte(`{"success":true,"repeated":true}`)
	}
	g.told(g.made.Keep(id, answer))
}

// told logs once that what was done is not kept. The RPC is made all the same: it may
// be the one that shuts a valve.
func (g *gateway) told(err error) {
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
