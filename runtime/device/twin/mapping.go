package twin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// maxMapped bounds the devices whose mapping is remembered.
const maxMapped = 10_000

// mapped are the readings of a payload: what was declared for the device, else
// for its connector, else, of attributes alone, the members of the object.
func (t *Twins) mapped(ctx context.Context, k key, r *abi.Record) (points []abi.Point, isJSON []bool) {
	declared := t.mappings(ctx, k)
	if len(declared) == 0 && r.Kind != abi.KindAttributes || !abi.IsJSON(r.ContentType) {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(r.Payload))
	dec.UseNumber()
	var payload any
	if err := dec.Decode(&payload); err != nil {
		t.mu.Lock()
		t.dropped(DropUnread)
		t.mu.Unlock()
		return nil, nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, nil
	}
	add := func(tag, unit string, v any) {
		value, whole := valueOf(v)
		points, isJSON = append(points, abi.Point{Name: tag, Unit: unit, Value: value}), append(isJSON, whole)
	}
	if len(declared) == 0 {
		members, _ := payload.(map[string]any)
		for tag, v := range members {
			add(tag, "", v)
		}
		return points, isJSON
	}
	for _, m := range declared {
		if v, ok := spec.Lookup(payload, m.Pointer); ok {
			add(m.Tag, m.Unit, v)
		}
	}
	return points, isJSON
}

// mappings are those that were declared for a device.
func (t *Twins) mappings(ctx context.Context, k key) []spec.Mapping {
	t.mu.Lock()
	known, ok := t.maps[k]
	seen := t.forgetful
	t.mu.Unlock()
	if ok {
		return known
	}
	declared, err := t.declared(ctx, k)
	if err != nil {
		return nil // it is asked again with the next record
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.forgetful != seen { // it may be another by now
		return declared
	}
	if len(t.maps) >= maxMapped {
		clear(t.maps)
	}
	t.maps[key{strings.Clone(k.connector), strings.Clone(k.device)}] = declared
	return declared
}

func (t *Twins) declared(ctx context.Context, k key) (declared []spec.Mapping, err error) {
	err = t.cfg.Space.View(ctx, func(r store.Reader) error {
		var device spec.Device
		err := read(r, store.Devices, k.connector+"\x00"+k.device, &device)
		if err != nil || len(device.Mapping) > 0 {
			declared = device.Mapping
			return err
		}
		var c spec.Connector
		err = read(r, store.Connectors, k.connector, &c)
		declared = c.Mapping
		return err
	})
	return declared, err
}

// read reads an entry, if it is there.
func read(r store.Reader, b store.Bucket, id string, into any) error {
	if len(id) > store.MaxID {
		return nil
	}
	e, err := r.Get(b, id)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(e.Value, into)
	}
	if err != nil {
		return fault.Wrap(fault.Integrity, err, "%s", b)
	}
	return nil
}
