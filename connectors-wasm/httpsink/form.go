package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/recordjson"
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
	dst = recordjson.Text(dst, part.Key(i))
	dst = append(dst, `,"connector":`...)
	dst = recordjson.Text(dst, part.Connector)
	dst = append(dst, `,"device":`...)
	dst = recordjson.Text(dst, r.Device)
	dst = append(dst, `,"kind":`...)
	dst = recordjson.Text(dst, kindOf(r.Kind))
	dst = append(dst, `,"time":`...)
	dst = recordjson.Time(dst, r.Time)
	dst = append(dst, `,"received":`...)
	dst = recordjson.Time(dst, part.Received)
	dst = append(dst, `,"epoch":`...)
	dst = strconv.AppendUint(dst, part.Epoch, 10)
	dst = append(dst, `,"sequence":`...)
	dst = strconv.AppendUint(dst, part.First+uint64(i), 10)
	if len(r.Key) > 0 {
		dst = append(dst, `,"record_key":`...)
		dst = recordjson.Text(dst, string(r.Key))
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
	dst = recordjson.Text(dst, part.Key(i))
	dst = append(dst, `,"source":`...)
	dst = recordjson.Text(dst, "/connectors/"+part.ID)
	dst = append(dst, `,"type":`...)
	dst = recordjson.Text(dst, eventType+kindOf(r.Kind))
	if r.Device != "" {
		dst = append(dst, `,"subject":`...)
		dst = recordjson.Text(dst, r.Device)
		dst = append(dst, `,"partitionkey":`...)
		dst = recordjson.Text(dst, r.Device)
	}
	dst = append(dst, `,"time":`...)
	dst = recordjson.Time(dst, r.Time)
	switch {
	case len(r.Points) > 0:
		dst = append(dst, `,"datacontenttype":"application/json","data":{"kind":`...)
		dst = recordjson.Text(dst, kindOf(r.Kind))
		return append(appendContent(dst, r), "}}"...)
	case len(r.Payload) == 0:
		return append(dst, '}')
	}
	dst = append(dst, `,"datacontenttype":`...)
	dst = recordjson.Text(dst, contentOf(r))
	switch {
	case isJSON(r.ContentType) && json.Valid(r.Payload):
		dst = appendCompact(append(dst, `,"data":`...), r.Payload)
	case strings.HasPrefix(r.ContentType, "text/") && utf8.Valid(r.Payload):
		dst = recordjson.Text(append(dst, `,"data":`...), string(r.Payload))
	default:
		dst = recordjson.Base64(append(dst, `,"data_base64":`...), r.Payload)
	}
	return append(dst, '}')
}

// appendContent writes what a record says: its values, and its payload.
func appendContent(dst []byte, r *abi.Record) []byte {
	if len(r.Points) > 0 {
		dst = recordjson.Values(append(dst, `,"values":`...), r.Points)
		dst = appendUnits(dst, r.Points)
	}
	if len(r.Payload) == 0 {
		return dst
	}
	dst = append(dst, `,"content_type":`...)
	dst = recordjson.Text(dst, contentOf(r))
	switch {
	case isJSON(r.ContentType) && json.Valid(r.Payload):
		return appendCompact(append(dst, `,"payload":`...), r.Payload)
	case strings.HasPrefix(r.ContentType, "text/") && utf8.Valid(r.Payload):
		return recordjson.Text(append(dst, `,"payload":`...), string(r.Payload))
	}
	return recordjson.Base64(append(dst, `,"payload_base64":`...), r.Payload)
}

func appendUnits(dst []byte, points []abi.Point) []byte {
	comma, names := false, recordjson.IndexOf(points)
	for i := range points {
		p := &points[i]
		if p.Unit == "" || !names.Last(i) {
			continue
		}
		if !comma {
			dst = append(dst, `,"units":{`...)
		} else {
			dst = append(dst, ',')
		}
		comma = true
		dst = append(recordjson.Text(dst, p.Name), ':')
		dst = recordjson.Text(dst, p.Unit)
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
		dst = recordjson.Text(dst, headers[i].Name)
		if utf8.Valid(headers[i].Value) {
			dst = recordjson.Text(append(dst, `,"value":`...), string(headers[i].Value))
		} else {
			dst = recordjson.Base64(append(dst, `,"value_base64":`...), headers[i].Value)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
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
