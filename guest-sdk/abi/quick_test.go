package abi_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// TestValuesOfAllSizes reads values of every mixture of small and large fields into
// memory that held others, whichever way each is read.
func TestValuesOfAllSizes(t *testing.T) {
	numbers := []uint64{0, 1, 0x7f, 0x80, math.MaxUint32, 1<<56 - 1, 1 << 56, 133444736001234567, 1<<63 - 1, 1 << 63, math.MaxUint64}
	var want abi.OPCUAValues
	for i, a := range numbers {
		for k, b := range numbers {
			v := abi.OPCUAValue{Item: uint32(b), Status: uint32(a), SourceTicks: a, ServerTicks: b}
			if i%3 > 0 {
				v.Variant = bytes.Repeat([]byte{byte(k)}, i*(1+40*(i%2))) // up to 369 bytes
			}
			if (i+k)%4 == 0 {
				v.SourcePico, v.ServerPico = uint32(k), uint32(i)
			}
			want.Values = append(want.Values, v)
		}
	}
	dirty := abi.OPCUAValue{Item: 1, Status: 2, Variant: []byte{3}, SourceTicks: 4, SourcePico: 5, ServerTicks: 6, ServerPico: 7}
	for n := range want.Values { // each is the last one once, which has no room behind it
		part := abi.OPCUAValues{Subscription: "s", Values: want.Values[:n+1]}
		got := abi.OPCUAValues{Values: []abi.OPCUAValue{dirty, dirty, dirty}}
		if err := got.Decode(part.Append(nil)); err != nil || !reflect.DeepEqual(got, part) {
			t.Fatalf("%d values: %v, read %+v, want %+v", n+1, err, got.Values[n], part.Values[n])
		}
	}
	// A field that comes twice, or before its turn, counts as protobuf has it.
	var got abi.OPCUAValues
	odd := []byte{2<<3 | 2, 13, 2 << 3, 5, 1 << 3, 7, 1 << 3, 9, 4 << 3, 1, 4 << 3, 2, 3<<3 | 2, 1, 'v'}
	if err := got.Decode(odd); err != nil || !reflect.DeepEqual(got.Values, []abi.OPCUAValue{{Item: 9, Status: 5, Variant: []byte("v"), SourceTicks: 2}}) {
		t.Errorf("odd fields: %v, %+v", err, got.Values)
	}
	whole := want.Append(nil)
	for cut := range 400 { // what is cut off is never read
		piece := bytes.Clone(whole[:cut])
		_ = got.Decode(piece[:cut:cut]) // a fault, or fewer values
	}
}

// TestPointsOfAllSizes writes records whose points have names in the memory of those
// before, which is the fast way, and others whose have not: the bytes are the same.
func TestPointsOfAllSizes(t *testing.T) {
	const now = 1_700_000_000_000_000_000
	values := []abi.Value{
		{},
		abi.Bool(false), abi.Bool(true), abi.Int(-1), abi.Int(math.MinInt64), abi.Uint(1 << 48), abi.Uint(1 << 49), abi.Uint(math.MaxUint64),
		abi.Double(0), abi.Double(math.Inf(-1)), abi.String("text"), abi.Bytes([]byte{1}),
	}
	var points []abi.Point
	for _, source := range []int64{0, 1, now, now + 1, now - 1<<47, now + 1<<47, now - 1<<49, now + 1<<55, now - 1<<55, now + 1<<60, math.MaxInt64, math.MinInt64} {
		for _, v := range values {
			for _, quality := range []uint32{0, 0x40000000, math.MaxUint32} {
				points = append(points, abi.Point{Name: "value", Unit: "m", Value: v, Quality: quality, SourceTime: source})
			}
		}
	}
	slow := make([]abi.Point, len(points))
	for i, p := range points {
		p.Name, p.Unit = strings.Clone(p.Name), strings.Clone(p.Unit)
		slow[i] = p
	}
	record := func(p []abi.Point) abi.Record { return abi.Record{Device: "d", Time: now, Points: p} }
	fast := abi.Batch{Records: []abi.Record{record(points), record(points)}}
	want := abi.Batch{Records: []abi.Record{record(points), record(slow)}}
	bytesOf := fast.Append(nil)
	if !bytes.Equal(bytesOf, want.Append(nil)) {
		t.Fatal("the same records have other bytes")
	}
	for room := range 200 { // it may end anywhere
		if got := fast.Append(make([]byte, 0, room)); !bytes.Equal(got, bytesOf) {
			t.Fatalf("with room for %d bytes they are others", room)
		}
	}
	var got abi.Batch
	if err := got.Decode(bytesOf); err != nil || len(got.Records) != 2 {
		t.Fatal(err, len(got.Records))
	}
	for _, r := range got.Records {
		for i, p := range r.Points {
			w := points[i]
			if w.SourceTime == now {
				w.SourceTime = 0 // the record's
			}
			if !reflect.DeepEqual(p, w) {
				t.Fatalf("point %d is %+v, want %+v", i, p, points[i])
			}
		}
	}
}

