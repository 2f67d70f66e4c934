package opcua

import (
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// open is a plant without security.
func insecurely(p *plant) abi.OPCUAOpen {
	return abi.OPCUAOpen{Endpoint: p.endpoint(), AllowInsecure: true}
}

// TestReadKeepsWhatTheServerGave: values, times and statuses arrive bit by bit.
func TestReadKeepsWhatTheServerGave(t *testing.T) {
	p := newPlant(t)
	p.set(1.5)
	s := opened(t, testGroup(quick()), insecurely(p))
	var got abi.OPCUAValues
	must(t, ask(t, s, functionRead, &abi.OPCUARead{Handle: 1, Nodes: []abi.OPCUANode{
		{Node: "ns=1;s=speed"}, {Node: "ns=1;s=none"}, {Node: "nsu=urn:plant;s=temp"}, {Node: "ns=1;s=name", Attribute: 3},
	}}, &got))
	if v := got.Values[0]; string(v.Variant) != "\x06\x07\x00\x00\x00" || v.Status != 0 {
		t.Errorf("an Int32: %+v", v)
	}
	if v := got.Values[1]; v.Status != 0x80340000 || v.Variant != nil {
		t.Errorf("no node: %+v", v)
	}
	if v := got.Values[2]; v.SourceTicks != 133444736001234567 || string(v.Variant) != "\x0b\x00\x00\x00\x00\x00\x00\xf8\x3f" {
		t.Errorf("a Double with its time: %+v", v)
	}
	if v := got.Values[3]; len(v.Variant) == 0 || v.Variant[0] != 20 {
		t.Errorf("a browse name: %+v", v)
	}
}

// TestWriteAnswersEachItem: one that fails does not hide the others.
func TestWriteAnswersEachItem(t *testing.T) {
	p := newPlant(t)
	s := opened(t, testGroup(quick()), insecurely(p))
	var got abi.OPCUAStatuses
	nine := &abi.OPCUAValue{Variant: []byte{6, 9, 0, 0, 0}}
	must(t, ask(t, s, functionWrite, &abi.OPCUAWrite{Handle: 1, Values: []abi.OPCUAWriteValue{
		{Node: "ns=1;s=none", Value: nine}, {Node: "ns=1;s=speed", Value: nine},
	}}, &got))
	if len(got.Statuses) != 2 || got.Statuses[0].Code != 0x80340000 || got.Statuses[1].Code != 0 {
		t.Errorf("statuses %x", got.Statuses)
	}
	var read abi.OPCUAValues
	must(t, ask(t, s, functionRead, &abi.OPCUARead{Handle: 1, Nodes: []abi.OPCUANode{{Node: "ns=1;s=speed"}}}, &read))
	if string(read.Values[0].Variant) != "\x06\x09\x00\x00\x00" {
		t.Errorf("it is %x", read.Values[0].Variant)
	}
	for _, wrong := range []abi.OPCUAWriteValue{
		{Node: "ns=1;s=speed"},
		{Node: "speed", Value: nine},
		{Node: "ns=1;s=speed", Value: &abi.OPCUAValue{Variant: []byte{6, 9}}},
		{Node: "nsu=urn:other;s=speed", Value: nine},
	} {
		err := ask(t, s, functionWrite, &abi.OPCUAWrite{Handle: 1, Values: []abi.OPCUAWriteValue{wrong}}, &got)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}

// TestBrowsePages: a server that sends all at once is handed on in pages.
func TestBrowsePages(t *testing.T) {
	p := newPlant(t)
	s := opened(t, testGroup(quick()), insecurely(p))
	q := abi.OPCUABrowse{Handle: 1, Node: "ns=1;i=85", Max: 2}
	var names []string
	for {
		var page abi.OPCUABrowsePage
		must(t, ask(t, s, functionBrowse, &q, &page))
		if len(page.References) > 2 {
			t.Fatalf("%d references in a page", len(page.References))
		}
		for _, r := range page.References {
			names = append(names, r.BrowseName+" "+r.Node)
		}
		if q.Cursor = page.Cursor; q.Cursor == 0 {
			break
		}
	}
	if got := strings.Join(names, ", "); len(names) != 3 || !strings.Contains(got, "temp ns=1;s=temp") {
		t.Errorf("browsed %s", got)
	}
	q.Cursor = 99
	if err := ask(t, s, functionBrowse, &q, &abi.OPCUABrowsePage{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown cursor: %v", err)
	}
}

func TestSubscribeIsDesiredState(t *testing.T) {
	p := newPlant(t)
	s := opened(t, testGroup(quick()), insecurely(p))
	subscribed(t, s, "a", "ns=1;s=temp", "ns=1;s=speed")
	next(t, s, "the first of 2", has("a.2="))
	p.set(2)
	next(t, s, "a change", has("a.1=0b0000000000000040/0"))
	// The same again changes nothing, and less of it ends the rest.
	before := s.link.names["a"].items[1].id
	subscribed(t, s, "a", "ns=1;s=temp")
	if w := s.link.names["a"]; w.items[1].id != before || len(w.items) != 1 {
		t.Errorf("items %+v", w.items)
	}
	p.set(3)
	next(t, s, "a change", has("a.1=0b0000000000000840/0"))
	must(t, ask(t, s, functionSubscribe, &abi.OPCUASubscribe{Handle: 1, Name: "a", Remove: true}, &abi.OPCUAStatuses{}))
	if len(s.link.names) != 0 || len(s.wanted) != 0 {
		t.Errorf("still watched: %v %v", s.link.names, s.wanted)
	}
	for _, wrong := range []abi.OPCUASubscribe{
		{Handle: 1},
		{Handle: 1, Name: "b", IntervalMS: -1},
		{Handle: 1, Name: "b", Items: []abi.OPCUAItem{{ID: 1, Node: "i=1"}, {ID: 1, Node: "i=2"}}},
		{Handle: 1, Name: "b", Items: []abi.OPCUAItem{{ID: 1, Node: "i=1", Deadband: 3}}},
	} {
		if err := ask(t, s, functionSubscribe, &wrong, &abi.OPCUAStatuses{}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}
