package actor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// maxNotes bounds the notifications of one step.
const maxNotes = 16

// Tell implements capability.Notifier: a notice is staged, and becomes durable with
// the step or not at all.
func (g *guest) Tell(_ context.Context, n spec.Notice) error {
	n.Title, n.Text, n.Key = g.masked(n.Title), g.masked(n.Text), g.masked(n.Key)
	raw, err := json.Marshal(n)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "a notification")
	}
	sum := sha256.Sum256([]byte(n.Key))
	return g.stage.note(outbox.KV{Key: spec.NotificationPrefix + hex.EncodeToString(sum[:12]), Value: raw})
}

// note stages a notification, in the place of one of the same step with its key.
func (s *stage) note(kv outbox.KV) error {
	for i := range s.notes {
		if s.notes[i].Key == kv.Key {
			s.notes[i] = kv
			return nil
		}
	}
	if len(s.notes) >= maxNotes {
		return fault.New(fault.Exhausted, "notify: one step may send %d notifications", maxNotes)
	}
	s.notes = append(s.notes, kv)
	return nil
}

// announce adds an event to the block for each notification in it, so that whoever
// reads the connector's records is told too.
func (l *lane) announce(b *outbox.Block) {
	var batch abi.Batch
	for i := range b.KV {
		if kv := &b.KV[i]; strings.HasPrefix(kv.Key, spec.NotificationPrefix) {
			batch.Records = append(batch.Records, abi.Record{
				Device: l.version.Connector.Name, Kind: abi.KindEvent, Time: b.Received,
				ContentType: spec.NoticeType, Payload: kv.Value,
			})
		}
	}
	if len(batch.Records) > 0 {
		b.Records, b.Count = outbox.AppendBatch(b.Records, batch.Append(nil)), b.Count+len(batch.Records)
	}
}
