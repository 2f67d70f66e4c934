package wire

import (
	"bytes"
	"encoding/base64"
	"runtime"
	"testing"
)

// TestNodesKeepTheirIDs: what is read of a node is written as the same node.
func TestNodesKeepTheirIDs(t *testing.T) {
	for _, text := range []string{
		"i=0", "i=255", "i=256", "i=4294967295", "ns=2;i=1", "ns=300;i=70000", "ns=65535;i=1", "s=", "ns=2;s=Boiler;1=x", "ns=2;s=Größe",
		"g=72962b91-fa75-4ae6-8d28-b404dc7daf63", "ns=3;g=72962b91-fa75-4ae6-8d28-b404dc7daf63",
		"ns=1;b=" + base64.StdEncoding.EncodeToString([]byte{0, 1, 254, 255}),
	} {
		b, err := ParseNode(text, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		r := NewReader(b)
		if got := r.Node(); got != text || r.Len() != 0 || r.Err() != nil {
			t.Errorf("%s came back as %s, %v", text, got, r.Err())
		}
	}
	for _, text := range []string{"", "x", "i=", "i=4294967296", "ns=65536;i=1", "ns=1", "g=1", "b=*", "q=1", "nsu=urn:a", "nsu=urn:a;i=1"} {
		if b, err := ParseNode(text, []string{"urn:b"}); err == nil {
			t.Errorf("%q is %x", text, b)
		}
	}
	if b, err := ParseNode("nsu=urn:a%3Bb;i=1", []string{"", "urn:a;b"}); err != nil || !bytes.Equal(b, []byte{1, 1, 1, 0}) {
		t.Errorf("by the name of its namespace: %x, %v", b, err)
	}
}

// hostile are messages that make a decoder allocate or nest without a bound.
func hostile() [][]byte {
	return [][]byte{
		bytes.Repeat([]byte{0x40}, 4<<20),                                      // diagnostics in diagnostics
		append([]byte{0x01}, bytes.Repeat([]byte{24}, 4<<20)...),               // variants in variants
		{0x01, 0x8b, 0xff, 0xff, 0xff, 0x7f},                                   // 2^31 numbers that are not there
		{0x01, 0x98, 0xff, 0xff, 0xff, 0x7f},                                   // variants that are not there
		{0x01, 0x8b, 0xfe, 0xff, 0xff, 0xff},                                   // fewer than none
		{0xff, 0xff, 0xff, 0x7f},                                               // endpoints, notices, references
		append([]byte{0x01, 0x97}, bytes.Repeat([]byte{1, 0, 0, 0}, 1<<20)...), // values in values
	}
}

func decode(src []byte) {
	NewReader(src).Value()
	NewReader(src).Variant()
	NewReader(src).Endpoints()
	NewReader(src).Published()
	NewReader(src).Republished()
	NewReader(src).Reference()
	NewReader(src).ExpandedNode()
	NewReader(src).Statuses()
	NewReader(src).SkipDiagnostics()
	NewReader(src).SkipExtension()
	_ = readReply(src, Request{})
	TextArray(src)
	Uint32(src)
}

// TestHostileMessages: a peer gets neither memory nor stack that it has not paid
// for.
func TestHostileMessages(t *testing.T) {
	for i, src := range hostile() {
		allocated := allocatedBy(func() { decode(src) })
		if most := int64(64*len(src) + 64<<10); allocated > most {
			t.Errorf("message %d of %d bytes took %d", i, len(src), allocated)
		}
	}
}

// allocatedBy is how many bytes f allocates on average.
func allocatedBy(f func()) int64 {
	const times = 20
	var before, after runtime.MemStats
	f()
	runtime.ReadMemStats(&before)
	for range times {
		f()
	}
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc-before.TotalAlloc) / times
}

func FuzzDecode(f *testing.F) {
	for _, src := range hostile() {
		f.Add(src[:min(len(src), 4096)])
	}
	f.Fuzz(func(_ *testing.T, src []byte) { decode(src) })
}

// FuzzValue: what is read of a value is written as the same.
func FuzzValue(f *testing.F) {
	f.Add([]byte{0x3f, 11, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0})
	f.Fuzz(func(t *testing.T, src []byte) {
		r := NewReader(src)
		v := r.Value()
		if r.Err() != nil {
			return
		}
		var w Writer
		w.Value(&v)
		again := NewReader(w.Done())
		if u := again.Value(); again.Err() != nil || !bytes.Equal(u.Variant, v.Variant) || u.Status != v.Status || u.SourceTicks != v.SourceTicks ||
			u.SourcePico != v.SourcePico || u.ServerTicks != v.ServerTicks || u.ServerPico != v.ServerPico {
			t.Fatalf("%+v became %+v, %v", v, u, again.Err())
		}
	})
}

func FuzzNode(f *testing.F) {
	f.Add("ns=2;s=a")
	f.Add("b=AAE=")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseNode(text, nil)
		if err != nil {
			return
		}
		r := NewReader(b)
		if got := r.Node(); r.Err() != nil || r.Len() > 0 {
			t.Fatalf("%q became %x, which is %q, %v", text, b, got, r.Err())
		}
	})
}