// TestFramesOfAllSizes reads events of data beside others into memory that held
// others, whichever way each is read.
func TestFramesOfAllSizes(t *testing.T) {
	var want abi.Events
	for i, size := range []int{1, 2, 7, 100, 110, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 127, 128, 300} {
		for k, after := range []int64{0, 1, -1, 63, 64, 1 << 20, 1 << 40, 1 << 57, math.MaxInt64 - 1_700_000_000} {
			e := abi.Event{Handle: 1, Time: 1_700_000_000 + after, Data: bytes.Repeat([]byte{byte(i)}, size)}
			switch (i + k) % 7 {
			case 0:
				e.Handle = 200
			case 1:
				e.Type, e.Name, e.Data = abi.EventGap, "lost", nil
			case 2:
				e.Err = &abi.Error{Code: "code"}
			default: // as most are
			}
			want.Events = append(want.Events, e)
		}
	}
	dirty := abi.Event{Type: abi.EventDown, Handle: 7, Time: 5, Data: []byte("old"), Name: "old", Err: &abi.Error{}, Message: &abi.Message{}}
	for n := range want.Events {
		part := abi.Events{Events: want.Events[:n+1]}
		got := abi.Events{Events: slices.Repeat([]abi.Event{dirty}, 256)}
		if err := got.Decode(part.Append(nil)); err != nil || !reflect.DeepEqual(got.Events, part.Events) {
			t.Fatalf("%d events: %v", n+1, err)
		}
	}
	whole := want.Append(nil)
	got := abi.Events{Events: make([]abi.Event, 256)}
	for cut := range whole { // what is cut off is never read
		piece := bytes.Clone(whole[:cut])
		_ = got.Decode(piece[:cut:cut]) // a fault, or fewer events
	}
	many := abi.Events{Events: slices.Repeat(want.Events[9:10], abi.MaxItems+1)}
	if err := got.Decode(many.Append(nil)); !errors.Is(err, abi.ErrTooLarge) || len(got.Events) != 0 {
		t.Errorf("too many events: %v, and %d", err, len(got.Events))
	}
}

// TestPayloadsOfAllSizes writes records of a payload whose names are in the memory of
// those before, which is the fast way, and others whose are not: the bytes are the
// same.
func TestPayloadsOfAllSizes(t *testing.T) {
	const now = 1_700_000_000_000_000_000
	var quick, slow abi.Batch
	for i, size := range []int{0, 1, 60, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 8191, 8192, 9000, 20_000} {
		for k, after := range []int64{0, 1, -1, 64, 1 << 20, 1 << 47, 1 << 48, 1 << 60} {
			r := abi.Record{Device: "roof", ContentType: "text/plain", Time: now + after, Payload: bytes.Repeat([]byte{byte(i)}, size)}
			switch (i + k) % 11 {
			case 0:
				r.Key = []byte("key")
			case 1:
				r.ContentType = "text/html"
			case 2:
				r.Kind = abi.KindEvent
			case 3:
				r.SourceKey = "again"
			case 4:
				r.Device = "cellar"
			case 5:
				r.Points = []abi.Point{{Name: "x", Value: abi.Int(1)}}
			default: // as most are
			}
			quick.Records = append(quick.Records, r)
			r.Device, r.ContentType = strings.Clone(r.Device), strings.Clone(r.ContentType)
			slow.Records = append(slow.Records, r)
		}
	}
	for _, contentType := range []string{"text/plain", ""} { // the first record's
		quick.Records[1].ContentType, slow.Records[1].ContentType = contentType, contentType
		quick.Records, slow.Records = quick.Records[1:], slow.Records[1:]
		for n := 1; n <= len(quick.Records); n++ {
			fast, plain := abi.Batch{Records: quick.Records[:n]}, abi.Batch{Records: slow.Records[:n]}
			got := fast.Append(nil)
			if !bytes.Equal(got, plain.Append(nil)) || !bytes.Equal(got, fast.Append(make([]byte, 0, 1<<20))) {
				t.Fatalf("%d records are written in two ways", n)
			}
		}
	}
	var read abi.Batch
	few := abi.Batch{Records: quick.Records[:min(len(quick.Records), abi.MaxItems)]}
	if err := read.Decode(few.Append(nil)); err != nil || len(read.Records) != len(few.Records) {
		t.Fatal(err)
	}
	for i := range read.Records {
		if !bytes.Equal(read.Records[i].Payload, few.Records[i].Payload) || read.Records[i].Time != few.Records[i].Time || read.Records[i].ContentType != few.Records[i].ContentType {
			t.Errorf("record %d was read as %+v", i, read.Records[i])
		}
	}
}
