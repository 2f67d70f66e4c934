package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/connectors"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/go/mqtt"
)

// said is a message of the platform, in all its forms.
type said struct {
	ID     uint64          `json:"id"`
	Device string          `json:"device"`
	Data   json.RawMessage `json:"data"`
	Value  json.RawMessage `json:"value"`
	Values json.RawMessage `json:"values"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// maxSaid bounds a message of the platform, in bytes.
const maxSaid = 256 << 10

// receive does what a message of the platform says. What is wrong with it goes to
// the log.
func (g *gateway) receive(m *abi.MQTTMessage, step *snaprail.Step) {
	var s said
	if own, ok := strings.CutPrefix(m.Topic, topicOwnResponse); ok {
		g.answered(own, bytes.Clone(m.Payload), step)
		return
	}
	if len(m.Payload) > maxSaid || json.Unmarshal(m.Payload, &s) != nil {
		log.Warning("the platform said to " + m.Topic + " what is not JSON, or too long")
		return
	}
	switch {
	case m.Topic == topicAttributes:
		g.update(s.Device, s.Data)
	case m.Topic == topicResponse:
		g.response(&s, step)
	case m.Topic == topicRPC:
		g.rpc(&s)
	case strings.HasPrefix(m.Topic, topicOwnRPC):
		g.own(strings.TrimPrefix(m.Topic, topicOwnRPC), &s)
	}
}

// update passes shared attributes on to the connector of their device.
func (g *gateway) update(name string, data json.RawMessage) {
	if name == "" || len(data) == 0 {
		return // attributes of ours, where a broker hands them back
	}
	d := g.devices.byName[name]
	if d == nil {
		log.Warning("attributes of the device " + clip(name) + ", which is not known")
		return
	}
	data, deleted := withoutDeleted(data)
	if deleted > 0 {
		log.Info("attributes of " + d.Name + " were deleted on the platform: nothing is written")
	}
	if len(data) == 0 {
		return
	}
	_, err := g.ask(d, &abi.Message{Type: abi.MessageAttributes, Body: data})
	if err != nil {
		log.Warning("attributes of " + d.Name + " were not set: " + err.Error())
	}
}

// withoutDeleted takes the list of deleted attributes off an update, which has no
// value to write. An update of nothing else is nil.
func withoutDeleted(data json.RawMessage) (rest json.RawMessage, deleted int) {
	var all map[string]json.RawMessage
	if json.Unmarshal(data, &all) != nil {
		return nil, 0
	}
	var gone []string
	if list, there := all["deleted"]; there && json.Unmarshal(list, &gone) == nil {
		delete(all, "deleted")
	}
	if len(all) == 0 {
		return nil, len(gone)
	}
	rest, err := json.Marshal(all)
	if err != nil {
		return nil, len(gone)
	}
	return rest, len(gone)
}

// ask sends a message to the connector of a device and waits for the answer: the
// body of the last reply that has one.
func (g *gateway) ask(d *device, m *abi.Message) ([]byte, error) {
	m.Device, m.ContentType = d.ID, "application/json"
	replies, err := connectors.Call(d.Connector, m, snaprail.Seconds(g.config.RPCTimeout))
	if err != nil {
		return nil, err
	}
	var body []byte
	for i := range replies {
		r := &replies[i]
		if r.Status == abi.ReplyError && r.Err != nil {
			said := *r.Err
			return nil, &said
		}
		if len(r.Body) > 0 {
			body = bytes.Clone(r.Body)
		}
	}
	return body, nil
}

// rpc passes a call on to the connector of its device, and the answer back.
func (g *gateway) rpc(s *said) {
	var call struct {
		ID     json.Number     `json:"id"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if json.Unmarshal(s.Data, &call) != nil || call.ID == "" || call.Method == "" {
		return // none: an answer of ours, where a broker hands it back
	}
	answer := func(data []byte) {
		body := append([]byte(`{"device":`), quoted(s.Device)...)
		body = append(append(body, `,"id":`...), call.ID.String()...)
		body = append(append(body, `,"data":`...), data...)
		g.tell(mqtt.Message{Topic: topicRPC, QoS: 1, Payload: append(body, '}')})
	}
	d := g.devices.byName[s.Device]
	if d == nil {
		answer(failure(&abi.Error{Code: "device_unknown", Text: "there is no device " + clip(s.Device)}))
		return
	}
	if len(call.Params) == 0 {
		call.Params = json.RawMessage("{}")
	}
	id := rpcID(s.Device, call.ID.String(), call.Method, call.Params)
	if data, known := g.made.Find(id); known {
		log.Info("the RPC " + clip(call.ID.String()) + " of " + d.Name + " came again: it was answered, and not made")
		answer(data)
		return
	}
	g.begin(id)
	body, err := g.ask(d, &abi.Message{Type: abi.MessageRPC, Method: call.Method, Body: call.Params})
	data := success(body)
	if err != nil {
		data = failure(err)
	}
	g.keepDone(id, data)
	answer(data)
}

