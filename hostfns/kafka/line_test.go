package kafka

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

// later puts records under way.
func later(t *testing.T, end capability.Session, records ...abi.KafkaRecord) capability.Pending {
	t.Helper()
	q := abi.KafkaProduce{Later: true, Records: records}
	out, err := end.Call(t.Context(), functionProduce, q.Append(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	var reply abi.KafkaProduced
	if err := reply.Decode(out); err != nil || len(reply.Results) != 0 {
		t.Fatalf("%+v, %v", reply, err)
	}
	p, known := end.(capability.Deferring).Pending(reply.Ticket)
	if !known {
		t.Fatalf("the ticket %d is not known", reply.Ticket)
	}
	if _, twice := end.(capability.Deferring).Pending(reply.Ticket); twice {
		t.Fatalf("the ticket %d is given twice", reply.Ticket)
	}
	return p
}

func well(t *testing.T, p capability.Pending) bool {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		t.Fatal("what is under way does not end")
	}
	return p.Well()
}

// holdProduce keeps the first request to produce until the answer is called.
func (r *rig) holdProduce() (release func()) {
	held := make(chan struct{})
	r.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.cluster.SleepControl(func() { <-held })
		return nil, nil, false
	})
	release = sync.OnceFunc(func() { close(held) })
	r.t.Cleanup(release)
	return release
}

// Nothing is sent behind what did not end well: neither what waits for its turn nor
// what comes before all know, and it keeps its place when it comes again, once.
func TestNothingOvertakesWhatFailed(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args(func(a *abi.KafkaOpen) { a.Compression = "none" }))
	release := r.holdProduce()
	large := named("k", "large")
	large.Value = make([]byte, 1_040_000)
	first := later(t, end, named("k", "1"))
	second := later(t, end, named("k", "2"), large)
	third := later(t, end, named("k", "3"))
	for i, p := range []capability.Pending{first, second, third} {
		select {
		case <-p.Done():
			t.Errorf("ticket %d ended before the broker answered", i)
		default:
		}
	}
	release()
	if !well(t, first) || well(t, second) || well(t, third) {
		t.Fatal("want the first alone to end well")
	}
	first.Drop(false)
	if fourth := later(t, end, named("k", "4")); well(t, fourth) {
		t.Error("it was sent although not all know what failed")
	} else {
		fourth.Drop(true)
	}
	second.Drop(true)
	third.Drop(true)
	results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{named("k", "2"), large}})
	if err != nil || results[0].Code != "" || results[1].Code != "MESSAGE_TOO_LARGE" {
		t.Fatalf("%+v, %v", results, err)
	}
	for _, value := range []string{"3", "4"} {
		p := later(t, end, named("k", value))
		if !well(t, p) {
			t.Errorf("%s does not arrive", value)
		}
		p.Drop(false)
	}
	r.inOrder(4)
}

// inOrder wants 1 to n in the topic, each once.
func (r *rig) inOrder(n int) {
	r.t.Helper()
	r.send(0, "end")
	r.send(1, "end")
	r.send(2, "end")
	var got []string
	for _, s := range r.stored(n + 3) {
		if _, value, _ := strings.Cut(s, "="); value != "end" {
			got = append(got, value)
		}
	}
	for i, value := range got {
		if value != fmt.Sprint(i+1) {
			r.t.Fatalf("stored %v", got)
		}
	}
	if len(got) != n {
		r.t.Fatalf("stored %v, want %d", got, n)
	}
}

// Who has to wait after all asks again by the records' IDs, while they stand in the
// line and when they have ended, and nothing is sent twice.
func TestLaterIsAskedForAgain(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	release := r.holdProduce()
	first, second := later(t, end, named("k", "1")), later(t, end, named("k", "2"))
	first.Drop(true)
	second.Drop(true)
	both := abi.KafkaProduce{TimeoutMS: 20, Records: []abi.KafkaRecord{named("k", "1"), named("k", "2"), named("k", "3")}}
	if _, err := produce(t.Context(), end, both); !fault.Is(err, fault.Timeout) {
		t.Fatalf("while the broker keeps silent: %v", err)
	}
	release()
	both.TimeoutMS = 0
	results, err := produce(t.Context(), end, both)
	if err != nil || results[0].Code+results[1].Code+results[2].Code != "" {
		t.Fatalf("%+v, %v", results, err)
	}
	r.inOrder(3)
}

// A guest that dies with its tickets holds nobody up behind it.
func TestTicketsThatNobodyAsksFor(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args(func(a *abi.KafkaOpen) { a.Compression = "none" }))
	large := named("k", "large")
	large.Value = make([]byte, 1_040_000)
	for i := range 3 * maxTickets {
		large.ID = fmt.Sprint(i)
		q := abi.KafkaProduce{Later: true, Records: []abi.KafkaRecord{large}}
		eventually(t, "there is room", func() bool {
			_, err := end.Call(t.Context(), functionProduce, q.Append(nil), nil)
			if err != nil && !fault.Is(err, fault.Exhausted) {
				t.Fatal(err)
			}
			return err == nil
		})
	}
	if n := len(end.(*session).line.tickets); n > maxTickets {
		t.Errorf("%d tickets are kept", n)
	}
	results, err := produce(t.Context(), end, abi.KafkaProduce{Records: []abi.KafkaRecord{named("k", "1")}})
	if err != nil || results[0].Code != "" {
		t.Fatalf("%+v, %v", results, err)
	}
	p := later(t, end, named("k", "2"))
	if !well(t, p) {
		t.Error("what comes later is not sent")
	}
	p.Drop(false)
	r.inOrder(2)
}

func TestLaterWantsIDs(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	if _, err := produce(t.Context(), end, abi.KafkaProduce{Later: true, Records: []abi.KafkaRecord{keyed("k", "1")}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}

// A session that is closed ends what stands in its line.
func TestCloseEndsTheLine(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args())
	r.holdProduce()
	first, second := later(t, end, named("k", "1")), later(t, end, named("k", "2"))
	closeSession(t, end)
	if well(t, first) || well(t, second) {
		t.Error("it ended well")
	}
}
