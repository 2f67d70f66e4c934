package actor

import (
	"context"
	"slices"
	"strings"

	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
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
	kept   func() uint64 // bytes of the committed state; nil: there is none
	quota  *quota
	writes []outbox.KV
	bytes  int
	notes  []outbox.KV // notifications
	// devices are those of the connector; its reader is nil in a converter.
	devices staged
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
func (s *stage) Put(ctx context.Context, key string, value []byte) error {
	if err := s.room(ctx, key, len(value)); err != nil {
		return err
	}
	return s.add(outbox.KV{Key: key, Value: slices.Clone(value)})
}

// Delete stages a removal.
func (s *stage) Delete(_ context.Context, key string) error {
	return s.add(outbox.KV{Key: key, Delete: true})
}

func (s *stage) add(w outbox.KV) error {
	if strings.HasPrefix(w.Key, spec.NotificationPrefix) {
		return fault.New(fault.Invalid, "kv: a key that the host keeps for itself")
	}
	size := len(w.Key) + len(w.Value)
	if len(s.writes) >= maxStagedWrites || s.bytes+size > maxStagedBytes {
		return fault.New(fault.TooLarge, "kv: one step may stage %d writes or %d bytes", maxStagedWrites, maxStagedBytes).
			WithHint("write less in one step, or emit in between")
	}
	s.writes, s.bytes = append(s.writes, w), s.bytes+size
	return nil
}

// room refuses a value that would make the connector's state larger than its
// limit. As long as there would be room for all that is staged beside all that
// is kept, nothing is looked up.
func (s *stage) room(ctx context.Context, key string, value int) error {
	if s.kept == nil {
		return nil
	}
	most, kept := int64(s.quota.most(spec.LimitKVBytes)), int64(s.kept()) //nolint:gosec // far below
	if kept+int64(s.bytes+len(key)+value) <= most {
		return nil
	}
	grown, err := s.grows(ctx)
	if err != nil {
		return err
	}
	had, found, err := s.Get(ctx, key)
	if err != nil {
		return err
	}
	more := int64(value)
	if found {
		more -= int64(len(had))
	} else {
		more += int64(len(key))
	}
	// A smaller value may take a larger one's place even when the limit was
	// lowered below what is kept.
	if more > 0 && kept+grown+more > most {
		return s.quota.reached(spec.LimitKVBytes)
	}
	return nil
}

// grows is by how much the staged writes make the committed state larger.
func (s *stage) grows(ctx context.Context) (grown int64, err error) {
	last := make(map[string]*outbox.KV, len(s.writes))
	for i := range s.writes {
		last[s.writes[i].Key] = &s.writes[i]
	}
	for key, w := range last {
		had, found, err := s.lookup(ctx, key)
		if err != nil {
			return 0, err
		}
		if found {
			grown -= int64(len(key) + len(had))
		}
		if !w.Delete {
			grown += int64(len(key) + len(w.Value))
		}
	}
	return grown, nil
}

// holds reports whether anything is staged.
func (s *stage) holds() bool { return len(s.writes)+len(s.notes) > 0 || s.devices.holds() }

// take hands the staged writes over and starts anew.
func (s *stage) take() []outbox.KV {
	w := append(s.writes, s.notes...)
	s.writes, s.bytes, s.notes = nil, 0, nil
	s.devices.take(nil) // what was to be kept is in the block already
	return w
}