// success is the answer of a connector as the platform takes it: an object as it
// is, anything else as its result, and nothing as {"success":true}.
func success(body []byte) []byte {
	trimmed := bytes.TrimSpace(body)
	switch {
	case len(trimmed) == 0:
		return []byte(`{"success":true}`)
	case !json.Valid(trimmed):
		return member("result", quoted(string(trimmed)))
	case trimmed[0] == '{':
		return trimmed
	default:
		return member("result", trimmed)
	}
}

func failure(err error) []byte {
	e := entry{}
	e.add("success", []byte("false"))
	e.add("error", quoted(err.Error()))
	return append(e.body, '}')
}

// own answers a call to the gateway itself.
func (g *gateway) own(id string, s *said) {
	var data []byte
	switch s.Method {
	case "gateway_ping":
		data = []byte(`{"code":200,"resp":"pong"}`)
	case "gateway_devices":
		names := map[string]string{}
		for _, d := range g.devices.list {
			if !d.Gone {
				names[d.Name] = d.Connector
			}
		}
		list, err := json.Marshal(map[string]any{"code": 200, "resp": names})
		if err != nil {
			return
		}
		data = list
	default:
		data = failure(&abi.Error{Code: "method_unknown", Text: "the gateway has gateway_ping and gateway_devices, not " + clip(s.Method)})
	}
	g.tell(mqtt.Message{Topic: topicOwnResponse + id, QoS: 1, Payload: data})
}

// tell publishes an answer. One that fails is not tried again: whoever asked has
// stopped waiting by then.
func (g *gateway) tell(m mqtt.Message) {
	results, err := g.session.PublishWithin(tellTime, m)
	if err == nil && len(results) == 1 && results[0].Code != "" {
		err = refused(results[0])
	}
	if err != nil {
		log.Warning("an answer to " + m.Topic + " was not sent: " + err.Error())
	}
}

// question is a question to the platform that is open.
type question struct {
	device      string
	keys        []string
	correlation string // of the message that waits; empty: the device's connector
	deadline    int64  // unix ns
}

// asked are the questions that are open. The ids, of 31 bits as the platform has
// them, go on from the time of the start, so that no answer to a guest before this
// one is taken for one to it.
type asked struct {
	last uint64
	open map[uint64]question
}

func newAsked(ms int64) asked { return asked{last: uint64(ms) & maxID, open: map[uint64]question{}} }

// maxAsked bounds the questions that are open.
const maxAsked = 10_000

const maxID = 1<<30 - 1

// add notes a question, and forgets those whose time is over.
func (a *asked) add(q question) uint64 {
	now := time.Now().UnixNano()
	if len(a.open) >= maxAsked {
		for id, old := range a.open {
			if old.deadline < now {
				delete(a.open, id)
			}
		}
	}
	a.last = a.last&maxID + 1
	q.deadline = cmp.Or(q.deadline, now+int64(time.Minute))
	if len(a.open) < maxAsked {
		a.open[a.last] = q
	}
	return a.last
}

// request is a question for attributes of a device.
func (g *gateway) request(name string, client bool, keys []string, q question) mqtt.Message {
	id := g.asked.add(q)
	e := entry{}
	e.add("id", []byte(number(id)))
	e.add("device", quoted(name))
	is := "false"
	if client {
		is = "true"
	}
	e.add("client", []byte(is))
	list, err := json.Marshal(keys)
	if err != nil {
		list = []byte("[]")
	}
	e.add("keys", list)
	return mqtt.Message{Topic: topicRequest, QoS: 1, Payload: append(e.body, '}')}
}

