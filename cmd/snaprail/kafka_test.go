package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/hostfns/peertest"
	"github.com/snaprail/snaprail/runtime/lifecycle"
)

// kafkaNode is a server and a broker of Apache Kafka.
type kafkaNode struct {
	*node
	k *peertest.Kafka
}

// grant lets a connector have a topic.
func (n *kafkaNode) grant(topic string, rights ...string) []any {
	return []any{map[string]any{
		"group": "kafka", "resources": []string{"kafka://" + n.k.Address + "/" + topic, "cidr:127.0.0.0/8"}, "rights": rights, "reason": "the plant's topics",
	}}
}

// TestKafkaConnectorsSoak: the connectors that ship, in the real program, against
// Apache Kafka itself. SNAPRAIL_SOAK has the broker away for ten minutes in place
// of ten seconds, and for one more there without answering anybody.
func TestKafkaConnectorsSoak(t *testing.T) {
	pause, soak := 10*time.Second, os.Getenv("SNAPRAIL_SOAK") != ""
	if soak {
		pause = 10 * time.Minute
	}
	k, one := peertest.StartKafka(t), newNode(t)
	run := func(name string, sub func(*kafkaNode)) {
		t.Run(name, func(t *testing.T) {
			inner := &kafkaNode{node: &node{t: t, dir: one.dir, process: one.process, api: one.api}, k: k} // what one has compiled serves all
			defer func() { one.process, one.api = inner.process, inner.api }()
			sub(inner)
		})
	}
	run("SourceIsKilled", (*kafkaNode).sourceIsKilled)
	run("SinkIsRefused", (*kafkaNode).sinkIsRefused)
	run("BrokerAway", func(n *kafkaNode) { n.away((*peertest.Kafka).Kill, (*peertest.Kafka).Start, pause) })
	if soak {
		run("BrokerFrozen", func(n *kafkaNode) { n.away((*peertest.Kafka).Freeze, (*peertest.Kafka).Thaw, time.Minute) })
	}
}

// sourceIsKilled: the server is killed again and again while messages come: each
// is in the history once, in the order of its partition.
func (n *kafkaNode) sourceIsKilled() {
	const perRound, rounds = 500, 4
	n.k.MakeTopic("lines", 3)
	c := n.activate(json.Marshal(map[string]any{
		"name": "lines", "module": n.push("kafkasource"), "grants": n.grant("lines", "read"),
		"config": map[string]any{"brokers": []string{n.k.Address}, "topic": "lines", "group": "rail", "instance": "rail-1", "device": "plant", "device_by_key": true},
	}))
	for round := range rounds {
		var text bytes.Buffer
		for i := range perRound {
			fmt.Fprintf(&text, "pump%d:%d\n", i%7, round*perRound+i)
		}
		n.k.Kcat(text.String(), "-P", "-t", "lines", "-K:")
		if round < rounds-1 {
			n.wait(rand.N(300 * time.Millisecond))
			n.kill()
			n.start()
		}
	}
	places := map[string]bool{}
	last := map[string]int{}
	n.history(client.StreamOptions{Connector: c.ID}, func(r client.Record) bool {
		if r.Kind == "gap" {
			n.t.Errorf("a gap: %s", r.Raw)
			return true
		}
		i, err := strconv.Atoi(strings.Trim(string(r.Payload), `"`))
		if err != nil {
			n.t.Fatalf("a record: %s", r.Raw)
		}
		if at, seen := last[r.Device]; seen && at+7 != i && i%perRound >= 7 {
			n.t.Errorf("%s: %d behind %d", r.Device, i, at)
		}
		last[r.Device] = i
		if places[string(r.Payload)] {
			n.t.Errorf("twice: %s", r.Raw)
		}
		places[string(r.Payload)] = true
		return len(places) == rounds*perRound
	})
	sum := func() (sum int64) {
		for _, at := range n.k.Committed("rail", "lines") {
			sum += at
		}
		return sum
	}
	for end := time.Now().Add(patience); sum() != rounds*perRound; n.wait(50 * time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("%d offsets are committed, want %d", sum(), rounds*perRound)
		}
	}
}

