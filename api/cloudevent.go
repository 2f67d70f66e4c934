package api

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
)

// The forms of a record on a stream.
const (
	formatRecord     = "record"
	formatCloudEvent = "cloudevents"
)

// eventType begins the type of every event; the kind of the record follows.
const eventType = "io.snaprail."

// headerService is the header of an event record that names its service.
const headerService = "service"

// cloudEvents writes records as CloudEvents 1.0 in structured JSON. The id is
// the record's key, so that an event that comes twice is known as one, and the
// source is its connector; both stay the same for ever.
//
// A payload without points is the data, as it is. Anything else is an object
// with the members that a record has on the stream.
type cloudEvents struct {
	tenant string // "/tenants/" and its name, as a part of a URI
}

func newCloudEvents(tenant string) cloudEvents {
	return cloudEvents{"/tenants/" + url.PathEscape(tenant)}
}

// append appends one record as one line.
func (e cloudEvents) append(dst []byte, r *control.Record) []byte {
	dst = append(dst, `{"specversion":"1.0","id":`...)
	dst = appendString(dst, r.Key)
	dst = append(dst, `,"source":`...)
	dst = appendString(dst, e.source(r))
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, eventType+r.Kind)
	if r.Device != "" {
		dst = append(dst, `,"subject":`...)
		dst = appendString(dst, r.Device)
		dst = append(dst, `,"partitionkey":`...)
		dst = appendString(dst, r.Device)
	}
	dst = append(dst, `,"time":`...)
	dst = appendTime(dst, r.Time)
	dst = append(dst, `,"received":`...)
	dst = appendTime(dst, r.Received)
	dst = append(dst, `,"position":`...)
	dst = appendString(dst, r.Position)
	if r.Connector != "" {
		dst = appendSequence(dst, r)
	}
	if r.Topic != "" {
		dst = append(dst, `,"topic":`...)
		dst = appendString(dst, r.Topic)
	}
	dst = appendExtensions(dst, r.Headers)
	dst = appendData(dst, r)
	return append(dst, '}')
}

// source is whose record it is: a connector's, or the stream's own.
func (e cloudEvents) source(r *control.Record) string {
	if r.Connector == "" {
		return e.tenant + "/stream"
	}
	return e.tenant + "/connectors/" + r.Connector
}

// appendSequence appends epoch and sequence. Both are texts, since a number of
// CloudEvents has 32 bits, and the sequence sorts as one (extension sequence).
func appendSequence(dst []byte, r *control.Record) []byte {
	const digits = 20
	n := strconv.FormatUint(r.Sequence, 10)
	dst = append(dst, `,"epoch":"`...)
	dst = strconv.AppendUint(dst, r.Epoch, 10)
	dst = append(dst, `","sequence":"`...)
	dst = append(dst, strings.Repeat("0", digits-len(n))...)
	return append(append(dst, n...), '"')
}

// appendExtensions appends the service of an event, and all headers as one text
// of JSON, since an attribute is no list.
func appendExtensions(dst []byte, headers []abi.Header) []byte {
	if len(headers) == 0 {
		return dst
	}
	for i := range headers {
		if headers[i].Name == headerService && isText(headers[i].Value) {
			dst = append(dst, `,"service":`...)
			dst = appendString(dst, headers[i].Value)
			break
		}
	}
	list := appendHeaders(nil, headers)
	dst = append(dst, `,"headers":`...)
	return appendString(dst, strings.TrimPrefix(string(list), `,"headers":`))
}

// appendData appends the data with its content type. JSON that is none, and
// bytes, are in base64.
func appendData(dst []byte, r *control.Record) []byte {
	payload := r.Payload
	switch {
	case len(r.Points) > 0:
		dst = append(dst, `,"datacontenttype":"application/json","data":{"kind":`...)
		dst = appendString(dst, r.Kind)
		dst = appendPoints(dst, lastOfEach(r.Points), r.Time)
		dst = appendPayload(dst, r.Content, payload)
		return append(dst, '}')
	case len(payload) == 0:
		return dst
	case isJSON(r.Content) && utf8.Valid(payload) && json.Valid(payload):
		dst = append(dst, `,"datacontenttype":`...)
		dst = appendString(dst, r.Content)
		dst = append(dst, `,"data":`...)
		return appendCompact(dst, payload)
	case isText(payload) && !isJSON(r.Content):
		dst = append(dst, `,"datacontenttype":`...)
		dst = appendString(dst, cmp.Or(r.Content, "text/plain"))
		dst = append(dst, `,"data":`...)
		return appendString(dst, payload)
	}
	dst = append(dst, `,"datacontenttype":`...)
	dst = appendString(dst, cmp.Or(r.Content, typeBytes))
	dst = append(dst, `,"data_base64":`...)
	return appendBase64(dst, payload)
}
