package main

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// unavailable is the quality of what the agent has no value of: Bad_NoCommunication.
const unavailable = 0x80310000

// The bounds of a step: one of three axes is three points.
const (
	maxPoints       = 1024 // of a record
	maxObservations = abi.MaxBatchPoints / 3
)

// observe makes records of observations: those of a device that have the same time
// go together. What is so now (all at once) is one record of each device, and each
// point has its own time.
func (s *source) observe(d *document, step *snaprail.Step, now bool) error {
	if len(d.seen) > maxObservations {
		return &abi.Error{Kind: abi.FaultTooLarge, Code: "too_many_observations", Text: "the agent tells " + strconv.Itoa(len(d.seen)) + " observations at once", Hint: "Name a device or a path in the config, and let another connector read the rest."}
	}
	slices.SortStableFunc(d.seen, func(a, b observation) int { return cmp.Compare(a.sequence, b.sequence) })
	together := map[string]int{} // index of the record of a device and a time
	records := func() []abi.Record { return step.Outcome().Batch.Records }
	read := time.Now().UnixNano()
	for i := range d.seen {
		o := &d.seen[i]
		at, ok := timeOf(o.time)
		if !ok {
			at = read
		}
		device := s.model.deviceOf(o)
		key, when := device+"\x00"+o.time, at
		if now {
			key, when = device, read
		}
		index, known := together[key]
		if !known || len(records()[index].Points) >= maxPoints {
			step.Record(abi.KindTelemetry, device, when)
			index = len(records()) - 1
			together[key] = index
		}
		r := &records()[index]
		before := len(r.Points)
		r.Points = s.points(r.Points, o)
		for j := before; now && j < len(r.Points); j++ {
			r.Points[j].SourceTime = at
		}
		if o.category == "Condition" && s.config.Conditions && !now {
			s.condition(step, device, at, o)
		}
	}
	return nil
}

// points adds what an observation says to dst.
func (s *source) points(dst []abi.Point, o *observation) []abi.Point {
	it := s.model.items[o.item]
	if it == nil { // of a device that came after the probe
		it = &item{id: o.item, point: o.name}
		if it.point == "" {
			it.point = o.item
		}
	}
	p := abi.Point{Name: it.point, Unit: it.unit}
	text := strings.TrimSpace(o.text)
	switch {
	case o.category == "Condition":
		if p.Value = abi.String(strings.ToUpper(o.element)); o.element == "Unavailable" {
			p.Value, p.Quality = abi.Value{}, unavailable
		}
	case text == "UNAVAILABLE":
		p.Quality = unavailable
	case len(o.entries) > 0:
		p.Unit, p.Value = "", abi.String(asJSON(o.entries))
	case o.category == "Samples" || it.unit != "" || counts(it.kind):
		return numbers(dst, p, text)
	default:
		p.Value = abi.String(text)
	}
	return append(dst, p)
}

// counts reports whether an event of this type is a number.
func counts(kind string) bool {
	return strings.HasSuffix(kind, "_COUNT") || strings.HasPrefix(kind, "LINE") || strings.HasSuffix(kind, "_OVERRIDE")
}

// numbers adds a number; or three, of a place in space, as .x, .y and .z; or a text
// that is none.
func numbers(dst []abi.Point, p abi.Point, text string) []abi.Point {
	words := strings.Fields(text)
	var values []float64
	for _, w := range words {
		v, err := strconv.ParseFloat(w, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			values = nil
			break
		}
		values = append(values, v)
	}
	switch {
	case len(values) == 1:
		p.Value = abi.Double(values[0])
		if n, err := strconv.ParseInt(words[0], 10, 64); err == nil && p.Unit == "" {
			p.Value = abi.Int(n)
		}
	case len(values) == 3:
		for i, v := range values {
			axis := p
			axis.Name, axis.Value = p.Name+"."+string("xyz"[i]), abi.Double(v)
			dst = append(dst, axis)
		}
		return dst
	default: // a time series, or what a sample should not be
		p.Value = abi.String(text)
	}
	return append(dst, p)
}

func asJSON(entries [][2]string) string {
	m := make(map[string]string, len(entries))
	for _, e := range entries {
		m[e[0]] = strings.TrimSpace(e[1])
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return "" // texts can be written
	}
	return string(raw)
}

// condition tells of a condition that has changed.
func (s *source) condition(step *snaprail.Step, device string, at int64, o *observation) {
	it := s.model.items[o.item]
	name := o.item
	if it != nil {
		name = it.point
	}
	raw, err := json.Marshal(struct {
		Condition      string `json:"condition"`
		Level          string `json:"level"`
		Type           string `json:"type,omitempty"`
		NativeCode     string `json:"native_code,omitempty"`
		NativeSeverity string `json:"native_severity,omitempty"`
		Qualifier      string `json:"qualifier,omitempty"`
		Text           string `json:"text,omitempty"`
		Sequence       string `json:"sequence,omitempty"`
	}{
		name, strings.ToUpper(o.element), attr(o.attrs, "type"), attr(o.attrs, "nativeCode"), attr(o.attrs, "nativeSeverity"),
		attr(o.attrs, "qualifier"), strings.TrimSpace(o.text), attr(o.attrs, "sequence"),
	})
	if err == nil {
		event(step, device, at, raw)
	}
}

// timeOf is a timestamp of the agent in unix ns. What follows an @ is a duration.
func timeOf(text string) (int64, bool) {
	text, _, _ = strings.Cut(text, "@")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} { // UTC, where no zone is named
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixNano(), true
		}
	}
	return 0, false
}
