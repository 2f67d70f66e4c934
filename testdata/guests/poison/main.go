// Command poison is a converter for the host's tests: it hands payloads on
// with a prefix, and dies of those that say so. testdata/guests/README.md
// lists what they can say.
package main

import (
	"bytes"
	"fmt"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

var _ = snaprail.Register(&converter{})

func main() {}

type converter struct {
	Prefix string `json:"prefix"`
}

func (c *converter) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	return snaprail.Config(in, c)
}

func (c *converter) Convert(batch *abi.Batch, step *snaprail.Step) error {
	for i := range batch.Records {
		r := &batch.Records[i]
		switch {
		case bytes.Contains(r.Payload, []byte("poison")):
			panic(fmt.Sprintf("died of %q", r.Payload))
		case bytes.Contains(r.Payload, []byte("error")):
			return fmt.Errorf("failed on %q", r.Payload)
		case bytes.Contains(r.Payload, []byte("reject")):
			step.Reject(i, "told to reject")
		case bytes.Contains(r.Payload, []byte("skip")):
			step.Skip(i, "told to skip")
		default:
			step.Payload(r.Device, r.Time, "text/plain", append([]byte(c.Prefix), r.Payload...))
		}
	}
	return nil
}
