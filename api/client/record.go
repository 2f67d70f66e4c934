package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Record is one record of the stream.
type Record struct {
	Position    string            `json:"position"`
	Key         string            `json:"key"`
	Connector   string            `json:"connector"`
	Device      string            `json:"device"`
	Kind        string            `json:"kind"`
	Time        time.Time         `json:"time"`
	Received    time.Time         `json:"received"`
	Epoch       uint64            `json:"epoch"`
	Sequence    uint64            `json:"sequence"`
	SourceKey   string            `json:"source_key"` // the source's name for it; empty: it gives none
	Values      Values            `json:"values"`
	Units       map[string]string `json:"units"`
	Quality     map[string]uint32 `json:"quality"`
	ContentType string            `json:"content_type"`
	Payload     json.RawMessage   `json:"payload"`
	Base64      []byte            `json:"payload_base64"`

	// Raw is the record as the server sent it.
	Raw json.RawMessage `json:"-"`
}

// Values are the values of a record, in its order.
type Values []Value

// Value is one of them. JSON is its value as the server wrote it.
type Value struct {
	Name string
	JSON json.RawMessage
}

// UnmarshalJSON keeps the order of the object's members.
func (v *Values) UnmarshalJSON(src []byte) error {
	*v = nil
	dec := json.NewDecoder(bytes.NewReader(src))
	if t, err := dec.Token(); err != nil || t == nil {
		return err
	} else if t != json.Delim('{') {
		return fmt.Errorf("values: want an object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		*v = append(*v, Value{Name: name.(string), JSON: raw}) //nolint:forcetypeassert // names are strings
	}
	return nil
}

func parseRecord(raw []byte) (r Record, err error) {
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, err
	}
	r.Raw = bytes.Clone(raw)
	return r, nil
}
