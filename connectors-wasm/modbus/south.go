package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// wrong is why something was not done: a code and a text.
type wrong struct{ code, text string }

func failed(code, format string, args ...any) *wrong {
	return &wrong{code, fmt.Sprintf(format, args...)}
}

// because is an error of the link as an answer.
func because(err error) *wrong {
	if refused, ok := errors.AsType[*exception](err); ok {
		return failed(refused.name(), "%v", refused)
	}
	if _, ok := errors.AsType[*damaged](err); ok {
		return failed("answer_damaged", "%v", err)
	}
	if fault, ok := errors.AsType[*abi.Error](err); ok && fault.Code != "" {
		return failed(fault.Code, "%v", err)
	}
	return failed("not_done", "%v", err)
}

// result is what became of one attribute of an update.
type result struct {
	Item    string      `json:"item"`
	Success bool        `json:"success"`
	Error   *resultText `json:"error,omitempty"`
}

type resultText struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func told(name string, why *wrong) result {
	if why == nil {
		return result{Item: name, Success: true}
	}
	return result{Item: name, Error: &resultText{why.code, why.text}}
}

// OnAttributes writes an update to the items of its names, in their order. Each
// has a result of its own.
func (b *bus) OnAttributes(m *abi.Message, step *snaprail.Step) error {
	d := b.device(m.Device)
	if d == nil {
		return b.noDevice(m, step)
	}
	var update map[string]json.RawMessage
	if err := json.Unmarshal(m.Body, &update); err != nil {
		return step.Fail(m, "not_an_object", "an update is a JSON object of attributes")
	}
	if len(update) == 0 {
		return step.Empty(m)
	}
	var results []result
	for _, name := range slices.Sorted(maps.Keys(update)) {
		it, why := d.writable(name)
		if why == nil {
			why = b.write(d, it, update[name])
		}
		results = append(results, told(name, why))
	}
	return step.Complete(m, results)
}

// item is the one of a name; among several the one that fits.
func (d *device) item(name string, fits func(*item) bool) (it *item, known bool) {
	for i := range d.items {
		if it := &d.items[i]; it.Tag == name {
			known = true
			if fits(it) {
				return it, true
			}
		}
	}
	return nil, known
}

func (d *device) writable(name string) (*item, *wrong) {
	it, known := d.item(name, func(it *item) bool { return it.Writable })
	switch {
	case it != nil:
		return it, nil
	case known:
		return nil, failed("not_writable", "%s is not writable: the configuration does not say so", name)
	}
	return nil, failed("item_unknown", "there is no %s", name)
}

// write writes a value, once: whether one was written that is not answered nobody
// knows.
func (b *bus) write(d *device, it *item, raw json.RawMessage) *wrong {
	data, err := it.encode(raw)
	if err != nil {
		return failed("value_wrong", "%v", err)
	}
	request := it.writing(data)
	answer, _, err := b.link.ask(byte(d.UnitID), request, confirmation(request), true)
	if err == nil && answer != nil { // nobody answers what is for all units of a line
		if err = verdictOf(request, answer); err == nil && !echoes(request, answer) {
			err = damage("it does not repeat what was written")
		}
	}
	if err != nil {
		return because(err)
	}
	return nil
}

// confirmation is how long the answer to a write is.
func confirmation(request []byte) int {
	if request[0] == maskRegister {
		return 7
	}
	return 5
}

// writing is the request that writes.
func (it *item) writing(data []byte) []byte {
	switch {
	case it.Bit != nil: // one bit of a register, and none of the others
		mask := uint16(1) << *it.Bit
		if it.ByteOrder == little {
			mask = mask<<8 | mask>>8
		}
		and, or := ^mask, uint16(0)
		if data[0] == 1 {
			or = mask
		}
		return writeRequest(maskRegister, it.Address, 0, []byte{byte(and >> 8), byte(and), byte(or >> 8), byte(or)})
	case it.WriteFunction == writeCoil:
		return writeRequest(writeCoil, it.Address, 1, []byte{0xff * (data[0] & 1), 0})
	}
	return writeRequest(byte(it.WriteFunction), it.Address, it.size, data)
}

// arguments are what RPCs are asked with.
type arguments struct {
	Tag   string          `json:"tag"`
	Value json.RawMessage `json:"value"`
	item
}

// OnRPC reads and writes: by the methods read and write, or by the tag of an item
// as the method, which writes the params to it, or reads it without them.
func (b *bus) OnRPC(m *abi.Message, step *snaprail.Step) error {
	d := b.device(m.Device)
	if d == nil {
		return b.noDevice(m, step)
	}
	var answer any
	var why *wrong
	switch m.Method {
	case "read", "write":
		var q arguments
		if err := json.Unmarshal(m.Body, &q); err != nil {
			return step.Fail(m, "not_an_object", "the parameters are a JSON object")
		}
		answer, why = b.named(d, m.Method == "write", &q)
	default:
		if _, known := d.item(m.Method, func(*item) bool { return true }); !known {
			return step.Fail(m, "method_unknown", "the method {0} is neither read nor write, nor a tag of the device", m.Method)
		}
		write := len(m.Body) > 0 && string(m.Body) != "null" && string(m.Body) != "{}"
		answer, why = b.named(d, write, &arguments{Tag: m.Method, Value: m.Body})
	}
	if why != nil {
		return step.Fail(m, why.code, "{0}", why.text)
	}
	return step.Complete(m, answer)
}

// named reads or writes one item, of the config or, where that is let, of the
// request.
func (b *bus) named(d *device, write bool, q *arguments) (any, *wrong) {
	it, why := d.asked(write, q)
	if why != nil {
		return nil, why
	}
	if write {
		if why := b.write(d, it, q.Value); why != nil {
			return nil, why
		}
		return map[string]bool{"success": true}, nil
	}
	r := read{function: it.function, address: it.Address, count: it.size}
	data, _, err := b.ask(d, &r)
	if err != nil {
		return nil, because(err)
	}
	return map[string]any{"value": plain(it.decode(r.cut(it, data)))}, nil
}

func (d *device) asked(write bool, q *arguments) (*item, *wrong) {
	if q.Tag != "" {
		if write {
			return d.writable(q.Tag)
		}
		if it, _ := d.item(q.Tag, func(*item) bool { return true }); it != nil {
			return it, nil
		}
		return nil, failed("item_unknown", "there is no %s", q.Tag)
	}
	if !d.AnyRegister {
		return nil, failed("any_register", "only tags may be named: the configuration does not set any_register")
	}
	it := q.item
	it.Tag, it.polled = "any", !write
	if field, why := it.settle(&d.unit); why != "" {
		return nil, failed("invalid", "%s %s", field, why)
	}
	return &it, nil
}

// plain is a value as JSON has it.
func plain(v abi.Value) any {
	switch v.Type() {
	case abi.ValueBool:
		return v.Bool()
	case abi.ValueInt:
		return v.Int()
	case abi.ValueUint:
		return v.Uint()
	case abi.ValueDouble:
		if f := v.Double(); f == f && f-f == 0 {
			return f
		}
		return fmt.Sprint(v.Double()) // JSON has no infinity
	case abi.ValueString:
		return v.String()
	default:
		return v.Bytes()
	}
}
