package twin

import (
	"context"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/outbox"
)

// state is what is known of one device.
type state struct {
	tags  map[name]*tag
	bytes int
}

// name is a tag's, as telemetry and attributes have names of their own.
type name struct {
	kind abi.Kind
	tag  string
}

type tag struct {
	Reading

	past past
}

const (
	tagBytes    = 160 // that a tag takes beside its texts
	deviceBytes = 256
)

// apply takes in what a block holds. Those up to the durable one were taken in
// before: they fill the histories alone.
func (t *Twins) apply(ctx context.Context, b *outbox.Block, batch *abi.Batch) {
	for rest := b.Records; ; {
		raw, behind, ok := outbox.CutBatch(rest)
		if !ok {
			break
		}
		rest = behind
		if err := batch.Decode(raw); err != nil {
			t.mu.Lock()
			t.dropped(DropUnread)
			t.mu.Unlock()
			break
		}
		for i := range batch.Records {
			t.record(ctx, b, &batch.Records[i])
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq = max(t.seq, b.Seq)
	t.note(b)
	if b.Seq <= t.durable {
		return
	}
	for i := range b.Devices {
		if b.Devices[i].Change == abi.ChangeRemove {
			t.drop(key{b.Connector, b.Devices[i].ID})
		}
	}
}

// note marks where the log is each minute, which is where a start begins to read
// for the histories. The lock is held.
func (t *Twins) note(b *outbox.Block) {
	at := b.Received / int64(time.Second)
	if n := len(t.marks); n > 0 && (at < t.marks[n-1].At+60 || b.Seq <= t.marks[n-1].Seq) {
		return
	}
	t.marks = append(t.marks, mark{at, b.Seq})
	most := int(t.lim.Age/time.Minute) + 2
	t.marks = t.marks[max(0, len(t.marks)-most):]
}

// record takes in one record.
func (t *Twins) record(ctx context.Context, b *outbox.Block, r *abi.Record) {
	if r.Kind != abi.KindTelemetry && r.Kind != abi.KindAttributes {
		return
	}
	k := key{b.Connector, r.Device}
	points, isJSON := r.Points, []bool(nil)
	if len(points) == 0 && len(r.Payload) > 0 {
		points, isJSON = t.mapped(ctx, k, r)
	}
	if len(points) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range points {
		p := &points[i]
		if p.Value.Type() == abi.ValueNone {
			continue
		}
		reading := Reading{Value: p.Value, Unit: p.Unit, Quality: p.Quality, Time: p.SourceTime, Received: b.Received}
		if reading.Time == 0 {
			reading.Time = r.Time
		}
		if isJSON != nil {
			reading.JSON = isJSON[i]
		}
		t.take(k, name{r.Kind, p.Name}, reading.flagged(), b.Seq > t.durable)
	}
}

// take takes in one reading. The lock is held.
func (t *Twins) take(k key, n name, r Reading, fresh bool) {
	if len(n.tag) > maxName || len(k.device) > maxName || len(r.Unit) > maxName || weight(r.Value) > t.lim.Value {
		t.dropped(DropValue)
		return
	}
	of := t.tag(&k, &n, weight(r.Value)+len(r.Unit))
	if of == nil {
		return
	}
	r.Value = owned(r.Value)
	if r.Unit != of.Unit {
		r.Unit = strings.Clone(r.Unit)
	} else {
		r.Unit = of.Unit // and not a part of the batch
	}
	if n.kind == abi.KindTelemetry {
		s := Sample{Value: r.Value, JSON: r.JSON, Quality: r.Quality, Time: r.when()}
		grown, ok := of.past.add(s, t.points(), t.lim.History-t.history)
		if t.history += grown; !ok {
			t.dropped(DropHistory)
		}
	}
	if of.Received != 0 && r.when() < of.when() {
		return // it is late: history alone
	}
	s := t.all[k]
	grown := weight(r.Value) + len(r.Unit) - weight(of.Value) - len(of.Unit)
	if grown > 0 && t.full(k, s, grown) {
		t.dropped(DropBytes)
		return
	}
	t.weigh(k, s, grown)
	of.Reading = r
	if fresh {
		t.dirty[k] = true
	}
}

// points is how many a tag's history may have: as many as there is room for when
// each tag has as many. The lock is held.
func (t *Twins) points() int {
	return max(1, min(t.lim.Points, t.lim.History/(sampleBytes*max(1, t.tags))))
}

// tag is the place of a tag, which is made if there is room for it and for what
// it holds; nil: there is none. The lock is held.
func (t *Twins) tag(k *key, n *name, need int) *tag {
	s := t.all[*k]
	if s != nil {
		if of := s.tags[*n]; of != nil {
			return of
		}
		if len(s.tags) >= t.lim.Tags {
			t.dropped(DropTags)
			return nil
		}
	}
	n.tag = strings.Clone(n.tag)
	by := tagBytes + len(n.tag)
	if s == nil {
		if len(t.all) >= t.lim.Devices || t.counts[k.connector] >= (t.lim.Devices+1)/2 {
			t.dropped(DropDevices)
			return nil
		}
		*k = key{strings.Clone(k.connector), strings.Clone(k.device)}
		by += deviceBytes + len(k.device)
	}
	if t.full(*k, s, by+need) {
		t.dropped(DropBytes)
		return nil
	}
	if s == nil {
		s = &state{tags: map[name]*tag{}}
		t.all[*k] = s
		t.counts[k.connector]++
	}
	of := &tag{}
	s.tags[*n] = of
	t.tags++
	t.weigh(*k, s, by)
	return of
}

// full reports whether there is no room for so much more. The lock is held.
func (t *Twins) full(k key, s *state, by int) bool {
	return t.bytes+by > t.lim.Bytes || t.weights[k.connector]+by > t.lim.Bytes/2 || (s != nil && s.bytes+by > maxDevice)
}
