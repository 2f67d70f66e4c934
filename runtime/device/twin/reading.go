package twin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// Reading is one value of a tag.
type Reading struct {
	Value   abi.Value
	JSON    bool // the value is a text that holds a list or an object
	Unit    string
	Quality uint32 // OPC UA StatusCode; 0 is Good
	Time    int64  // of the device, as it says, unix ns
	// Received is when it came, unix ns.
	Received int64
}

// unset is what the clock of a device shows at most that nobody has set since it
// lost its power: 2000-01-01, in unix ns. Such clocks start at 1970, or at the
// year 2000 at best, each time anew.
const unset = 946_684_800 * int64(time.Second)

// when orders readings: by the device's time, except that none is later than it
// came, lest a clock that runs ahead shuts out all that follows, and that a clock
// that was never set counts for nothing, lest its next start is before its last.
func (r Reading) when() int64 {
	if r.Time <= unset {
		return r.Received
	}
	return min(r.Time, r.Received)
}

// At is the time of the reading, which is not later than it came.
func (r Reading) At() time.Time { return time.Unix(0, r.when()) }

// outOfRange is the quality of what is no number: BadOutOfRange of OPC UA.
const outOfRange = 0x803C0000

// flagged is the reading with the quality that its value has: NaN and the
// infinities are kept, and are not good, whatever the device says.
func (r Reading) flagged() Reading {
	if r.Value.Type() == abi.ValueDouble && r.Good() {
		if f := r.Value.Double(); math.IsNaN(f) || math.IsInf(f, 0) {
			r.Quality = outOfRange
		}
	}
	return r
}

// Good reports whether the quality is good.
func (r Reading) Good() bool { return r.Quality&0xC0000000 == 0 }

// Number is the value as a number; false: it is none.
func (r Reading) Number() (float64, bool) {
	switch r.Value.Type() {
	case abi.ValueInt:
		return float64(r.Value.Int()), true
	case abi.ValueUint:
		return float64(r.Value.Uint()), true
	case abi.ValueDouble:
		f := r.Value.Double()
		return f, !math.IsNaN(f) && !math.IsInf(f, 0)
	default:
		return 0, false
	}
}

// Text is the value as people write it.
func (r Reading) Text() string {
	if r.Value.Type() == abi.ValueString {
		return r.Value.String()
	}
	return strings.Trim(string(r.Raw()), `"`)
}

// Raw is the value in JSON. Bytes are {"base64": "..."}; NaN and the infinities
// are texts.
func (r Reading) Raw() json.RawMessage {
	v := r.Value
	switch v.Type() {
	case abi.ValueBool:
		return strconv.AppendBool(nil, v.Bool())
	case abi.ValueInt:
		return strconv.AppendInt(nil, v.Int(), 10)
	case abi.ValueUint:
		return strconv.AppendUint(nil, v.Uint(), 10)
	case abi.ValueDouble:
		if f := v.Double(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			raw, _ := json.Marshal(f) // a finite number cannot fail
			return raw
		}
		return strconv.AppendQuote(nil, strconv.FormatFloat(v.Double(), 'g', -1, 64))
	case abi.ValueString:
		if r.JSON {
			return json.RawMessage(v.String())
		}
		raw, _ := json.Marshal(v.String()) // a text cannot fail
		return raw
	case abi.ValueBytes:
		return append(strconv.AppendQuote([]byte(`{"base64":`), base64.StdEncoding.EncodeToString(v.Bytes())), '}')
	case abi.ValueNone:
	}
	return json.RawMessage("null")
}

// kept is a reading as it is stored. Its names are never changed.
type kept struct {
	Kind     string          `json:"k,omitempty"` // none: telemetry
	Value    json.RawMessage `json:"v"`
	Type     string          `json:"t,omitempty"` // of what JSON cannot tell
	Unit     string          `json:"u,omitempty"`
	Quality  uint32          `json:"q,omitempty"`
	Time     int64           `json:"at"`
	Received int64           `json:"rx"`
}

const (
	typeBytes  = "bytes"
	typeDouble = "double"
	typeUint   = "uint"
	typeJSON   = "json"
)

func (r Reading) kept() kept {
	k := kept{Value: r.Raw(), Unit: r.Unit, Quality: r.Quality, Time: r.Time, Received: r.Received}
	switch {
	case r.JSON:
		k.Type = typeJSON
	case r.Value.Type() == abi.ValueBytes:
		k.Type = typeBytes
		k.Value, _ = json.Marshal(r.Value.Bytes()) // bytes cannot fail
	case r.Value.Type() == abi.ValueDouble:
		k.Type = typeDouble
	case r.Value.Type() == abi.ValueUint:
		k.Type = typeUint
	}
	return k
}

func (k kept) reading() (Reading, error) {
	r := Reading{Unit: k.Unit, Quality: k.Quality, Time: k.Time, Received: k.Received}
	switch k.Type {
	case typeBytes:
		var b []byte
		err := json.Unmarshal(k.Value, &b)
		r.Value = abi.Bytes(b)
		return r, err
	case typeDouble:
		f, err := strconv.ParseFloat(strings.Trim(string(k.Value), `"`), 64)
		r.Value = abi.Double(f)
		return r, err
	case typeUint:
		n, err := strconv.ParseUint(string(k.Value), 10, 64)
		r.Value = abi.Uint(n)
		return r, err
	}
	dec := json.NewDecoder(bytes.NewReader(k.Value))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return r, err
	}
	r.Value, r.JSON = valueOf(v)
	return r, nil
}

// valueOf is what JSON holds as a value; a list or an object is its text.
func valueOf(v any) (_ abi.Value, isJSON bool) {
	switch v := v.(type) {
	case bool:
		return abi.Bool(v), false
	case string:
		return abi.String(v), false
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return abi.Int(n), false
		}
		if n, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return abi.Uint(n), false
		}
		f, err := v.Float64()
		if err != nil {
			return abi.String(v.String()), false
		}
		return abi.Double(f), false
	case nil:
		return abi.Value{}, false
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return abi.Value{}, false
	}
	return abi.String(string(raw)), true
}

// owned is a value that shares no memory with the batch that it came in.
func owned(v abi.Value) abi.Value {
	switch v.Type() {
	case abi.ValueString:
		return abi.String(strings.Clone(v.String()))
	case abi.ValueBytes:
		return abi.Bytes(bytes.Clone(v.Bytes()))
	default:
		return v
	}
}

// weight is how many bytes a value has beside its own place.
func weight(v abi.Value) int {
	switch v.Type() {
	case abi.ValueString:
		return len(v.String())
	case abi.ValueBytes:
		return len(v.Bytes())
	default:
		return 0
	}
}
