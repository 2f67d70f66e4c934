// Package recordjson is what sinks share that make JSON of records: of their
// values alone, or of all that they say. A guest imports it; it knows no protocol.
//
// All functions append, and allocate nothing beside what they append to, but for
// the names of very many values, and for names that are no UTF-8.
package recordjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// ContentType is that of what the functions make.
const ContentType = "application/json"

// Values adds an object of values by their names; of several with one name it is
// the last.
func Values(dst []byte, points []abi.Point) []byte {
	return values(dst, points, IndexOf(points))
}

func values(dst []byte, points []abi.Point, names Index) []byte {
	dst = append(dst, '{')
	first := true
	for i := range points {
		if !names.Last(i) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(Text(dst, points[i].Name), ':')
		dst = Value(dst, points[i].Value)
	}
	return append(dst, '}')
}

// Index tells which value is the last of its name: of the name as it is written,
// in which bytes that are no UTF-8 are all the same.
type Index struct {
	points []abi.Point
	last   map[string]int // by written name; nil: they are few, and written as they are
}

// few values are looked through without a map.
const few = 32

// IndexOf is the index of values.
func IndexOf(points []abi.Point) Index {
	x := Index{points: points}
	if len(points) > few || slices.ContainsFunc(points, replaced) {
		x.last = make(map[string]int, len(points))
		for i := range points {
			x.last[written(points[i].Name)] = i
		}
	}
	return x
}

// Last reports whether no later value has the name of value number i.
func (x Index) Last(i int) bool {
	name := x.points[i].Name
	if x.last != nil {
		return x.last[written(name)] == i
	}
	for k := i + 1; k < len(x.points); k++ {
		if x.points[k].Name == name {
			return false
		}
	}
	return true
}

// replaced reports whether a value's name is written in other bytes than its own.
func replaced(p abi.Point) bool { return !utf8.ValidString(p.Name) }

// written is a name as Text writes it, but for escapes.
func written(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	return string([]rune(name))
}

// Of adds an object of all that record number i of a part says, with the members
// that a record has on the server's own stream: key, connector, device, kind, time,
// received, epoch, sequence; record_key and source_key, where it has them; what
// Content adds. It holds no line break. A gap is a record like any other.
func Of(dst []byte, part *abi.DeliverPart, i int) []byte {
	r := &part.Batch.Records[i]
	dst = Key(append(dst, `{"key":`...), part, i)
	dst = Text(member(dst, "connector"), part.Connector)
	dst = Text(member(dst, "device"), r.Device)
	dst = Text(member(dst, "kind"), r.Kind.String())
	dst = Time(member(dst, "time"), r.Time)
	dst = Time(member(dst, "received"), part.Received)
	dst = strconv.AppendUint(member(dst, "epoch"), part.Epoch, 10)
	dst = strconv.AppendUint(member(dst, "sequence"), part.First+uint64(i), 10)
	if len(r.Key) > 0 {
		dst = textOr64(dst, "record_key", "record_key_base64", r.Key)
	}
	if r.SourceKey != "" {
		dst = Text(member(dst, "source_key"), r.SourceKey)
	}
	return append(Content(dst, r), '}')
}

// Key adds the idempotency key of a part's record.
func Key(dst []byte, part *abi.DeliverPart, i int) []byte {
	dst = Text(dst, part.ID)
	dst = strconv.AppendUint(append(dst[:len(dst)-1], '/'), part.Epoch, 10)
	dst = strconv.AppendUint(append(dst, '/'), part.First+uint64(i), 10)
	return append(dst, '"')
}

// Content adds, with a comma before each, the members values, units, quality (of
// values that are not good) and times (of those with another one than the record),
// headers, content_type, and the payload: as JSON where it is, as a text where it is
// one, or as payload_base64. What there is nothing of is left out.
func Content(dst []byte, r *abi.Record) []byte {
	if len(r.Points) > 0 {
		dst = points(dst, r)
	}
	dst = headers(dst, r.Headers)
	if r.ContentType != "" {
		dst = Text(member(dst, "content_type"), r.ContentType)
	}
	switch {
	case len(r.Payload) == 0:
		return dst
	case IsJSON(r):
		return Compact(member(dst, "payload"), r.Payload)
	}
	return textOr64(dst, "payload", "payload_base64", r.Payload)
}

// points adds the members that are made of values.
func points(dst []byte, r *abi.Record) []byte {
	names := IndexOf(r.Points)
	dst = values(member(dst, "values"), r.Points, names)
	units, quality, times := members{name: "units"}, members{name: "quality"}, members{name: "times"}
	for i := range r.Points {
		if p := &r.Points[i]; p.Unit != "" && names.Last(i) {
			dst = Text(units.next(dst, p.Name), p.Unit)
		}
	}
	dst = units.end(dst)
	for i := range r.Points {
		if p := &r.Points[i]; p.Quality != 0 && names.Last(i) {
			dst = strconv.AppendUint(quality.next(dst, p.Name), uint64(p.Quality), 10)
		}
	}
	dst = quality.end(dst)
	for i := range r.Points {
		if p := &r.Points[i]; p.SourceTime != 0 && p.SourceTime != r.Time && names.Last(i) {
			dst = Time(times.next(dst, p.Name), p.SourceTime)
		}
	}
	return times.end(dst)
}

// members is an object that is not there without a member.
type members struct {
	name string
	open bool
}

func (m *members) next(dst []byte, name string) []byte {
	if m.open {
		dst = append(dst, ',')
	} else {
		dst = append(member(dst, m.name), '{')
		m.open = true
	}
	return append(Text(dst, name), ':')
}