// response takes the answer to a question for attributes: to whoever asked, or to
// the connector of the device.
func (g *gateway) response(s *said, step *snaprail.Step) {
	q, there := g.asked.open[s.ID]
	if !there {
		return
	}
	delete(g.asked.open, s.ID)
	values := s.Values
	if len(values) == 0 && len(s.Value) > 0 && len(q.keys) == 1 {
		values = member(q.keys[0], s.Value)
	}
	if len(values) == 0 {
		values = json.RawMessage("{}")
	}
	if q.correlation != "" {
		step.Reply(abi.Reply{Correlation: q.correlation, ContentType: "application/json", Body: bytes.Clone(values)})
		return
	}
	if string(values) != "{}" {
		g.update(q.device, values)
	}
}

// answered takes the answer to a call of the platform by us.
func (g *gateway) answered(id string, body []byte, step *snaprail.Step) {
	for open, q := range g.asked.open {
		if number(open) != id {
			continue
		}
		delete(g.asked.open, open)
		if !json.Valid(body) {
			body = member("result", quoted(string(body)))
		}
		step.Reply(abi.Reply{Correlation: q.correlation, ContentType: "application/json", Body: body})
		return
	}
}

// arguments are those of OnRPC.
type arguments struct {
	Method     string          `json:"method"`
	Params     json.RawMessage `json:"params"`
	Device     string          `json:"device"`
	Keys       []string        `json:"keys"`
	Client     bool            `json:"client"`
	SecretKey  string          `json:"secretKey"`
	DurationMS int64           `json:"durationMs"`
}

// OnRPC asks the platform: call (an RPC from here), attributes (of a device), claim
// and disconnect.
func (g *gateway) OnRPC(m *abi.Message, step *snaprail.Step) error {
	var q arguments
	if err := json.Unmarshal(m.Body, &q); err != nil {
		return step.Fail(m, "not_an_object", "the parameters are a JSON object")
	}
	name := cmp.Or(q.Device, m.Device)
	d := g.devices.byName[name]
	open := question{device: name, keys: q.Keys, correlation: strings.Clone(m.Correlation), deadline: m.Deadline}
	switch m.Method {
	case "call":
		if q.Method == "" {
			return step.Fail(m, "method_missing", "a call to the platform has a method")
		}
		return g.call(&q, open)
	case "attributes":
		if d == nil || len(q.Keys) == 0 {
			return step.Fail(m, "device_unknown", "attributes are those of a device that is connected, by their keys")
		}
		return g.sendNow(g.request(name, q.Client, q.Keys, open))
	case "claim":
		if d == nil {
			return step.Fail(m, "device_unknown", "there is no device {0}", clip(name))
		}
		return g.done(m, step, claim(name, &q))
	case "disconnect":
		if d == nil {
			return step.Fail(m, "device_unknown", "there is no device {0}", clip(name))
		}
		gone := g.disconnect(d)
		g.devices.save()
		return g.done(m, step, gone.Message)
	default:
		return step.Fail(m, "method_unknown", "the method {0} is none of call, attributes, claim and disconnect", m.Method)
	}
}

func (g *gateway) call(q *arguments, open question) error {
	id := g.asked.add(open)
	e := entry{}
	e.add("method", quoted(q.Method))
	params := q.Params
	if len(params) == 0 {
		params = json.RawMessage("{}")
	}
	e.add("params", params)
	return g.sendNow(mqtt.Message{Topic: topicOwnRPC + number(id), QoS: 1, Payload: append(e.body, '}')})
}

func claim(name string, q *arguments) mqtt.Message {
	e := entry{}
	if q.SecretKey != "" {
		e.add("secretKey", quoted(q.SecretKey))
	}
	e.add("durationMs", []byte(number(uint64(max(q.DurationMS, 0)))))
	return mqtt.Message{Topic: topicClaim, QoS: 1, Payload: member(name, append(e.body, '}'))}
}

func (g *gateway) done(m *abi.Message, step *snaprail.Step, told mqtt.Message) error {
	if err := g.sendNow(told); err != nil {
		return err
	}
	return step.Success(m)
}

func (g *gateway) sendNow(m mqtt.Message) error {
	if err := g.ready(); err != nil {
		return err
	}
	return g.sendAll(message{Message: m})
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 64)], "") }
