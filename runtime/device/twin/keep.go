package twin

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/store"
)

// The ids in the bucket of twins: the connector, a zero byte, what it is, and the
// device. What one connector has goes with it.
const (
	kindReported = "r"
	kindDesired  = "d"
	kindWanted   = "n"      // how much is wanted of all
	placeID      = "~place" // no connector's id begins so
)

func reportedID(k key) string { return k.connector + "\x00" + kindReported + k.device }

func desiredID(connector, device string) string { return connector + "\x00" + kindDesired + device }

// place is where the readings that are stored end.
type place struct {
	Seq   uint64 `json:"seq"`
	Marks []mark `json:"marks"`
}

// stored is a device's latest readings as they are stored.
type stored struct {
	Tags map[string]kept `json:"tags,omitempty"`
	// Attributes are beside the tags, as each has names of its own.
	Attributes map[string]kept `json:"attributes,omitempty"`
}

// load reads what is stored, and answers where in the log to go on.
func (t *Twins) load(ctx context.Context) (from uint64, err error) {
	for {
		if from, err = t.loadOnce(ctx); err == nil || ctx.Err() != nil || fault.Is(err, fault.NotFound) || fault.Is(err, fault.ShuttingDown) {
			return from, err
		}
		t.cfg.Log.Error("the stored twins cannot be read; trying again", "error", err)
		pause(ctx, again)
	}
}

