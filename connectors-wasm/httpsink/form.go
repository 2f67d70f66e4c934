package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// The forms of a batch.
const (
	formatJSON       = "json"        // a list
	formatLines      = "ndjson"      // a line each
	formatCloudEvent = "cloudevents" // a batch of CloudEvents 1.0
)

// eventType begins the type of every CloudEvent, as on the server's own stream.
const eventType = "io.snaprail."

func contentType(format string) string {
	switch format {
	case formatLines:
		return "application/x-ndjson"
	case formatCloudEvent:
		return "application/cloudevents-batch+json"
	}
	return "application/json"
}

// between stands before each record of a batch.
func between(dst []byte, format string, first bool) []byte {
	switch {
	case format == formatLines:
		return dst
	case first:
		return append(dst, '[')
	}
	return append(dst, ',')
}

func end(dst []byte, format string) []byte {
	if format == formatLines {
		return dst
	}
	return append(dst, ']')
}

// appendRecord writes one record of a part. Its members have the names that they
// have on the server's own stream.
func appendRecord(dst []byte, format string, part *abi.DeliverPart, i int) []byte {
	r := &part.Batch.Records[i]
	if format == formatCloudEvent {
		return appendEvent(dst, part, r, i)
	}
	dst = append(dst, `{"key":`...)
	dst = appendText(dst, part.Key(i))
	dst = append(dst, `,"connector":`...)
	dst = appendText(dst, part.Connector)
	dst = append(dst, `,"device":`...)
	dst = appendText(dst, r.Device)
	dst = append(dst, `,"kind":`...)
	dst = appendText(dst, kindOf(r.Kind))
	dst = append(dst, `,"time":`...)
	dst = appendTime(dst, r.Time)
	dst = append(dst, `,"received":`...)
	dst = appendTime(dst, part.Received)
	dst = append(dst, `,"epoch":`...)
	dst = strconv.AppendUint(dst, part.Epoch, 10)
	dst = append(dst, `,"sequence":`...)
	dst = strconv.AppendUint(dst, part.First+uint64(i), 10)
	if len(r.Key) > 0 {
		dst = append(dst, `,"record_key":`...)
		dst = appendText(dst, string(r.Key))
	}
	dst = appendHeaders(dst, r.Headers)
	dst = appendContent(dst, r)
	dst = append(dst, '}')
	if format == formatLines {
		dst = append(dst, '\n')
	}
	return dst
}

func appendEvent(dst []byte, part *abi.DeliverPart, r *abi.Record, i int) []byte {
	dst = append(dst, `{"specversion":"1.0","id":`...)
	dst = appendText(dst, part.Key(i))
	dst = append(dst, `,"source":`...)
	dst = appendText(dst, "/connectors/"+part.ID)
	dst = append(dst, `,"type":`...)
	dst = appendText(dst, eventType+kindOf(r.Kind))
	if r.Device != "" {
		dst = append(dst, `,"subject":`...)
		dst = appendText(dst, r.Device)
		dst = append(dst, `,"partitionkey":`...)
		dst = appendText(dst, r.Device)
	}
	dst = append(dst, `,"time":`...)
	dst = appendTime(dst, r.Time)
	switch {
	case len(r.Points) > 0:
		dst = append(dst, `,"datacontenttype":"application/json","data":{"kind":`...)
		dst = appendText(dst, kindOf(r.Kind))
		return append(appendContent(dst, r), "}}"...)
	case len(r.Payload) == 0:
		return append(dst, '}')
	}
	dst = append(dst, `,"datacontenttype":`...)
	dst = appendText(dst, contentOf(r))
	switch {
	case isJSON(r.ContentType) && json.Valid(r.Payload):
		dst = appendCompact(append(dst, `,"data":`...), r.Payload)
	case strings.HasPrefix(r.ContentType, "text/") && utf8.Valid(r.Payload):
		dst = appendText(append(dst, `,"data":`...), string(r.Payload))
	default:
		dst = appendBase64(append(dst, `,"data_base64":`...), r.Payload)
	}
	return append(dst, '}')
}

