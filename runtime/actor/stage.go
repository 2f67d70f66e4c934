package actor

import (
	"context"
	"slices"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// The bounds of what one step may stage.
const (
	maxStagedWrites = 256
	maxStagedBytes  = 512 << 10 // with its device changes, a step fits one transaction of the store
)

// stage holds the key-value writes of the step that runs. They become durable
// with the step's block or are dropped with the step.
type stage struct {
	lookup func(ctx context.Context, key string) ([]byte, bool, error)
	writes []outbox.KV
	bytes  int
}

// Get reads the staged value, else the committed one.
func (s *stage) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	for i := len(s.writes) - 1; i >= 0; i-- {
		if w := &s.writes[i]; w.Key == key {
			return w.Value, !w.Delete, nil
		}
	}
	return s.lookup(ctx, key)
}

// Put stages a value, which is copied.
func (s *stage) Put(key string, value []byte) error {
	return s.add(outbox.KV{Key: key, Value: slices.Clone(value)})
}

// Delete stages a removal.
func (s *stage) Delete(key string) error {
	return s.add(outbox.KV{Key: key, Delete: true})
}

func (s *stage) add(w outbox.KV) error {
	size := len(w.Key) + len(w.Value)
	if len(s.writes) >= maxStagedWrites || s.bytes+size > maxStagedBytes {
		return fault.New(fault.TooLarge, "kv: one step may stage %d writes or %d bytes", maxStagedWrites, maxStagedBytes).
			WithHint("write less in one step, or emit in between")
	}
	s.writes, s.bytes = append(s.writes, w), s.bytes+size
	return nil
}

// take hands the staged writes over and starts anew.
func (s *stage) take() []outbox.KV {
	w := s.writes
	s.writes, s.bytes = nil, 0
	return w
}
