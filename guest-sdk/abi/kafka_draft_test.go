package abi_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// What a draft says is what a KafkaProduce of the same records says.
func TestKafkaDraft(t *testing.T) {
	more := abi.AppendKafkaHeader(abi.AppendKafkaHeader(nil, "kind", "telemetry"), "empty", "")
	want := abi.KafkaProduce{Handle: 7, ID: "b", TimeoutMS: 300, Later: true}
	var d abi.KafkaDraft
	d.Add(&abi.KafkaRecord{Value: make([]byte, 100)}, []byte("gone"), nil)
	for d.Reset(1 << 20); d.Len() < 3; {
		r := abi.KafkaRecord{Time: -5, Key: []byte("k"), Value: bytes.Repeat([]byte{'v'}, 200*d.Len()), Headers: []abi.Header{{Name: "id", Value: []byte{1, 2}}}}
		d.Add(&r, []byte("id/1/2"), more)
		r.ID = "id/1/2"
		r.Headers = append(r.Headers, abi.Header{Name: "kind", Value: []byte("telemetry")}, abi.Header{Name: "empty"})
		want.Records = append(want.Records, r)
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
	more := abi.AppendKafkaHeader(nil, "kind", "telemetry")
	r := abi.KafkaRecord{Time: 1, Key: []byte("pump1"), Value: make([]byte, 100), Headers: []abi.Header{{Name: "snaprail-id", Value: []byte("con_1/2/3")}}}
	id, request := make([]byte, 0, 64), make([]byte, 0, 64<<10)
	if n := testing.AllocsPerRun(100, func() {
		d.Reset(1 << 20)
		for i := range 100 {
			id = part.AppendKey(id[:0], i)
			d.Add(&r, id, more)
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