// sinkIsRefused: a login without rights is told when the connector is tested, one
// that loses them while records come, and a record that the topic does not take
// goes to quarantine alone (abuse case 40).
func (n *kafkaNode) sinkIsRefused() {
	n.k.MakeTopic("feed", 1)
	n.k.MakeTopic("guarded", 1, "max.message.bytes", "2000")
	n.activate(json.Marshal(map[string]any{
		"name": "feed", "module": n.push("kafkasource"), "grants": n.grant("feed", "read"),
		"config": map[string]any{"brokers": []string{n.k.Address}, "topic": "feed", "group": "rail", "content_type": "text/plain"},
	}))
	spec, err := json.Marshal(map[string]any{
		"name": "guarded", "module": n.push("kafkasink"), "feed": map[string]any{"from": []string{"feed"}, "start": "oldest"},
		"grants": []any{map[string]any{"group": "kafka", "resources": []string{"kafka://" + n.k.SASL + "/guarded", "cidr:127.0.0.0/8"}, "rights": []string{"write"}, "reason": "the line's topic"}},
		"config": map[string]any{
			"brokers": []string{n.k.SASL}, "topic": "guarded", "mechanism": "SCRAM-SHA-512", "allow_insecure": true, "compression": "none",
			"username": peertest.KafkaScramUser, "password": peertest.KafkaPassword,
		},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	c, err := n.api.CreateConnector(n.t.Context(), spec)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.api.Activate(n.t.Context(), c.ID); err == nil || !strings.Contains(err.Error(), "TOPIC_AUTHORIZATION_FAILED") || strings.Contains(err.Error(), peertest.KafkaPassword) {
		n.t.Errorf("a login without rights: %v", err)
	}
	allow := func() {
		n.k.Allow(peertest.KafkaScramUser, kmsg.ACLResourceTypeTopic, "guarded", kmsg.ACLOperationWrite)
	}
	allow()
	for end := time.Now().Add(patience); ; n.wait(100 * time.Millisecond) { // until the broker knows
		if _, err = n.api.Activate(n.t.Context(), c.ID); err == nil {
			break
		} else if time.Now().After(end) {
			n.t.Fatal(err)
		}
	}
	arrived := func(want uint64) func(*lifecycle.Status) bool {
		return func(s *lifecycle.Status) bool { return s.Delivery.Delivered == want }
	}
	n.k.Kcat("a:1\n", "-P", "-t", "feed", "-K:")
	n.until(c.ID, "delivering", arrived(1))
	n.k.Disallow(peertest.KafkaScramUser)
	n.until(c.ID, "without the right", func(s *lifecycle.Status) bool { return !s.Sessions[0].Up && s.State == lifecycle.Degraded })
	n.k.Kcat("a:2\na:"+strings.Repeat("x", 5000)+"\na:3\n", "-P", "-t", "feed", "-K:")
	s := n.until(c.ID, "held", func(s *lifecycle.Status) bool { return s.State == lifecycle.Degraded && s.Delivery.Held != "" })
	if !strings.Contains(s.Delivery.Held, "TOPIC_AUTHORIZATION_FAILED") {
		n.t.Errorf("it is held: %s", s.Delivery.Held)
	}
	allow()
	n.until(c.ID, "delivering again", arrived(3))
	if s = n.state(c.ID, lifecycle.Running); s.Counters.Quarantined != 1 {
		n.t.Errorf("%d in quarantine", s.Counters.Quarantined)
	}
	if got := n.k.Kcat("", "-C", "-t", "guarded", "-e"); got != "1\n2\n3\n" {
		n.t.Errorf("the topic holds %q", got)
	}
}

// What is asked of an outage: how soon it shows, how soon it is over, what it may
// cost in memory, and how much faster than they come records are caught up with.
const (
	liveRate    = 500
	maxDegraded = 10 * time.Second
	maxRecovery = 30 * time.Second
	maxMemory   = 64 << 20
	catchUp     = 5
)

const tickers = 10

// away: the broker goes for a while, and comes back, while records come at their
// rate: nothing is lost and nothing out of its order (abuse case 39).
func (n *kafkaNode) away(goes, comes func(*peertest.Kafka), pause time.Duration) {
	topic := fmt.Sprintf("out-%d", rand.N(1_000_000))
	n.k.MakeTopic(topic, 3)
	ticker := n.push("ticker")
	var sources []client.Connector
	var names []string
	for i := range tickers {
		names = append(names, fmt.Sprint(topic, "-", i))
		sources = append(sources, n.activate(json.Marshal(map[string]any{
			"name": names[i], "module": ticker, "config": map[string]any{"device": fmt.Sprint("t", i), "interval_ms": 10},
		})))
	}
	sink := n.activate(json.Marshal(map[string]any{
		"name": topic, "module": n.push("kafkasink"), "grants": n.grant(topic, "write"), "feed": map[string]any{"from": names, "start": "oldest"},
		"config": map[string]any{"brokers": []string{n.k.Address}, "topic": topic},
	}))
	delivered := func(more uint64) *lifecycle.Status {
		return n.until(sink.ID, "delivering", func(s *lifecycle.Status) bool { return s.Delivery.Delivered >= more })
	}
	delivered(2 * liveRate)
	before, produced := rss(n.t, n.cmd.Process.Pid), n.records(sources)
	began := time.Now()
	goes(n.k)
	held := n.state(sink.ID, lifecycle.Degraded)
	noticed := time.Since(began)
	most := before
	for time.Since(began) < pause {
		n.wait(200 * time.Millisecond)
		most = max(most, rss(n.t, n.cmd.Process.Pid))
	}
	n.t.Logf("degraded after %v: %s", noticed.Round(time.Millisecond), held.Reason)
	rate := float64(n.records(sources)-produced) / time.Since(began).Seconds()

	comes(n.k)
	back := time.Now()
	waited := n.until(sink.ID, "known", func(*lifecycle.Status) bool { return true }).Delivery
	delivered(waited.Delivered + 1)
	recovery := time.Since(back)
	caught := time.Now()
	var s *lifecycle.Status
	for {
		s = n.until(sink.ID, "known", func(*lifecycle.Status) bool { return true })
		if s.Delivery.Behind < 20 {
			break
		}
		if time.Since(caught) > pause/2+maxRecovery {
			n.t.Fatalf("not caught up after %v: %+v", time.Since(caught), s.Delivery)
		}
		n.wait(5 * time.Millisecond)
	}
	fast := float64(s.Delivery.Delivered-waited.Delivered) / time.Since(caught).Seconds()
	n.state(sink.ID, lifecycle.Running)
	running := time.Since(back)
	most = max(most, rss(n.t, n.cmd.Process.Pid))
	n.t.Logf("%.0f records/s while the broker was away for %v; delivering %v and running %v after it answered; %d records caught up with at %.0f/s; %d KiB more memory, %d KiB of them the sink's guest",
		rate, pause, recovery.Round(time.Millisecond), running.Round(time.Millisecond), s.Delivery.Delivered-waited.Delivered, fast, (most-before)>>10, s.MemoryBytes>>10)
	switch {
	case rate < 0.8*liveRate:
		n.t.Errorf("only %.0f records/s", rate)
	case noticed > maxDegraded:
		n.t.Errorf("degraded after %v", noticed)
	case running > maxRecovery:
		n.t.Errorf("running after %v", running)
	case fast < catchUp*max(rate, liveRate):
		n.t.Errorf("caught up at %.0f records/s", fast)
	case most-before > maxMemory:
		n.t.Errorf("%d MiB more memory", (most-before)>>20)
	}
	n.settled(topic, sources, sink)
}

// records is how many records connectors have made.
func (n *kafkaNode) records(list []client.Connector) (sum uint64) {
	n.t.Helper()
	for _, c := range list {
		have, err := n.api.Connector(n.t.Context(), c.ID)
		if err != nil {
			n.t.Fatal(err)
		}
		sum += have.Runtime.Counters.Records
	}
	return sum
}

// settled stops the sources and holds what is in the topic against what they made:
// each count of each device once, in its order.
func (n *kafkaNode) settled(topic string, sources []client.Connector, sink client.Connector) {
	n.t.Helper()
	for _, c := range sources {
		if _, err := n.api.Deactivate(n.t.Context(), c.ID); err != nil {
			n.t.Fatal(err)
		}
	}
	n.until(sink.ID, "done", func(s *lifecycle.Status) bool { return s.Delivery.Behind == 0 && s.Delivery.Buffered == 0 })
	next, twice, lines := map[string]int{}, 0, 0
	for line := range strings.Lines(n.k.Kcat("", "-C", "-t", topic, "-e", "-f", `%k %s\n`)) {
		device, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		var counted struct{ Count int }
		if err := json.Unmarshal([]byte(value), &counted); err != nil {
			n.t.Fatalf("%q: %v", line, err)
		}
		lines++
		switch want := next[device] + 1; {
		case counted.Count == want:
			next[device] = want
		case counted.Count < want:
			twice++
		default:
			n.t.Fatalf("%s: %d behind %d", device, counted.Count, want-1)
		}
	}
	status := n.state(sink.ID, lifecycle.Running)
	if status.Delivery.Missed != 0 || status.Counters.Quarantined != 0 {
		n.t.Errorf("%+v, %d in quarantine", status.Delivery, status.Counters.Quarantined)
	}
	made := 0
	for _, count := range next {
		made += count
	}
	if len(next) != tickers || uint64(made) != status.Delivery.Delivered {
		n.t.Errorf("%v: %d records in the topic, and %d delivered", slices.Sorted(maps.Keys(next)), made, status.Delivery.Delivered)
	}
	if twice > 0 {
		n.t.Errorf("%d of %d records came twice", twice, lines)
	}
}

// rss is the memory of a process that is in the machine's, in bytes.
func rss(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("there is no /proc to tell how much memory a process has")
	}
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		t.Fatalf("%q, %v", text, err)
	}
	pages, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