func (m *members) end(dst []byte) []byte {
	if m.open {
		return append(dst, '}')
	}
	return dst
}

func headers(dst []byte, list []abi.Header) []byte {
	for i := range list {
		if i == 0 {
			dst = append(dst, `,"headers":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = Text(append(dst, `{"name":`...), list[i].Name)
		dst = append(textOr64(dst, "value", "value_base64", list[i].Value), '}')
	}
	if len(list) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

// textOr64 adds a member of bytes: of the name, if they are a text, or else of the
// other name.
func textOr64(dst []byte, name, name64 string, b []byte) []byte {
	if IsText(b) {
		return plain(member(dst, name), b)
	}
	return Base64(member(dst, name64), b)
}

// member begins a member that is not the first.
//
//go:noinline
func member(dst []byte, name string) []byte {
	return append(append(append(dst, ',', '"'), name...), '"', ':')
}

// plain adds bytes that are a text.
func plain(dst, b []byte) []byte {
	dst = append(dst, '"')
	from := 0 // of what is not in dst yet
	for i, c := range b {
		switch {
		case c < ' ':
			dst = control(append(dst, b[from:i]...), c)
		case c == '"' || c == '\\':
			dst = append(append(dst, b[from:i]...), '\\', c)
		default:
			continue
		}
		from = i + 1
	}
	return append(append(dst, b[from:]...), '"')
}

// IsText reports whether bytes are a text: UTF-8 without control characters, but for
// tabs and line ends.
func IsText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return utf8.Valid(b)
}

// IsJSON reports whether a record's payload is the JSON that its content type says,
// and can be a part of a greater one: receivers refuse the whole of what they cannot
// read, and with it the records of others. So it is of at most 60 levels (some
// receivers stop at 64, with what is around it), and each of its numbers is one that
// a double can hold, however exactly. What is not is handed on as a text.
func IsJSON(r *abi.Record) bool {
	return r.ContentType != "" && abi.IsJSON(r.ContentType) && utf8.Valid(r.Payload) && json.Valid(r.Payload) && readable(r.Payload)
}

// deepest is how many levels JSON may have that becomes a part of a greater one.
const deepest = 60

// readable reports whether JSON, which is valid, is no deeper than most receivers
// read, and has no number that they do not.
func readable(src []byte) bool {
	depth := 0
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case c == '"':
			i = afterText(src, i)
			continue
		case c == '[' || c == '{':
			if depth++; depth > deepest {
				return false
			}
		case c == ']' || c == '}':
			depth--
		case c == '-' || c >= '0' && c <= '9':
			end := afterNumber(src, i)
			if !finite(src[i:end]) {
				return false
			}
			i = end
			continue
		}
		i++
	}
	return true
}

// afterText is where the text ends that begins at i.
func afterText(src []byte, i int) int {
	for i++; src[i] != '"'; i++ {
		if src[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// afterNumber is where the number ends that begins at i.
func afterNumber(src []byte, i int) int {
	for i < len(src) && (src[i] >= '0' && src[i] <= '9' || src[i] == '-' || src[i] == '+' || src[i] == '.' || src[i]|0x20 == 'e') {
		i++
	}
	return i
}

// surely digits are a number that a double can hold, when no exponent is behind.
const surely = 300

func finite(number []byte) bool {
	if len(number) <= surely && !bytes.ContainsAny(number, "eE") {
		return true
	}
	_, err := strconv.ParseFloat(string(number), 64)
	return err == nil
}

// Compact adds JSON, which is valid, without the spaces between its parts: on one
// line.
func Compact(dst, src []byte) []byte {
	inText, escaped := false, false
	for _, c := range src {
		switch {
		case escaped:
			escaped = false
		case inText && c == '\\':
			escaped = true
		case c == '"':
			inText = !inText
		case !inText && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// Time adds a time, of unix ns, in UTC as RFC 3339 has it.
func Time(dst []byte, ns int64) []byte {
	return append(time.Unix(0, ns).UTC().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

// Base64 adds bytes.
func Base64(dst, src []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), src), '"')
}

// Value adds a value. What JSON has no number for is null.
func Value(dst []byte, v abi.Value) []byte {
	switch v.Type() {
	case abi.ValueBool:
		return strconv.AppendBool(dst, v.Bool())
	case abi.ValueInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case abi.ValueUint:
		return strconv.AppendUint(dst, v.Uint(), 10)
	case abi.ValueDouble:
		return double(dst, v.Double())
	case abi.ValueString:
		return Text(dst, v.String())
	case abi.ValueBytes:
		return Base64(dst, v.Bytes())
	case abi.ValueNone:
	}
	return append(dst, "null"...)
}

// double adds a number in the form that encoding/json gives it.
func double(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	size := math.Abs(f)
	if size == 0 || size >= 1e-6 && size < 1e21 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-09
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

const hex = "0123456789abcdef"

// Text adds a text. What is not UTF-8 in it is replaced.
func Text(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0 // of what is not in dst yet
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[from:i]...), string(utf8.RuneError)...)
				from = i + 1
			}
			i += size
			continue
		case c == '"' || c == '\\':
			dst = append(append(dst, s[from:i]...), '\\', c)
			from = i + 1
		case c < ' ' || c == 0x7f:
			dst = append(dst, s[from:i]...)
			dst = control(dst, c)
			from = i + 1
		}
		i++
	}
	return append(append(dst, s[from:]...), '"')
}

func control(dst []byte, c byte) []byte {
	switch c {
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
