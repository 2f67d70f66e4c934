package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/outbox"
	"github.com/snaprail/snaprail/runtime/spec"
)

// spring fills the outbox with records that sinks deliver. Nobody waits for it: it
// has many lanes, whose blocks are written together.
type spring struct {
	*works
	lanes   int
	made    []uint64 // records of each lane
	payload []byte
}

func newSpring(w *works) *spring {
	s := &spring{works: w, lanes: 16, payload: []byte(`{"temperature":20.5,"humidity":48.1,"pressure":1013.2,"state":"ok","door":"closed","battery":87.5}`)}
	s.made = make([]uint64, s.lanes)
	return s
}

// fill adds n records, a multiple of a batch.
func (s *spring) fill(n int) {
	var all sync.WaitGroup
	for i := range s.lanes {
		all.Go(func() {
			for at := i; at < n/batchItems; at += s.lanes {
				s.block(i)
			}
		})
	}
	all.Wait()
}

func (s *spring) block(lane int) {
	batch := abi.Batch{Records: s.records(lane)}
	block := outbox.Block{
		Connector: "con_bench", Lane: fmt.Sprint("lane", lane), Epoch: uint64(lane + 1), First: s.made[lane] + 1, Received: time.Now().UnixNano(),
		Count: batchItems, Records: outbox.AppendBatch(nil, batch.Append(nil)),
	}
	_, err := s.lives.Outbox().Append(s.b.Context(), &block)
	check(s.b, err)
	s.made[lane] += batchItems
}

func (s *spring) records(lane int) []abi.Record {
	list := make([]abi.Record, batchItems)
	device, now := fmt.Sprint("press", lane), time.Now().UnixNano()
	for i := range list {
		list[i] = abi.Record{Device: device, Kind: abi.KindTelemetry, Time: now, ContentType: "application/json", Payload: s.payload}
	}
	return list
}

// kafkaRace moves records out of the outbox to Apache Kafka. The plain programs
// have them in memory, and produce with the same library, headers and demands: to
// all replicas, idempotently.
func kafkaRace(b *testing.B) race {
	b.Helper()
	if _, err := os.Stat(filepath.Join("..", "..", "bin", "kafka", "lib")); err != nil {
		return race{missing: "records to Kafka: Apache Kafka is not installed"}
	}
	k := peertest.StartKafka(b)
	k.MakeTopic("bench", 1)
	w := newWorks(b)
	id := w.connect(control.ConnectorInput{
		Name:   "out",
		Grants: []spec.Grant{{Group: "kafka", Resources: []string{"kafka://" + k.Address + "/bench", "cidr:127.0.0.0/8"}, Rights: []spec.Right{spec.Write}}},
	}, "kafkasink", map[string]any{"brokers": []string{k.Address}, "topic": "bench", "key": "device"})
	s := newSpring(w)
	plain := kafkaClient(b, k)
	return race{
		what: "records of 100 bytes to Kafka", unit: "records", step: batchItems * s.lanes, ours: mover{"snaprail", w.delivering(id, s)},
		others: []mover{
			{"durable, batch by batch", kafkaInStep(b, plain, s, true)},
			{"careless, batch by batch", kafkaInStep(b, plain, s, false)},
			{"careless, all under way", kafkaAtOnce(b, plain, s)},
		},
	}
}

// delivering fills the outbox, and waits until a sink has delivered it.
func (w *works) delivering(id string, s *spring) func(n int) {
	return func(n int) {
		delivered := func() int { return int(w.lives.Running()[id].Delivery.Delivered) }
		want := delivered() + n
		s.fill(n)
		w.until("records are delivered", func() bool { return delivered() >= want })
	}
}

func kafkaClient(b *testing.B, k *peertest.Kafka) *kgo.Client {
	b.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(k.Address), kgo.DefaultProduceTopic("bench"), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()), kgo.MaxBufferedRecords(64*batchItems), kgo.ProducerLinger(0))
	check(b, err)
	b.Cleanup(c.Close)
	return c
}

// messages are records as the sink has them.
func messages(list []abi.Record, first int) []*kgo.Record {
	out := make([]*kgo.Record, len(list))
	for i, r := range list {
		out[i] = &kgo.Record{Key: []byte(r.Device), Value: r.Payload, Timestamp: time.Unix(0, r.Time), Headers: []kgo.RecordHeader{
			{Key: "snaprail-id", Value: fmt.Append(nil, "con_bench/1/", first+i)},
			{Key: "snaprail-device", Value: []byte(r.Device)},
			{Key: "snaprail-connector", Value: []byte("bench")},
			{Key: "snaprail-kind", Value: []byte("telemetry")},
			{Key: "content-type", Value: []byte(r.ContentType)},
		}}
	}
	return out
}

// kafkaInStep produces a batch, waits for the brokers, notes how far it is, and
// goes on.
func kafkaInStep(b *testing.B, c *kgo.Client, s *spring, sync bool) func(n int) {
	b.Helper()
	place := newLedger(b, sync)
	return func(n int) {
		for at := 0; at < n; at += batchItems {
			list := messages(s.records(at/batchItems%s.lanes), at)
			check(b, c.ProduceSync(b.Context(), list...).FirstErr())
			place.note(at)
		}
	}
}

// kafkaAtOnce produces as fast as the library takes it.
func kafkaAtOnce(b *testing.B, c *kgo.Client, s *spring) func(n int) {
	b.Helper()
	return func(n int) {
		for at := 0; at < n; at += batchItems {
			for _, r := range messages(s.records(at/batchItems%s.lanes), at) {
				c.Produce(context.WithoutCancel(b.Context()), r, func(_ *kgo.Record, err error) {
					if err != nil {
						b.Error(err)
					}
				})
			}
		}
		check(b, c.Flush(b.Context()))
	}
}
