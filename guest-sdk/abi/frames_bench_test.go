package abi_test

import (
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// BenchmarkFrames is what a connector does with a full batch of frames: read the
// events, and write a record of each.
func BenchmarkFrames(b *testing.B) {
	in := abi.Events{}
	for i := range abi.MaxItems {
		in.Events = append(in.Events, abi.Event{Handle: 1, Time: 1_750_000_000_000_000_000 + int64(i), Data: []byte("20.5 C;48.1 %;1013.2 hPa;ok\n")})
	}
	src := in.Append(nil)
	var events abi.Events
	records := abi.Batch{Records: make([]abi.Record, abi.MaxItems)}
	dst := make([]byte, 0, 2*len(src))
	bench := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*abi.MaxItems), "ns/frame")
		})
	}
	bench("read", func() {
		if err := events.Decode(src); err != nil {
			b.Fatal(err)
		}
	})
	for i := range events.Events {
		e, r := &events.Events[i], &records.Records[i]
		r.Device, r.ContentType, r.Time, r.Payload = "roof", "application/octet-stream", e.Time, e.Data
	}
	bench("write", func() { dst = records.Append(dst[:0]) })
}
