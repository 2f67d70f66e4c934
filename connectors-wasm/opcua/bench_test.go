package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/go/opcua"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// BenchmarkChanges is 64 events with a value of each of 256 items.
func BenchmarkChanges(b *testing.B) {
	var items []string
	for i := range 256 {
		items = append(items, fmt.Sprintf(`{"name":"v%d","node":"ns=2;s=v%d"}`, i, i))
	}
	h := guesttest.New(b, &plant{})
	u := h.OPCUA(nil)
	h.Log()
	h.MustOpen(`{"endpoint":"opc.tcp://plc1:4840","items":[` + strings.Join(items, ",") + `]}`)
	s, _ := u.Subscription("items")
	values := make([]abi.OPCUAValue, 256)
	for i := range values {
		values[i] = abi.OPCUAValue{Item: s.Items[i].ID, Variant: opcua.Double(float64(i) + .5), SourceTicks: 133444736001234567}
	}
	var events []abi.Event
	for range 64 {
		events = append(events, u.Change("items", values...))
	}
	b.ReportAllocs()
	for b.Loop() {
		h.MustEvents(events...)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64/256, "ns/value")
}
