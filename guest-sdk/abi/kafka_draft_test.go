package abi_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// What a draft says is what a KafkaProduce of the same records says.
func TestKafkaDraft(t *testing.T) {
	form := abi.KafkaForm{Key: []byte("k"), IDHeader: "id", Headers: []abi.Header{{Name: "kind", Value: []byte("telemetry")}}}
	want := abi.KafkaProduce{Handle: 7, ID: "b", TimeoutMS: 300, Later: true}
	var d abi.KafkaDraft
	d.Form(&form)
	d.Add(&abi.KafkaRecord{Value: make([]byte, 100)}, []byte("gone"))
	d.Reset(1 << 20)
	if large := (abi.KafkaForm{Key: make([]byte, abi.MaxKafkaForm)}); d.Form(&large) != 0 || d.Size() != 0 {
		t.Error("a form that the host refuses is taken")
	}
	number := d.Form(&form)
	want.Forms = append(want.Forms, form)
	for _, size := range []int{0, 1, 100, 121, 122, 200, 8000, 8185, 8186, 20000} {
		for _, r := range []abi.KafkaRecord{
			{Time: -5, Form: number},
			{Time: 1_750_000_000_000_000_000, Key: []byte("k")},
			{Key: []byte{}, Headers: []abi.Header{{Name: "own", Value: []byte{1, 2}}}, Form: number},
			{Key: make([]byte, 5000)},
			{Partition: 2, Pinned: true},
		} {
			if r.Value = bytes.Repeat([]byte{'v'}, size); size == 1 {
				r.Value = nil
			}
			d.Add(&r, []byte("id/1/2"))
			r.ID = "id/1/2"
			want.Records = append(want.Records, r)
		}
	}
	var got abi.KafkaProduce
	if err := got.Decode(d.Append(nil, &abi.KafkaProduce{Handle: 7, ID: "b", TimeoutMS: 300, Later: true})); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if d.Reset(16); d.Len() != 0 || d.Size() != 0 {
		t.Errorf("%d records of %d bytes are left", d.Len(), d.Size())
	}
}

// A sink delivers hundreds of thousands of records a second through these.
func TestKafkaAllocations(t *testing.T) {
	var d abi.KafkaDraft
	var part abi.DeliverPart
	part.ID, part.Epoch, part.First = "con_1", 2, 3
	form := abi.KafkaForm{Key: []byte("pump1"), IDHeader: "snaprail-id", Headers: []abi.Header{{Name: "kind", Value: []byte("telemetry")}}}
	r := abi.KafkaRecord{Time: 1, Value: make([]byte, 100)}
	id, request := make([]byte, 0, 64), make([]byte, 0, 64<<10)
	if n := testing.AllocsPerRun(100, func() {
		d.Reset(1 << 20)
		r.Form = d.Form(&form)
		for i := range 100 {
			id = part.AppendKey(id[:0], i)
			d.Add(&r, id)
		}
		request = d.Append(request[:0], &abi.KafkaProduce{Handle: 1, TimeoutMS: 2})
	}); n != 0 {
		t.Errorf("%v allocations to encode", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		var q abi.KafkaProduce
		_ = q.Decode(request)
	}); n > 120 { // an ID each
		t.Errorf("%v allocations to decode 100 records", n)
	}
	var reply []byte
	results := abi.KafkaProduced{Results: make([]abi.KafkaResult, 100)}
	reply = results.Append(nil)
	if n := testing.AllocsPerRun(100, func() { _ = results.Decode(reply) }); n != 0 || len(results.Results) != 100 {
		t.Errorf("%v allocations for %d results", n, len(results.Results))
	}
}
