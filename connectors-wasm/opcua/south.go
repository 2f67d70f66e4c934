package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/opcua"
)

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

// wrong is why something was not done: a code and a text.
type wrong struct{ code, text string }

func failed(code, format string, args ...any) *wrong {
	return &wrong{code, fmt.Sprintf(format, args...)}
}

// OnAttributes writes an update to the items of its names, in their order, all
// with one request. Each has a result of its own.
func (p *plant) OnAttributes(m *abi.Message, step *snaprail.Step) error {
	var update map[string]json.RawMessage
	if err := json.Unmarshal(m.Body, &update); err != nil {
		return step.Fail(m, "not_an_object", "an update is a JSON object of attributes")
	}
	names := slices.Sorted(maps.Keys(update))
	results := make([]result, len(names))
	var writes []opcua.Write
	var of []int // the result of each write
	for i, name := range names {
		w, why := p.writeOf(m.Device, name, update[name])
		results[i] = told(name, why)
		if why == nil {
			writes, of = append(writes, w), append(of, i)
		}
	}
	if len(writes) > 0 {
		statuses, err := p.server.Write(writes...)
		if err != nil {
			return err
		}
		for i, s := range statuses {
			if s.Bad() {
				results[of[i]] = told(names[of[i]], failed("not_written", "the server refused %s with %v", writes[i].Node, s))
			}
		}
	}
	if len(results) == 0 {
		return step.Empty(m)
	}
	return step.Complete(m, results)
}

func told(name string, why *wrong) result {
	if why == nil {
		return result{Item: name, Success: true}
	}
	return result{Item: name, Error: &resultText{why.code, why.text}}
}

// writeOf is a value for an item, of the type that the server has there.
func (p *plant) writeOf(device, name string, raw json.RawMessage) (w opcua.Write, why *wrong) {
	at := slices.IndexFunc(p.Items, func(it item) bool { return it.Name == name && (device == "" || it.Device == device) })
	if at < 0 {
		return w, failed("item_unknown", "there is no item %s", name)
	}
	if !p.Items[at].Writable {
		return w, failed("not_writable", "the item %s is not writable: its configuration does not say so", name)
	}
	kind := p.kinds[at]
	if kind == opcua.KindNull {
		if kind, why = p.kindOf(p.Items[at].Node); why != nil {
			return w, why
		}
		p.kinds[at] = kind
	}
	return write(p.Items[at].Node, kind, raw)
}

// kindOf asks the server for the type of a node's value.
func (p *plant) kindOf(node string) (opcua.Kind, *wrong) {
	values, err := p.server.Read(opcua.Node{Node: node})
	if err != nil {
		return 0, failed("not_read", "%v", err)
	}
	kind, array := opcua.KindOf(values[0].Variant)
	if kind == opcua.KindNull || array {
		return 0, failed("type_unknown", "the server has no single value at %s: %v", node, opcua.Status(values[0].Status))
	}
	return kind, nil
}

func write(node string, kind opcua.Kind, raw json.RawMessage) (w opcua.Write, why *wrong) {
	text := string(bytes.TrimSpace(raw))
	if len(text) > 0 && text[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return w, failed("value_wrong", "%v", err)
		}
	}
	v, err := opcua.Parse(kind, text)
	if err != nil {
		return w, failed("value_wrong", "%s is no value for %s: %v", clip(text), node, err)
	}
	return opcua.Write{Node: node, Value: &opcua.Data{Variant: v}}, nil
}

func clip(s string) string { return s[:min(len(s), 64)] }

// arguments are what RPCs and queries are asked with.
type arguments struct {
	Item      string          `json:"item"`
	Node      string          `json:"node"`
	Type      opcua.Kind      `json:"type"`
	Value     json.RawMessage `json:"value"`
	Object    string          `json:"object"`
	Method    string          `json:"method"`
	Arguments []struct {
		Type  opcua.Kind      `json:"type"`
		Value json.RawMessage `json:"value"`
	} `json:"arguments"`
	Limit int `json:"limit"`
}

// OnRPC reads, writes and calls.
func (p *plant) OnRPC(m *abi.Message, step *snaprail.Step) error {
	var q arguments
	if err := json.Unmarshal(m.Body, &q); err != nil {
		return step.Fail(m, "not_an_object", "the parameters are a JSON object")
	}
	var answer any
	var why *wrong
	var err error
	switch m.Method {
	case "read":
		answer, why, err = p.read(m.Device, &q)
	case "write":
		answer, why, err = p.write(m.Device, &q)
	case "call":
		answer, why, err = p.call(&q)
	default:
		return step.Fail(m, "method_unknown", "the method {0} is none of read, write and call", m.Method)
	}
	switch {
	case err != nil:
		return err
	case why != nil:
		return step.Fail(m, why.code, "{0}", why.text)
	}
	return step.Complete(m, answer)
}

// node is the node of an item, or one that is named itself, where that is let.
func (p *plant) node(device string, q *arguments) (string, *wrong) {
	for _, it := range p.Items {
		if q.Item != "" && it.Name == q.Item && (device == "" || it.Device == device) {
			return it.Node, nil
		}
	}
	switch {
	case q.Item != "":
		return "", failed("item_unknown", "there is no item %s", q.Item)
	case !p.AnyNode:
		return "", failed("any_node", "only items may be named: the configuration does not set any_node")
	}
	return q.Node, nil
}

