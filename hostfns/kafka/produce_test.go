package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestProduceKeepsKeysHeadersTimesAndOrder(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	at := time.Date(2026, 11, 22, 1, 2, 3, 4_000_000, time.UTC)
	first := keyed("pump1", "1")
	first.Time, first.Headers = at.UnixNano(), []abi.Header{{Name: "unit", Value: []byte("bar")}}
	batch := []abi.KafkaRecord{first, keyed("pump1", "2"), {Value: []byte("pinned"), Partition: 2, Pinned: true}, {Key: []byte("pump1")}}
	results, err := produce(t.Context(), end, abi.KafkaProduce{Records: batch})
	if err != nil {
		t.Fatal(err)
	}
	for i, res := range results {
		if res.Code != "" || i > 0 && i != 2 && (res.Partition != results[0].Partition || res.Offset <= results[0].Offset) {
			t.Errorf("record %d: %+v, the first %+v", i, res, results[0])
		}
	}
	if results[2].Partition != 2 {
		t.Errorf("the pinned record is in partition %d", results[2].Partition)
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(r.address()), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {int32(results[0].Partition): kgo.NewOffset().At(int64(results[0].Offset))}}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := c.PollRecords(ctx, 1).Records()[0]
	if !got.Timestamp.Equal(at) || len(got.Headers) != 1 || got.Headers[0].Key != "unit" || string(got.Key) != "pump1" {
		t.Errorf("stored as %+v", got)
	}
	if list := r.stored(4); !slices.Contains(list, fmt.Sprintf("%d:pump1=", results[0].Partition)) {
		t.Errorf("no deletion in %v", list)
	}
}

// What records have in common is said once, and stands in each.
func TestProduceOfForms(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	own := abi.KafkaRecord{Key: []byte("own"), Value: []byte("1"), ID: "c/1/1", Form: 1, Headers: []abi.Header{{Name: "trace", Value: []byte("7")}}}
	q := abi.KafkaProduce{
		Records: []abi.KafkaRecord{own, {Value: []byte("2"), ID: "c/1/2", Form: 1}, {Value: []byte("3"), ID: "c/1/3", Form: 2}, keyed("k", "4")},
		Forms: []abi.KafkaForm{
			{Key: []byte("pump"), IDHeader: "id", Headers: []abi.Header{{Name: "kind", Value: []byte("a")}}},
			{Key: []byte{}, Headers: []abi.Header{{Name: "kind", Value: []byte("b")}}},
		},
	}
	if results, err := produce(t.Context(), end, q); err != nil || slices.ContainsFunc(results, func(r abi.KafkaResult) bool { return r.Code != "" }) {
		t.Fatal(results, err)
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(r.address()), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []string
	for len(got) < len(q.Records) && ctx.Err() == nil {
		c.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			text := string(r.Value) + " " + string(r.Key)
			for _, h := range r.Headers {
				text += " " + h.Key + "=" + string(h.Value)
			}
			got = append(got, text)
		})
	}
	slices.Sort(got)
	if want := []string{"1 own trace=7 id=c/1/1 kind=a", "2 pump id=c/1/2 kind=a", "3  kind=b", "4 k"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if _, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{{Form: 3}}, Forms: q.Forms}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a form that is not there: %v", err)
	}
	large := []abi.KafkaForm{{Key: make([]byte, abi.MaxKafkaForm)}}
	if _, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{{Form: 1}}, Forms: large}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a form that is too large: %v", err)
	}
}

