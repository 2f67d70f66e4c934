package main

import (
	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/kafka"
	"github.com/snaprail/snaprail/guest-sdk/go/recordjson"
)

// The headers that each message has beside the record's own.
const (
	headerID        = "snaprail-id"
	headerDevice    = "snaprail-device"
	headerConnector = "snaprail-connector"
	headerKind      = "snaprail-kind"
	headerType      = "content-type"
)

// ownHeaders is how many of those there are at most.
const ownHeaders = 5

// source is what the messages of many records have in common.
type source struct {
	connector, device, contentType string
	kind                           abi.Kind
}

// form is what is made of it once.
type form struct {
	source

	topic string
	wrong string // why there is no topic
	abi.KafkaForm

	// number is that of the form in the draft of a bundle of a call; 0: it had no room.
	number uint32
	bundle int
	call   uint64
}

// maxForms bounds the forms that are kept.
const maxForms = 512

// formOf is the form of a record. Most often it is that of the record before.
func (s *sink) formOf(part *abi.DeliverPart, r *abi.Record, contentType string) *form {
	if f := s.form; f != nil && f.device == r.Device && f.connector == part.Connector && f.contentType == contentType && f.kind == r.Kind {
		return f
	}
	from := source{part.Connector, r.Device, contentType, r.Kind}
	f := s.forms[from]
	if f == nil {
		if len(s.forms) >= maxForms {
			clear(s.forms)
		}
		f = s.config.form(part, r, from)
		s.forms[from] = f
	}
	s.form = f
	return f
}

func (c *config) form(part *abi.DeliverPart, r *abi.Record, from source) *form {
	f := &form{source: from, KafkaForm: abi.KafkaForm{Key: []byte(r.Device), IDHeader: headerID}}
	var err error
	if f.topic, err = c.topic.of(part, r); err != nil {
		f.wrong = err.Error()
	}
	if c.Headers {
		f.add(headerDevice, r.Device)
		f.add(headerConnector, part.Connector)
		f.add(headerKind, r.Kind.String())
		if from.contentType != "" {
			f.add(headerType, from.contentType)
		}
	}
	return f
}

func (f *form) add(name, value string) {
	f.Headers = append(f.Headers, abi.Header{Name: name, Value: []byte(value)})
}

// message makes the message of a record in d.kafka, but for what it has of its form,
// which it answers. All of it is good until the next one.
func (d *delivery) message(part *abi.DeliverPart, i int) *form {
	r, m := &part.Batch.Records[i], &d.kafka
	contentType := r.ContentType
	switch {
	case d.config.Value == valueJSON:
		d.value = recordjson.Of(d.value[:0], part, i)
		m.Value, contentType = d.value, recordjson.ContentType
	case r.Payload != nil:
		m.Value = r.Payload
	case len(r.Points) == 0:
		m.Value = d.value[:0] // one that is not there is a deletion
	default:
		d.value = recordjson.Values(d.value[:0], r.Points)
		m.Value, contentType = d.value, recordjson.ContentType
	}
	f := d.formOf(part, r, contentType)
	m.Time, m.Key = r.Time, nil
	if d.config.Key == keyRecord && len(r.Key) > 0 {
		m.Key = r.Key
	}
	own := r.Headers
	if over := len(own) + ownHeaders - abi.MaxHeaders; over > 0 {
		own = own[over:] // those that came first are too many
	}
	m.Headers = append(m.Headers[:0], own...)
	return f
}

// add puts the message of a record into a draft.
func (d *delivery) add(to *kafka.Draft, f *form, number uint32) {
	m := &d.kafka
	if m.Form = number; number == 0 { // too large for a form
		m.Headers = append(append(m.Headers, abi.Header{Name: headerID, Value: d.id}), f.Headers...)
		if m.Key == nil {
			m.Key = f.Key
		}
	}
	to.Add(m, d.id)
}