// value is one value in JSON.
type value struct {
	Value   any          `json:"value"`
	Variant []byte       `json:"variant,omitempty"` // of an array or a structure
	Type    opcua.Kind   `json:"type"`
	Status  opcua.Status `json:"status"`
	Time    int64        `json:"source_time,omitempty"` // unix ns
}

func valueOf(d *opcua.Data) value {
	kind, _ := opcua.KindOf(d.Variant)
	v := value{Type: kind, Status: opcua.Status(d.Status), Time: opcua.UnixNS(d.SourceTicks)}
	single, ok := opcua.Value(d.Variant)
	switch {
	case !ok:
		v.Variant = d.Variant
	case single.Type() == abi.ValueBool:
		v.Value = single.Bool()
	case single.Type() == abi.ValueInt:
		v.Value = single.Int()
	case single.Type() == abi.ValueUint:
		v.Value = single.Uint()
	case single.Type() == abi.ValueBytes:
		v.Value = base64.StdEncoding.EncodeToString(single.Bytes())
	case single.Type() == abi.ValueDouble:
		v.Value = single.Double()
		if d := single.Double(); math.IsNaN(d) || math.IsInf(d, 0) {
			v.Value = fmt.Sprint(d) // JSON has none
		}
	default:
		v.Value = single.String()
	}
	return v
}

func (p *plant) read(device string, q *arguments) (any, *wrong, error) {
	node, why := p.node(device, q)
	if why != nil {
		return nil, why, nil
	}
	values, err := p.server.Read(opcua.Node{Node: node})
	if err != nil {
		return nil, nil, err
	}
	return valueOf(&values[0]), nil, nil
}

func (p *plant) write(device string, q *arguments) (any, *wrong, error) {
	var w opcua.Write
	var why *wrong
	if q.Item != "" {
		w, why = p.writeOf(device, q.Item, q.Value)
	} else {
		var node string
		if node, why = p.node(device, q); why == nil && q.Type == opcua.KindNull {
			q.Type, why = p.kindOf(node)
		}
		if why == nil {
			w, why = write(node, q.Type, q.Value)
		}
	}
	if why != nil {
		return nil, why, nil
	}
	statuses, err := p.server.Write(w)
	if err != nil {
		return nil, nil, err
	}
	if statuses[0].Bad() {
		return nil, failed("not_written", "the server refused %s with %v", w.Node, statuses[0]), nil
	}
	return map[string]bool{"success": true}, nil, nil
}

func (p *plant) call(q *arguments) (any, *wrong, error) {
	if !p.AnyNode {
		return nil, failed("any_node", "methods may be called where the configuration sets any_node"), nil
	}
	var in []opcua.Variant
	for i, a := range q.Arguments {
		w, why := write(fmt.Sprintf("argument %d", i+1), a.Type, a.Value)
		if why != nil {
			return nil, why, nil
		}
		in = append(in, w.Value.Variant)
	}
	outputs, status, err := p.server.Call(q.Object, q.Method, in...)
	if err != nil {
		return nil, nil, err
	}
	if status.Bad() {
		return nil, failed("not_called", "the server refused %s with %v", q.Method, status), nil
	}
	list := make([]value, len(outputs))
	for i, o := range outputs {
		list[i] = valueOf(&opcua.Data{Variant: o})
	}
	return map[string]any{"outputs": list}, nil, nil
}

// The bound of one browse, when none is asked for.
const defaultLimit = 10_000

// reference is one node that was found.
type reference struct {
	Node        string `json:"node"`
	BrowseName  string `json:"browse_name"`
	DisplayName string `json:"display_name"`
	Class       uint32 `json:"class"`
	Type        string `json:"type_definition,omitempty"`
}

// OnQuery browses: the nodes below one, page by page.
func (p *plant) OnQuery(m *abi.Message, step *snaprail.Step) error {
	var q arguments
	if len(m.Body) > 0 {
		if err := json.Unmarshal(m.Body, &q); err != nil {
			return step.Fail(m, "not_an_object", "a query is a JSON object, as in {\"node\": \"i=85\"}")
		}
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	ask := opcua.Browse{Node: q.Node}
	for left := q.Limit; ; {
		page, cursor, status, err := p.server.Browse(ask)
		if err != nil {
			return err
		}
		if status.Bad() {
			return step.Fail(m, "not_browsed", "the server refused to browse {0} with {1}", q.Node, status.String())
		}
		list := make([]reference, 0, len(page))
		for _, r := range page[:min(len(page), left)] {
			list = append(list, reference{r.Node, r.BrowseName, r.DisplayName, r.Class, r.TypeDefinition})
		}
		if left -= len(list); cursor == 0 || left == 0 {
			return step.Complete(m, list)
		}
		if err := step.Partial(m, list); err != nil {
			return err
		}
		if _, err := snaprail.Emit(step); err != nil { // or all pages would be held at once
			return err
		}
		ask.Cursor = cursor
	}
}
