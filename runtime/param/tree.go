package param

import (
	"bytes"
	"encoding/json"
	"strings"
)

// object is a JSON object under construction, whose members stay in the order
// in which they came.
type object struct {
	names   []string
	members map[string]member
}

// member is an object or a finished value.
type member struct {
	object *object
	value  json.RawMessage
}

func newObject() *object { return &object{members: map[string]member{}} }

// set puts a value at a key. It reports false when there is something already,
// or a value where an object has to be.
func (o *object) set(key string, value json.RawMessage) bool {
	at := o
	for {
		part, rest, more := strings.Cut(key, ".")
		m, found := at.members[part]
		if !more {
			if !found {
				at.add(part, member{value: value})
			}
			return !found
		}
		if !found {
			m = member{object: newObject()}
			at.add(part, m)
		}
		if m.object == nil {
			return false
		}
		at, key = m.object, rest
	}
}

func (o *object) add(name string, m member) {
	o.names = append(o.names, name)
	o.members[name] = m
}

// write writes the object as JSON.
func (o *object) write(b *bytes.Buffer) {
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quoted(name))
		b.WriteByte(':')
		if m := o.members[name]; m.object != nil {
			m.object.write(b)
		} else {
			b.Write(m.value)
		}
	}
	b.WriteByte('}')
}

func (o *object) raw() json.RawMessage {
	var b bytes.Buffer
	o.write(&b)
	return b.Bytes()
}

// quoted is a text as JSON, with nothing escaped that need not be.
func quoted(text string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(text); err != nil {
		return json.RawMessage(`""`) // a string always encodes
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func join(items []json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(item)
	}
	b.WriteByte(']')
	return b.Bytes()
}
