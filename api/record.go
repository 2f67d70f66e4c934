package api

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
)

// appendRecord appends a record as one line of JSON. It is written by hand
// because it is the one encoder that runs for each record and each reader.
//
// The line is valid JSON in UTF-8 whatever the record holds: text that is not
// UTF-8 is repaired, NaN and the infinities become strings, bytes become
// {"base64": "..."}, and of several points with one name the last one counts. A
// position that is not known is left out.
func appendRecord(dst []byte, r *control.Record) []byte {
	dst = append(dst, '{')
	if r.Position != "" {
		dst = append(dst, `"position":`...)
		dst = append(appendString(dst, r.Position), ',')
	}
	dst = append(dst, `"key":`...)
	dst = appendString(dst, r.Key)
	dst = append(dst, `,"connector":`...)
	dst = appendString(dst, r.Connector)
	dst = append(dst, `,"device":`...)
	dst = appendString(dst, r.Device)
	dst = append(dst, `,"kind":`...)
	dst = appendString(dst, r.Kind)
	dst = append(dst, `,"time":`...)
	dst = appendTime(dst, r.Time)
	dst = append(dst, `,"received":`...)
	dst = appendTime(dst, r.Received)
	dst = append(dst, `,"epoch":`...)
	dst = strconv.AppendUint(dst, r.Epoch, 10)
	dst = append(dst, `,"sequence":`...)
	dst = strconv.AppendUint(dst, r.Sequence, 10)
	if r.SourceKey != "" {
		dst = append(dst, `,"source_key":`...)
		dst = appendString(dst, r.SourceKey)
	}
	dst = appendPoints(dst, lastOfEach(r.Points), r.Time)
	dst = appendHeaders(dst, r.Headers)
	dst = appendPayload(dst, r.Content, r.Payload)
	return append(dst, '}')
}

// appendPoints appends the members that are made of points. Those that say
// nothing are left out.
func appendPoints(dst []byte, points []abi.Point, recorded time.Time) []byte {
	if len(points) == 0 {
		return dst
	}
	values := members{dst: dst, name: "values"}
	for i := range points {
		values.next(points[i].Name)
		values.dst = appendValue(values.dst, points[i].Value)
	}
	units := members{dst: values.end(), name: "units"}
	for i := range points {
		if points[i].Unit != "" {
			units.next(points[i].Name)
			units.dst = appendString(units.dst, points[i].Unit)
		}
	}
	quality := members{dst: units.end(), name: "quality"}
	for i := range points {
		if points[i].Quality != 0 {
			quality.next(points[i].Name)
			quality.dst = strconv.AppendUint(quality.dst, uint64(points[i].Quality), 10)
		}
	}
	times := members{dst: quality.end(), name: "times"}
	for i := range points {
		if at := points[i].SourceTime; at != 0 && at != recorded.UnixNano() {
			times.next(points[i].Name)
			times.dst = appendTime(times.dst, time.Unix(0, at))
		}
	}
	return times.end()
}

// lastOfEach leaves the last of several points with one name. It almost always
// gives back what it got.
func lastOfEach(points []abi.Point) []abi.Point {
	if !repeats(points) {
		return points
	}
	last := make(map[string]int, len(points))
	for i := range points {
		last[points[i].Name] = i
	}
	kept := make([]abi.Point, 0, len(last))
	for i := range points {
		if last[points[i].Name] == i {
			kept = append(kept, points[i])
		}
	}
	return kept
}

func repeats(points []abi.Point) bool {
	const few = 16
	if len(points) > few {
		seen := make(map[string]struct{}, len(points))
		for i := range points {
			seen[points[i].Name] = struct{}{}
		}
		return len(seen) < len(points)
	}
	for i := range points {
		for j := range i {
			if points[i].Name == points[j].Name {
				return true
			}
		}
	}
	return false
}

// members appends ,"name":{...}, or nothing when it has no member.
type members struct {
	dst  []byte
	name string
	open bool
}

func (m *members) next(name string) {
	if m.open {
		m.dst = append(m.dst, ',')
	} else {
		m.dst = append(append(append(m.dst, `,"`...), m.name...), `":{`...)
		m.open = true
	}
	m.dst = append(appendString(m.dst, name), ':')
}

func (m *members) end() []byte {
	if m.open {
		m.dst = append(m.dst, '}')
	}
	return m.dst
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
		dst = appendString(dst, headers[i].Name)
		if isText(headers[i].Value) {
			dst = append(dst, `,"value":`...)
			dst = appendString(dst, headers[i].Value)
		} else {
			dst = append(dst, `,"value_base64":`...)
			dst = appendBase64(dst, headers[i].Value)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendPayload appends content type and payload: JSON as it is, text as a
// string, everything else in base64.
func appendPayload(dst []byte, content string, payload []byte) []byte {
	if content != "" {
		dst = append(dst, `,"content_type":`...)
		dst = appendString(dst, content)
	}
	switch {
	case len(payload) == 0:
	case isJSON(content) && utf8.Valid(payload) && json.Valid(payload):
		dst = append(dst, `,"payload":`...)
		dst = appendCompact(dst, payload)
	case isText(payload):
		dst = append(dst, `,"payload":`...)
		dst = appendString(dst, payload)
	default:
		dst = append(dst, `,"payload_base64":`...)
		dst = appendBase64(dst, payload)
	}
	return dst
}

func isJSON(content string) bool {
	kind, _, _ := strings.Cut(content, ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/json" || strings.HasSuffix(kind, "+json")
}

// isText reports whether b reads as text: UTF-8 without control characters
// other than tab and line ends.
func isText(b []byte) bool {
	return utf8.Valid(b) && !slices.ContainsFunc(b, func(c byte) bool {
		return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f
	})
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
		return appendFloat(dst, v.Double())
	case abi.ValueString:
		return appendString(dst, v.String())
	case abi.ValueBytes:
		dst = append(dst, `{"base64":`...)
		return append(appendBase64(dst, v.Bytes()), '}')
	case abi.ValueNone:
	}
	return append(dst, "null"...)
}

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func appendBase64(dst, src []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, src)
	return append(dst, '"')
}

// appendCompact appends valid JSON without the spaces between its parts, so
// that it stays on one line.
func appendCompact(dst, src []byte) []byte {
	inString, escaped := false, false
	for _, c := range src {
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