// Each record has a result of its own (abuse case 40).
func TestOneRecordTooLarge(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args(func(a *abi.KafkaOpen) { a.Compression = "none" }))
	results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{
		keyed("a", "1"), keyed("b", strings.Repeat("x", 1_040_000)), keyed("c", "3"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Code != "" || results[2].Code != "" || results[1].Code != "MESSAGE_TOO_LARGE" || results[1].Retry {
		t.Errorf("%+v", results)
	}
}

func TestProduceToATopicThatIsNotThere(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args(func(a *abi.KafkaOpen) { a.Topic = "absent" }))
	if c := end.(capability.Reporter).Condition(); c.Up || !strings.Contains(c.Reason, "no such topic") {
		t.Errorf("%+v", c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := produce(ctx, end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("a", "1")}}); !fault.Is(err, fault.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := produce(ctx, end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("a", "1")}}); !fault.Is(err, fault.Timeout) || time.Since(began) > time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("a", "1")}})
	if err != nil || results[0].Code != "UNKNOWN_TOPIC_OR_PARTITION" || !results[0].Retry {
		t.Errorf("%+v, %v", results, err)
	}
}

// A broker that goes away loses nothing, doubles nothing that is asked for again
// by its ID, and keeps the order of keys (abuse case 39).
func TestBrokerAwayAndBack(t *testing.T) {
	dir := t.TempDir()
	r := cluster(t, kfake.DataDir(dir))
	port := portOf(t, r.address())
	end := r.opened(group(), r.args())
	if _, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("k", "0")}}); err != nil {
		t.Fatal(err)
	}
	r.cluster.Close()
	eventually(t, "the session notices", func() bool { return !end.(capability.Reporter).Condition().Up })
	batch := func(i int) abi.KafkaProduce {
		return abi.KafkaProduce{ID: fmt.Sprint(i), TimeoutMS: 20, Records: []abi.KafkaRecord{keyed("k", fmt.Sprint(i))}}
	}
	for i := 1; i <= 20; i++ {
		if _, err := produce(t.Context(), end, batch(i)); !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "refused") {
			t.Fatalf("batch %d while the broker is away: %v", i, err)
		}
	}
	r.up(kfake.Ports(port))
	for i := 1; i <= 20; i++ {
		q := batch(i)
		q.TimeoutMS = uint64(patience.Milliseconds())
		results, err := produce(t.Context(), end, q)
		if err != nil || results[0].Code != "" {
			t.Fatalf("batch %d after it came back: %+v, %v", i, results, err)
		}
	}
	eventually(t, "the session is up", func() bool { c := end.(capability.Reporter).Condition(); return c.Up && c.Opens == 2 })
	for i, got := range r.stored(21) {
		if _, value, _ := strings.Cut(got, "="); value != fmt.Sprint(i) {
			t.Errorf("place %d holds %s", i, got)
		}
	}
}

// What cannot be delivered is not taken in without end.
func TestFullWhileTheBrokerIsAway(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(func(c *Config) { c.Records, c.Bytes = 100, 10_000 }), r.args())
	r.cluster.Close()
	var err error
	n := 0
	for ; n < 1000 && !fault.Is(err, fault.Exhausted); n++ {
		_, err = produce(t.Context(), end, abi.KafkaProduce{TimeoutMS: 1, Records: []abi.KafkaRecord{keyed("k", strings.Repeat("x", 1000))}})
		if !fault.Is(err, fault.Timeout) && !fault.Is(err, fault.Exhausted) {
			t.Fatal(err)
		}
	}
	if n < 5 || n > 12 {
		t.Errorf("%d batches of 1 KiB were taken in; room is for 10", n)
	}
	if f := fault.Of(err); f.RetryAfter == 0 {
		t.Errorf("%+v does not say when to try again", f)
	}
}

// The connection ends after a broker took the records and before it said so: the
// idempotent producer sends them again, and the broker keeps one (abuse case 40).
func TestAnAnswerThatIsLost(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	if _, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("k", "0")}}); err != nil {
		t.Fatal(err)
	}
	r.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		return nil, errors.New("the line is cut"), true
	})
	results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("k", "1"), keyed("k", "2")}})
	if err != nil || results[0].Code != "" || results[1].Code != "" {
		t.Fatalf("%+v, %v", results, err)
	}
	if got := r.stored(3); strings.Join(got, " ") != fmt.Sprintf("%[1]d:k=0 %[1]d:k=1 %[1]d:k=2", results[0].Partition) {
		t.Errorf("stored %v", got)
	}
}
