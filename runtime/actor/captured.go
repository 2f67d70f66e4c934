package actor

import (
	"slices"
	"sync"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// The bounds of what is kept of the records that come to a connector's
// converters, for people who try out another converter on them.
const (
	maxCaptured     = 32
	maxCapturedByte = 4 << 10 // of a payload; of a larger one nothing is kept
	capturedAtOnce  = 4       // of one batch
	captureEvery    = time.Second
)

// Captured is the newest records that came to a connector's converters, as its
// module had made them. It is safe for concurrent use; nil keeps none.
type Captured struct {
	mu      sync.Mutex
	last    time.Time
	records []abi.Record // oldest first
}

// add keeps some of a batch, if the one before was long enough ago: a batch is
// read for it once a second at most.
func (c *Captured) add(batch []byte, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.last) < captureEvery {
		return
	}
	c.last = now
	var in abi.Batch
	if in.Decode(batch) != nil {
		return
	}
	for i := range in.Records[:min(len(in.Records), capturedAtOnce)] {
		r := in.Records[i]
		if len(r.Payload) == 0 || len(r.Payload) > maxCapturedByte {
			continue
		}
		c.records = append(c.records, abi.Record{
			Device: r.Device, Kind: r.Kind, Time: r.Time, ContentType: r.ContentType, Payload: slices.Clone(r.Payload),
		})
	}
	if over := len(c.records) - maxCaptured; over > 0 {
		c.records = slices.Delete(c.records, 0, over)
	}
}

// Newest are so many of them, the newest first. Nobody may change their
// payloads.
func (c *Captured) Newest(n int) []abi.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	newest := slices.Clone(c.records[max(0, len(c.records)-n):])
	slices.Reverse(newest)
	return newest
}