// appendContent writes what a record says: its values, and its payload.
func appendContent(dst []byte, r *abi.Record) []byte {
	if len(r.Points) > 0 {
		dst = append(dst, `,"values":{`...)
		last := map[string]int{} // an object has each name once: the last value counts
		for i := range r.Points {
			last[r.Points[i].Name] = i
		}
		comma := false
		for i := range r.Points {
			p := &r.Points[i]
			if last[p.Name] != i {
				continue
			}
			if comma {
				dst = append(dst, ',')
			}
			comma = true
			dst = append(appendText(dst, p.Name), ':')
			dst = appendValue(dst, p.Value)
		}
		dst = appendUnits(append(dst, '}'), r.Points, last)
	}
	if len(r.Payload) == 0 {
		return dst
	}
	dst = append(dst, `,"content_type":`...)
	dst = appendText(dst, contentOf(r))
	switch {
	case isJSON(r.ContentType) && json.Valid(r.Payload):
		return appendCompact(append(dst, `,"payload":`...), r.Payload)
	case strings.HasPrefix(r.ContentType, "text/") && utf8.Valid(r.Payload):
		return appendText(append(dst, `,"payload":`...), string(r.Payload))
	}
	return appendBase64(append(dst, `,"payload_base64":`...), r.Payload)
}

func appendUnits(dst []byte, points []abi.Point, last map[string]int) []byte {
	comma := false
	for i := range points {
		p := &points[i]
		if p.Unit == "" || last[p.Name] != i {
			continue
		}
		if !comma {
			dst = append(dst, `,"units":{`...)
		} else {
			dst = append(dst, ',')
		}
		comma = true
		dst = append(appendText(dst, p.Name), ':')
		dst = appendText(dst, p.Unit)
	}
	if comma {
		dst = append(dst, '}')
	}
	return dst
}

func appendHeaders(dst []byte, headers []abi.Header) []byte {
	if len(headers) == 0 {
		return dst
	}
	dst = append(dst, `,"headers":[`...)
	for i := range headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":`...)
		dst = appendText(dst, headers[i].Name)
		if utf8.Valid(headers[i].Value) {
			dst = appendText(append(dst, `,"value":`...), string(headers[i].Value))
		} else {
			dst = appendBase64(append(dst, `,"value_base64":`...), headers[i].Value)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendValue(dst []byte, v abi.Value) []byte {
	switch v.Type() {
	case abi.ValueBool:
		return strconv.AppendBool(dst, v.Bool())
	case abi.ValueInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case abi.ValueUint:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case abi.ValueDouble:
		if f := v.Double(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			text, err := json.Marshal(f)
			if err == nil {
				return append(dst, text...)
			}
		}
		return append(dst, "null"...)
	case abi.ValueString:
		return appendText(dst, v.String())
	case abi.ValueBytes:
		return appendBase64(dst, v.Bytes())
	case abi.ValueNone:
	}
	return append(dst, "null"...)
}

// appendText writes a text as JSON; what is not UTF-8 in it is replaced.
func appendText(dst []byte, text string) []byte {
	raw, err := json.Marshal(strings.ToValidUTF8(text, "\uFFFD"))
	if err != nil { // texts always can be
		return append(dst, `""`...)
	}
	return append(dst, raw...)
}

// appendCompact writes JSON, which is valid, on one line.
func appendCompact(dst, src []byte) []byte {
	if !bytes.ContainsAny(src, "\r\n") {
		return append(dst, src...)
	}
	b := bytes.NewBuffer(dst)
	_ = json.Compact(b, src)
	return b.Bytes()
}

func appendBase64(dst, src []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, src)
	return append(dst, '"')
}

func appendTime(dst []byte, ns int64) []byte {
	dst = append(dst, '"')
	dst = time.Unix(0, ns).UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func contentOf(r *abi.Record) string {
	if r.ContentType == "" {
		return "application/octet-stream"
	}
	return r.ContentType
}

func isJSON(content string) bool {
	kind, _, _ := strings.Cut(content, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

func kindOf(k abi.Kind) string {
	switch k {
	case abi.KindTelemetry:
		return "telemetry"
	case abi.KindAttributes:
		return "attributes"
	case abi.KindEvent:
		return "event"
	case abi.KindGap:
		return "gap"
	}
	return "unknown"
}
