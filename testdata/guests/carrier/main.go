// Command carrier is a sink for the host's tests. It emits a record for each that
// it delivers, so that a test can read what arrived: the key and the payload. What
// a payload says it does: "poison" makes it die, "wrong" fail for good, "reject",
// "skip" and "later" are verdicts, of which the last is one for the first time
// only that a guest sees it. A lenient one rejects nothing.
package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

var _ = snaprail.Register(&carrier{})

func main() {}

type carrier struct {
	Closed  string `json:"closed"`
	Mark    string `json:"mark"`
	Lenient bool   `json:"lenient"`

	later map[string]bool
}

func (c *carrier) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	*c = carrier{later: map[string]bool{}}
	return snaprail.Config(in, c)
}

func (c *carrier) Deliver(in *abi.DeliverInput, step *snaprail.Step) error {
	if c.Closed != "" {
		return errors.New(c.Closed)
	}
	n := 0
	for p := range in.Parts {
		part := &in.Parts[p]
		for i := range part.Batch.Records {
			r, key := &part.Batch.Records[i], part.Key(i)
			switch text := string(r.Payload); {
			case strings.Contains(text, "poison"):
				panic(fmt.Sprintf("died of %q", text))
			case strings.Contains(text, "wrong"):
				return &abi.Error{Kind: abi.FaultInvalid, Text: "one of them is wrong"}
			case strings.Contains(text, "reject") && !c.Lenient:
				step.Reject(n, "told to reject")
			case strings.Contains(text, "skip"):
				step.Skip(n, "told to skip")
			case strings.Contains(text, "later") && !c.later[key]:
				c.later[key] = true
				step.Retry(n, 20*time.Millisecond, "told to wait")
				return nil
			case r.Kind <= abi.KindEvent:
				_, seq, _ := strings.Cut(key, "/")
				step.Payload(r.Device, r.Time, "text/plain", []byte(part.Connector+c.Mark+"/"+seq+" "+text))
			}
			n++
		}
	}
	return nil
}