func (t *Twins) loadOnce(ctx context.Context) (from uint64, err error) {
	var at place
	err = t.cfg.Space.View(ctx, func(r store.Reader) error {
		e, err := r.Get(store.Twins, placeID)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err == nil && json.Unmarshal(e.Value, &at) != nil {
			at = place{} // the whole log again, which comes to the same
		}
		if err != nil {
			return err
		}
		for e, err := range store.All(r, store.Twins, "") {
			if err != nil {
				return err
			}
			t.restore(e)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	at.Seq = min(at.Seq, t.head) // a log whose end was lost may give the sequences again
	t.durable, t.seq, t.marks = at.Seq, at.Seq, at.Marks
	clear(t.dirty)
	from = at.Seq + 1
	oldest := time.Now().Add(-t.lim.Age).Unix()
	for _, m := range slices.Backward(at.Marks) {
		if m.Seq > at.Seq || at.Seq-m.Seq > t.lim.Replay {
			continue
		}
		from = m.Seq
		if m.At < oldest {
			break
		}
	}
	first := t.cfg.Outbox.First()
	if at.Seq > 0 && first > at.Seq+1 { // retention did not wait
		t.missed(at.Seq+1, first-1)
	}
	return max(from, first), nil
}

// restore takes in what is stored of one device.
func (t *Twins) restore(e store.Entry) {
	connector, rest, ok := strings.Cut(e.ID, "\x00")
	if !ok || !strings.HasPrefix(rest, kindReported) {
		return
	}
	k := key{connector, rest[len(kindReported):]}
	var s stored
	err := json.Unmarshal(e.Value, &s)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.dropped(DropUndurable)
		return
	}
	for kind, tags := range map[abi.Kind]map[string]kept{abi.KindTelemetry: s.Tags, abi.KindAttributes: s.Attributes} {
		for tag, was := range tags {
			r, err := was.reading()
			if err != nil {
				t.dropped(DropUndurable)
				continue
			}
			t.latest(k, name{kind, tag}, r)
		}
	}
}

// latest puts a reading in its place, without its history. The lock is held.
func (t *Twins) latest(k key, n name, r Reading) {
	of := t.tag(&k, &n, weight(r.Value)+len(r.Unit))
	if of == nil {
		return
	}
	t.weigh(k, t.all[k], weight(r.Value)+len(r.Unit)-weight(of.Value)-len(of.Unit))
	of.Reading = r
}

// change is one device to be written.
type change struct {
	key

	value []byte // nil: it is gone
}

// flushBytes is how much goes into one transaction.
const flushBytes = 256 << 10

// flush makes durable what was read, and the place in the log with it: in as many
// transactions as it takes, the place in the last one.
func (t *Twins) flush(ctx context.Context) error {
	t.mu.Lock()
	if t.seq <= t.durable && len(t.dirty) == 0 {
		t.mu.Unlock()
		return nil
	}
	due := t.dirty
	t.dirty = map[key]bool{}
	at := place{Seq: t.seq, Marks: slices.Clone(t.marks)}
	t.mu.Unlock()
	err := t.writeAll(ctx, due, at)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		maps.Copy(t.dirty, due)
		return err
	}
	t.durable = max(t.durable, at.Seq)
	return nil
}

func (t *Twins) writeAll(ctx context.Context, due map[key]bool, at place) error {
	var batch []change
	size := 0
	for k := range due {
		c := change{key: k, value: t.encode(k)}
		if size+len(c.value) > flushBytes || len(batch) >= 500 {
			if err := t.write(ctx, batch, nil); err != nil {
				return err
			}
			batch, size = batch[:0], 0
		}
		batch, size = append(batch, c), size+len(c.value)
	}
	return t.write(ctx, batch, &at)
}

// encode is what is stored of a device; nil: it is gone.
func (t *Twins) encode(k key) []byte {
	t.mu.Lock()
	s := t.all[k]
	if s == nil {
		t.mu.Unlock()
		return nil
	}
	out := stored{Tags: map[string]kept{}, Attributes: map[string]kept{}}
	for n, of := range s.tags {
		switch {
		case of.Received == 0: // a place without a reading
		case n.kind == abi.KindAttributes:
			out.Attributes[n.tag] = of.kept()
		default:
			out.Tags[n.tag] = of.kept()
		}
	}
	t.mu.Unlock()
	raw, err := json.Marshal(out)
	if err != nil || len(raw) > store.MaxValue {
		t.mu.Lock()
		t.dropped(DropUndurable)
		t.mu.Unlock()
		return []byte("{}")
	}
	return raw
}

// write is one transaction. What belongs to a connector that is gone is left out,
// and forgotten.
func (t *Twins) write(ctx context.Context, batch []change, at *place) error {
	var gone map[string]bool
	err := t.cfg.Space.Update(ctx, func(w store.Writer) error {
		gone = map[string]bool{}
		there := map[string]bool{}
		for _, c := range batch {
			if err := connectorGone(w, c.connector, there, gone); err != nil {
				return err
			}
			if err := t.put(w, c, gone[c.connector]); err != nil {
				return err
			}
		}
		if at == nil {
			return nil
		}
		raw, err := json.Marshal(at)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the place of the twins")
		}
		_, err = w.Put(store.Twins, placeID, raw)
		return err
	})
	for connector := range gone {
		t.forget(connector)
	}
	return err
}

// forget drops all of a connector that is gone, without a word to the store.
func (t *Twins) forget(connector string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.all {
		if k.connector == connector {
			t.drop(k)
			delete(t.dirty, k)
		}
	}
}

func connectorGone(r store.Reader, id string, there, gone map[string]bool) error {
	if there[id] || gone[id] {
		return nil
	}
	_, err := r.Get(store.Connectors, id)
	if fault.Is(err, fault.NotFound) {
		gone[id] = true
		return nil
	}
	there[id] = err == nil
	return err
}

func (t *Twins) put(w store.Writer, c change, gone bool) error {
	if !gone && c.value != nil {
		_, err := w.Put(store.Twins, reportedID(c.key), c.value)
		return err
	}
	if err := remove(w, reportedID(c.key)); err != nil {
		return err
	}
	if !gone {
		return forgetDesired(w, c.connector, c.device)
	}
	if err := remove(w, wantedID(c.connector)); err != nil {
		return err
	}
	return remove(w, desiredID(c.connector, c.device))
}

func remove(w store.Writer, id string) error {
	if err := w.Delete(store.Twins, id); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	return nil
}
