package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"math"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/recordjson"
)

// What a record says is built as JSON by hand: encoding/json costs a guest much,
// and the platform takes a number for a number by how it is written.

// entry is what a device said at one time: the values of telemetry, or attributes.
type entry struct {
	time  int64 // unix ms
	body  []byte
	names []string // of its members, no name twice
}

// entriesOf is what a record says: attributes are one entry, telemetry one for each
// time, and another where a name comes twice. The reason is why it says nothing
// that the platform can take.
func (c *config) entriesOf(r *abi.Record, received int64) (entries []entry, reason string) {
	at := cmp.Or(r.Time, received)
	if len(r.Points) == 0 {
		body, reason := payloadOf(r)
		return []entry{{time: at / 1e6, body: body}}, reason
	}
	for i := range r.Points {
		p := &r.Points[i]
		value, ok := valueOf(p.Value)
		if !ok || p.Name == "" || c.DropBad && p.Quality>>31 != 0 {
			continue
		}
		ms := cmp.Or(p.SourceTime, at) / 1e6
		if r.Kind == abi.KindAttributes { // which have no time: the last word counts
			if ms = at / 1e6; slices.ContainsFunc(r.Points[i+1:], named(p.Name)) {
				continue
			}
		}
		var e *entry
		entries, e = entryFor(entries, ms, p.Name)
		e.add(p.Name, value)
	}
	for i := range entries {
		entries[i].body = append(entries[i].body, '}')
	}
	return entries, ""
}

// entryFor is the entry that takes a name at a time.
func entryFor(entries []entry, ms int64, name string) ([]entry, *entry) {
	for i := len(entries) - 1; i >= 0; i-- {
		if e := &entries[i]; e.time == ms {
			if slices.Contains(e.names, name) {
				break
			}
			return entries, e
		}
	}
	entries = append(entries, entry{time: ms})
	return entries, &entries[len(entries)-1]
}

func named(name string) func(abi.Point) bool {
	return func(p abi.Point) bool { return p.Name == name }
}

// add adds a member.
func (e *entry) add(name string, value []byte) {
	if e.body == nil {
		e.body = append(e.body, '{')
	} else {
		e.body = append(e.body, ',')
	}
	e.names = append(e.names, name)
	e.body = append(append(e.body, quoted(name)...), ':')
	e.body = append(e.body, value...)
}

// payloadOf is the values of a payload that nobody has converted: a JSON object as
// it is, anything else under one name.
func payloadOf(r *abi.Record) (body []byte, reason string) {
	name := "payload"
	for _, h := range r.Headers {
		if h.Name == "service" && utf8.Valid(h.Value) && len(h.Value) > 0 {
			name = string(h.Value)
		}
	}
	media, _, _ := mime.ParseMediaType(r.ContentType)
	isJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	switch trimmed := bytes.TrimSpace(r.Payload); {
	case len(r.Payload) == 0:
		return nil, "the record has neither points nor a payload"
	case isJSON && !json.Valid(trimmed):
		return nil, "the payload is not the JSON that its content type says"
	case isJSON && trimmed[0] == '{':
		return bytes.Clone(trimmed), ""
	case isJSON:
		return member(name, trimmed), ""
	case strings.HasPrefix(media, "text/") && utf8.Valid(r.Payload):
		return member(name, quoted(string(r.Payload))), ""
	default:
		return member(name, quoted(base64.StdEncoding.EncodeToString(r.Payload))), ""
	}
}

func member(name string, value []byte) []byte {
	e := entry{}
	e.add(name, value)
	return append(e.body, '}')
}

// valueOf is a value as the platform takes it: there is no null, no NaN, and no
// number beyond 64 bits with a sign, which goes as a text.
func valueOf(v abi.Value) ([]byte, bool) {
	switch v.Type() {
	case abi.ValueBool:
		return strconv.AppendBool(nil, v.Bool()), true
	case abi.ValueInt:
		return strconv.AppendInt(nil, v.Int(), 10), true
	case abi.ValueUint:
		if v.Uint() > math.MaxInt64 {
			return quoted(strconv.FormatUint(v.Uint(), 10)), true
		}
		return strconv.AppendUint(nil, v.Uint(), 10), true
	case abi.ValueDouble:
		return double(v.Double())
	case abi.ValueString:
		return quoted(v.String()), true
	case abi.ValueBytes:
		return quoted(base64.StdEncoding.EncodeToString(v.Bytes())), true
	default:
		return nil, false
	}
}

// double keeps a point or an exponent, so that 3.0 is no whole number there.
func double(d float64) ([]byte, bool) {
	if math.IsNaN(d) || math.IsInf(d, 0) {
		return nil, false
	}
	text := strconv.AppendFloat(nil, d, 'g', -1, 64)
	if !bytes.ContainsAny(text, ".e") {
		text = append(text, ".0"...)
	}
	return text, true
}

func quoted(s string) []byte { return recordjson.Text(nil, s) }
