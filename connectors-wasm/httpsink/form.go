package main

import (
	"cmp"

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

// appendRecord writes one record of a part.
func appendRecord(dst []byte, format string, part *abi.DeliverPart, i int) []byte {
	switch format {
	case formatCloudEvent:
		return appendEvent(dst, part, i)
	case formatLines:
		return append(recordjson.Of(dst, part, i), '\n')
	}
	return recordjson.Of(dst, part, i)
}

// appendEvent writes a record as a CloudEvent, which has the same data as on the
// server's own stream.
func appendEvent(dst []byte, part *abi.DeliverPart, i int) []byte {
	r := &part.Batch.Records[i]
	dst = recordjson.Key(append(dst, `{"specversion":"1.0","id":`...), part, i)
	dst = recordjson.Text(append(dst, `,"source":`...), "/connectors/"+part.ID)
	dst = recordjson.Text(append(dst, `,"type":`...), eventType+r.Kind.String())
	if r.Device != "" {
		dst = recordjson.Text(append(dst, `,"subject":`...), r.Device)
		dst = recordjson.Text(append(dst, `,"partitionkey":`...), r.Device)
	}
	dst = recordjson.Time(append(dst, `,"time":`...), r.Time)
	return append(appendData(dst, r), '}')
}

// appendData writes the data with its content type: a payload alone is the data, as
// it is, and anything else an object. JSON that is none, and bytes, are in base64.
func appendData(dst []byte, r *abi.Record) []byte {
	isJSON := recordjson.IsJSON(r)
	isText := !isJSON && (r.ContentType == "" || !abi.IsJSON(r.ContentType)) && recordjson.IsText(r.Payload)
	content, name := r.ContentType, `,"data":`
	switch {
	case len(r.Points) > 0:
		dst = recordjson.Text(append(dst, `,"datacontenttype":"application/json","data":{"kind":`...), r.Kind.String())
		return append(recordjson.Content(dst, r), '}')
	case len(r.Payload) == 0:
		return dst
	case isJSON:
	case isText:
		content = cmp.Or(content, "text/plain")
	default:
		content, name = cmp.Or(content, "application/octet-stream"), `,"data_base64":`
	}
	dst = append(recordjson.Text(append(dst, `,"datacontenttype":`...), content), name...)
	switch {
	case isJSON:
		return recordjson.Compact(dst, r.Payload)
	case isText:
		return recordjson.Text(dst, string(r.Payload))
	}
	return recordjson.Base64(dst, r.Payload)
}
