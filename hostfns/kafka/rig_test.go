package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

const (
	patience = time.Minute
	topic    = "readings"
)

// rig is a cluster, which the tests speak to with a client of their own.
type rig struct {
	t       *testing.T
	cluster *kfake.Cluster
	options []kfake.Opt
	client  *kgo.Client
}

// cluster starts one broker with a topic of three partitions.
func cluster(t *testing.T, options ...kfake.Opt) *rig {
	t.Helper()
	r := &rig{t: t, options: append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, topic)}, options...)}
	r.up()
	t.Cleanup(func() {
		if r.client != nil {
			r.client.Close()
		}
		r.cluster.Close()
	})
	return r
}

func (r *rig) up(options ...kfake.Opt) {
	r.t.Helper()
	var err error
	if r.cluster, err = kfake.NewCluster(append(r.options, options...)...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) address() string { return r.cluster.ListenAddrs()[0] }

func (r *rig) resource(topic string) string { return resourceOf(r.address(), topic) }

func (r *rig) grants(rights ...spec.Right) []spec.Grant {
	if len(rights) == 0 {
		rights = []spec.Right{spec.Read, spec.Write}
	}
	return []spec.Grant{{Group: Name, Resources: []string{r.resource("*"), "cidr:127.0.0.0/8"}, Rights: rights}}
}

func (r *rig) args(change ...func(*abi.KafkaOpen)) *abi.KafkaOpen {
	a := &abi.KafkaOpen{Brokers: []string{r.address()}, Topic: topic, OpenTimeoutMS: 3000}
	for _, f := range change {
		f(a)
	}
	return a
}

func inGroup(name string) func(*abi.KafkaOpen) { return func(a *abi.KafkaOpen) { a.Group = name } }

// own is the test's own client.
func (r *rig) own() *kgo.Client {
	r.t.Helper()
	if r.client == nil {
		c, err := kgo.NewClient(kgo.SeedBrokers(r.address()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(leastMetadata), kgo.DisableClientMetrics())
		if err != nil {
			r.t.Fatal(err)
		}
		r.client = c
	}
	return r.client
}

// send puts records with these values into a partition.
func (r *rig) send(partition int32, values ...string) {
	r.t.Helper()
	for _, v := range values {
		if err := r.own().ProduceSync(r.t.Context(), &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}).FirstErr(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// stored is what a topic holds, as partition:key=value in the order of each
// partition.
func (r *rig) stored(n int) (list []string) {
	r.t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(r.address()), kgo.ConsumeTopics(topic), kgo.DisableClientMetrics(), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for len(list) < n {
		fetched := c.PollFetches(ctx)
		if ctx.Err() != nil {
			r.t.Fatalf("%d records, want %d: %v", len(list), n, fetched.Err())
		}
		fetched.EachRecord(func(rec *kgo.Record) {
			list = append(list, fmt.Sprintf("%d:%s=%s", rec.Partition, rec.Key, rec.Value))
		})
	}
	return list
}

// committed is the offset of a group, -1 if there is none.
func (r *rig) committed(group string, partition int32) int64 {
	info := r.cluster.GroupInfo(group)
	if info == nil {
		return -1
	}
	commit, ok := info.Commits[topic][partition]
	if !ok {
		return -1
	}
	return commit.Offset
}

func fast() pace {
	return pace{probe: 100 * time.Millisecond, answer: 2 * time.Second, retry: 50 * time.Millisecond, commit: 10 * time.Millisecond}
}

func group(options ...func(*Config)) *Group {
	cfg := Config{Egress: egress.New(egress.Config{}), pace: fast()}
	for _, f := range options {
		f(&cfg)
	}
	return New(cfg)
}

// opened opens a session that is closed when the test ends.
func (r *rig) opened(g *Group, args *abi.KafkaOpen) capability.Session {
	r.t.Helper()
	end, err := g.Open(r.t.Context(), capability.Scope{Grants: r.grants(), Owner: "con_1"}, args.Append(nil))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { closeSession(r.t, end) })
	return end
}

func closeSession(t *testing.T, end capability.Session) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), capability.CloseTimeout)
	defer cancel()
	if err := end.Close(ctx); err != nil {
		t.Error(err)
	}
}

// taken waits for n events, and does not acknowledge them.
func taken(t *testing.T, end capability.Session, n int) (got []capability.Event) {
	t.Helper()
	s := end.(capability.Source)
	for out := time.After(patience); len(got) < n; {
		if got = s.Take(got, n-len(got), 1<<20); len(got) == n {
			break
		}
		select {
		case <-s.Ready():
		case <-out:
			t.Fatalf("%d events (%s), want %d; %+v", len(got), told(t, got), n, end.(capability.Reporter).Condition())
		}
	}
	return got
}

// told writes events as text: values of records, the others by name.
func told(t *testing.T, events []capability.Event) string {
	t.Helper()
	words := make([]string, len(events))
	for i, e := range events {
		switch e.Type {
		case abi.EventData:
			words[i] = string(record(t, e).Value)
		case abi.EventUp:
			words[i] = "up"
		case abi.EventDown:
			words[i] = "down"
		case abi.EventGap:
			words[i] = "gap:" + e.Name
		default:
			words[i] = strconv.Itoa(int(e.Type))
		}
	}
	return strings.Join(words, " ")
}

func record(t *testing.T, e capability.Event) (m abi.KafkaRecord) {
	t.Helper()
	if err := m.Decode(e.Data); err != nil {
		t.Fatal(err)
	}
	return m
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// produce calls the function.
func produce(ctx context.Context, end capability.Session, q abi.KafkaProduce) ([]abi.KafkaResult, error) {
	out, err := end.Call(ctx, functionProduce, q.Append(nil), nil)
	if err != nil {
		return nil, err
	}
	var reply abi.KafkaProduced
	err = reply.Decode(out)
	return reply.Results, err
}

func keyed(key, value string) abi.KafkaRecord {
	return abi.KafkaRecord{Key: []byte(key), Value: []byte(value)}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// pemOf is a certificate and its key in PEM.
func pemOf(t *testing.T, c tls.Certificate) (certificate, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
