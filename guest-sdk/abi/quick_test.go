package abi_test

import (
	"bytes"
	"math"
	"reflect"
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
