package mqtt

import (
	"context"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/capability"
)

// benchOpen is a session at a Mosquitto.
func benchOpen(b *testing.B) (*session, *peertest.Mosquitto) {
	b.Helper()
	m := peertest.StartMosquitto(b)
	end, err := group().Open(b.Context(), scope(m.Address), args(m.Address).Append(nil))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := end.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return end.(*session), m
}

// BenchmarkPublish publishes batches of 256 messages of 100 bytes with QoS 1.
func BenchmarkPublish(b *testing.B) {
	s, _ := benchOpen(b)
	q := abi.MQTTPublish{Handle: 1}
	for range abi.MaxItems {
		q.Messages = append(q.Messages, abi.MQTTMessage{Topic: "out", QoS: 1, Payload: make([]byte, 100)})
	}
	in := q.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Call(b.Context(), functionPublish, in, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*abi.MaxItems)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkReceive publishes such batches to a topic that the session receives.
func BenchmarkReceive(b *testing.B) {
	s, _ := benchOpen(b)
	q := abi.MQTTPublish{Handle: 1}
	for range abi.MaxItems {
		q.Messages = append(q.Messages, abi.MQTTMessage{Topic: "in/x", QoS: 1, Payload: make([]byte, 100)})
	}
	in := q.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Call(b.Context(), functionPublish, in, nil); err != nil {
			b.Fatal(err)
		}
		var events []capability.Event
		for n := 0; n < abi.MaxItems; n += len(events) {
			<-s.Ready()
			events = s.Take(events[:0], abi.MaxItems, 1<<20)
			s.Ack(len(events))
		}
	}
	b.ReportMetric(float64(b.N*abi.MaxItems)/b.Elapsed().Seconds(), "messages/s")
}
