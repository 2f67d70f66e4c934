package actor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/actor"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/engine"
)

// BenchmarkGuestStep is one step of the shipped converter textframe, a Go
// guest, through the public contract: an encoded batch of frames goes in, an
// encoded outcome comes out. Native is the same work in Go without a wall: the
// same decode, the same fields, the same encode. ns/record compares them.
func BenchmarkGuestStep(b *testing.B) {
	guest := openTextframe(b)
	for _, records := range []int{1, 64, 256} {
		in := frames(records)
		b.Run(fmt.Sprintf("guest/%d", records), func(b *testing.B) {
			step(b, records, in, func() ([]byte, error) { return guest.Call(b.Context(), abi.EntryConvert, in) })
		})
		b.Run(fmt.Sprintf("native/%d", records), func(b *testing.B) {
			n := &native{}
			step(b, records, in, func() ([]byte, error) { return n.convert(in) })
		})
	}
}

func step(b *testing.B, records int, in []byte, do func() ([]byte, error)) {
	b.Helper()
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		out, err := do()
		if err != nil || len(out) < 10*records {
			b.Fatal(len(out), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(records), "ns/record")
}

// Both sides give the same bytes, or the comparison would mean nothing.
func TestNativeStepIsTheGuestsStep(t *testing.T) {
	guest := openTextframe(t)
	for _, records := range []int{1, 64, 256} {
		in := frames(records)
		got, err := guest.Call(t.Context(), abi.EntryConvert, in)
		if err != nil {
			t.Fatal(err)
		}
		want, err := new(native).convert(in)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d records: the guest gives\n%x\nand native Go\n%x", records, got, want)
		}
	}
}

// textframeConfig is the README's example.
const textframeConfig = `{"fields":[
	{"name":"temperature","from":0,"to":2,"type":"int","unit":"Cel"},
	{"name":"humidity","from":2,"to":4,"type":"int","unit":"%"},
	{"name":"battery","from":4,"to":6,"type":"int","unit":"%"}]}`

func openTextframe(tb testing.TB) *engine.Instance {
	tb.Helper()
	wasm, err := os.ReadFile("../../connectors-wasm/dist/textframe.wasm")
	if err != nil {
		tb.Fatal("textframe.wasm is not built: run `make wasm`")
	}
	e, err := engine.New(tb.Context(), engine.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	m, err := e.Compile(tb.Context(), wasm)
	if err != nil {
		tb.Fatal(err)
	}
	link, err := actor.Link(&abi.Manifest{}, nil, capability.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	guest, err := e.Instantiate(tb.Context(), m, engine.InstanceConfig{Link: link})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := closing()
		defer cancel()
		if err := e.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	open := abi.OpenInput{Config: json.RawMessage(textframeConfig), Reason: abi.ReasonStart}
	if _, err := guest.Call(tb.Context(), abi.EntryOpen, open.Append(nil)); err != nil {
		tb.Fatal(err)
	}
	return guest
}

// frames is a batch of frames as serialline emits them.
func frames(n int) []byte {
	var b abi.Batch
	for i := range n {
		b.Records = append(b.Records, abi.Record{
			Device: "weather-1", Time: int64(1_700_000_000_000_000_000 + i*5_000_000),
			ContentType: "application/octet-stream", Payload: fmt.Appendf(nil, "%02d%02d%02d\n", 10+i%90, 24, 98),
		})
	}
	return b.Append(nil)
}

// native is textframe's step in plain Go.
type native struct {
	in  abi.Batch
	out abi.Outcome
	buf []byte
}

func (n *native) convert(src []byte) ([]byte, error) {
	if err := n.in.Decode(src); err != nil {
		return nil, err
	}
	fields := [...]struct{ name, unit string }{{"temperature", "Cel"}, {"humidity", "%"}, {"battery", "%"}}
	records := n.out.Batch.Records[:0]
	for i := range n.in.Records {
		r := &n.in.Records[i]
		text := bytes.TrimSuffix(r.Payload, []byte("\n"))
		if len(records) < cap(records) {
			records = records[:i+1]
		} else {
			records = append(records, abi.Record{})
		}
		points := records[i].Points[:0]
		for f, field := range fields {
			v, err := strconv.ParseInt(string(text[2*f:2*f+2]), 10, 64)
			if err != nil {
				return nil, err
			}
			points = append(points, abi.Point{Name: field.name, Unit: field.unit, Value: abi.Int(v)})
		}
		records[i] = abi.Record{Device: r.Device, Time: r.Time, Points: points}
	}
	n.out.Batch.Records = records
	n.buf = n.out.Append(n.buf[:0])
	return n.buf, nil
}
