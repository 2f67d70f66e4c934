package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
)

// Nothing is committed before it is acknowledged, and then it is.
func TestCommitsWhatIsAcknowledged(t *testing.T) {
	r := cluster(t)
	r.send(1, "a", "b", "c", "d", "e")
	end, err := group().Open(t.Context(), capability.Scope{Grants: r.grants()}, r.args(inGroup("g")).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	s := end.(capability.Source)
	got := taken(t, end, 5)
	if told(t, got) != "a b c d e" {
		t.Errorf("got %s", told(t, got))
	}
	if m := record(t, got[3]); m.Topic != topic || m.Partition != 1 || m.Offset != 3 || m.Time == 0 {
		t.Errorf("%+v", m)
	}
	if at := r.committed("g", 1); at != -1 {
		t.Errorf("committed %d before anything was acknowledged", at)
	}
	s.Ack(3)
	eventually(t, "three are committed", func() bool { return r.committed("g", 1) == 3 })
	s.Rewind()
	if again := taken(t, end, 2); told(t, again) != "d e" {
		t.Errorf("after Rewind %s", told(t, again))
	}
	s.Ack(1)
	closeSession(t, end)
	if at := r.committed("g", 1); at != 4 {
		t.Errorf("committed %d at the end, want 4", at)
	}
	next := r.opened(group(), r.args(inGroup("g")))
	if got := taken(t, next, 1); told(t, got) != "e" {
		t.Errorf("the next session begins with %s", told(t, got))
	}
}

// A partition that moved to another member is not committed by the one before,
// however late its acknowledgement comes.
func TestALateAcknowledgementDoesNotRewind(t *testing.T) {
	r := cluster(t)
	for p := range int32(3) {
		r.send(p, fmt.Sprintf("p%d-0", p), fmt.Sprintf("p%d-1", p))
	}
	first := r.opened(group(), r.args(inGroup("g")))
	old := taken(t, first, 6)
	second := r.opened(group(), r.args(inGroup("g")))
	var moved []capability.Event
	eventually(t, "a partition moves", func() bool {
		moved = second.(capability.Source).Take(moved, 10, 1<<20)
		return len(moved) >= 2
	})
	second.(capability.Source).Ack(len(moved))
	partition := int32(record(t, moved[0]).Partition)
	eventually(t, "it is committed by its owner", func() bool { return r.committed("g", partition) == 2 })
	r.send(partition, "new")
	if got := taken(t, second, 1); told(t, got) != "new" {
		t.Errorf("got %s", told(t, got))
	}
	second.(capability.Source).Ack(1)
	eventually(t, "that too", func() bool { return r.committed("g", partition) == 3 })
	first.(capability.Source).Ack(len(old))
	eventually(t, "the rest is committed", func() bool {
		return !slices.ContainsFunc([]int32{0, 1, 2}, func(p int32) bool { return p != partition && r.committed("g", p) < 2 })
	})
	if at := r.committed("g", partition); at != 3 {
		t.Errorf("partition %d was committed back to %d", partition, at)
	}
}

func TestBufferIsBounded(t *testing.T) {
	r := cluster(t)
	for range 40 {
		var list []*kgo.Record
		for range 50 {
			list = append(list, &kgo.Record{Topic: topic, Partition: 0, Value: []byte(strings.Repeat("x", 1000))})
		}
		if err := r.own().ProduceSync(t.Context(), list...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		bounds func(*Config)
		purse  capability.Purse
	}{
		"its own bounds": {bounds: func(c *Config) { c.Records, c.Bytes = 100, 50_000 }},
		"an empty purse": {bounds: func(*Config) {}, purse: hostfnstest.NewPurse(0)},
	} {
		t.Run(name, func(t *testing.T) {
			scope := capability.Scope{Grants: r.grants(), Owner: "con_1", Purse: tt.purse}
			end, err := group(tt.bounds).Open(t.Context(), scope, r.args(inGroup(name)).Append(nil))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeSession(t, end) })
			s := end.(capability.Source)
			for seen := range uint64(2000) {
				if n := end.(capability.Reporter).Condition().Buffered; n > 100+pollRecords {
					t.Fatalf("%d records are kept", n)
				}
				got := taken(t, end, 1)
				if m := record(t, got[0]); m.Offset != seen {
					t.Fatalf("record %d, want %d", m.Offset, seen)
				}
				s.Ack(1)
			}
		})
	}
}

func TestDownAndUpAreTold(t *testing.T) {
	r := cluster(t, kfake.DataDir(t.TempDir()))
	port := portOf(t, r.address())
	r.send(0, "before")
	end := r.opened(group(), r.args(inGroup("g")))
	if got := taken(t, end, 1); told(t, got) != "before" {
		t.Fatal(told(t, got))
	}
	end.(capability.Source).Ack(1)
	eventually(t, "it is committed", func() bool { return r.committed("g", 0) == 1 })
	r.client.Close()
	r.client = nil
	r.cluster.Close()
	down := taken(t, end, 1)
	if told(t, down) != "down" || down[0].Err == nil {
		t.Fatalf("got %s, %v", told(t, down), down[0].Err)
	}
	end.(capability.Source).Ack(1)
	r.up(kfake.Ports(port))
	r.send(0, "after")
	got := told(t, taken(t, end, 2))
	if got != "up after" && got != "after up" {
		t.Errorf("got %s", got)
	}
}

// What was deleted before it was read is a gap, not silence.
func TestDeletedRecordsAreAGap(t *testing.T) {
	r := cluster(t)
	r.send(0, "a", "b")
	end, err := group().Open(t.Context(), capability.Scope{Grants: r.grants()}, r.args(inGroup("g")).Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	end.(capability.Source).Ack(len(taken(t, end, 2)))
	closeSession(t, end)
	r.send(0, "c", "d", "e")
	if err := r.cluster.DeleteRecords(topic, 0, 4); err != nil {
		t.Fatal(err)
	}
	next := r.opened(group(), r.args(inGroup("g")))
	got := taken(t, next, 2)
	if told(t, got) != "gap:"+gapDataLoss+" e" || !strings.Contains(got[0].Err.Error(), "2 offsets from 2 on") {
		t.Errorf("got %s, %v", told(t, got), got[0].Err)
	}
	if c := next.(capability.Reporter).Condition(); c.Dropped != 1 || c.Counts["dropped_data_loss"] != 1 {
		t.Errorf("%+v", c)
	}
}

// A right that was taken away shows, and is asked for again until it is back,
// although the library gives such a partition up for good (abuse case 40).
func TestARightThatIsTakenAwayAndGivenBack(t *testing.T) {
	r := cluster(t)
	end := r.opened(group(), r.args(inGroup("g")))
	r.send(0, "a")
	end.(capability.Source).Ack(len(taken(t, end, 1)))
	taken := r.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	r.send(0, "b")
	eventually(t, "it shows", func() bool {
		c := end.(capability.Reporter).Condition()
		return !c.Up && strings.Contains(c.Reason, "TOPIC_AUTHORIZATION_FAILED")
	})
	taken.Remove()
	var got []capability.Event
	eventually(t, "it reads on", func() bool {
		got = end.(capability.Source).Take(got, 10, 1<<20)
		return len(got) > 0 && got[len(got)-1].Type == abi.EventData || slices.ContainsFunc(got, func(e capability.Event) bool { return e.Type == abi.EventData })
	})
	if !strings.Contains(told(t, got), "b") {
		t.Errorf("got %s", told(t, got))
	}
}

func TestARecordThatNoGuestCouldBeHanded(t *testing.T) {
	r := cluster(t)
	headers := make([]kgo.RecordHeader, abi.MaxHeaders+1)
	if err := r.own().ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("x"), Headers: headers}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	r.send(0, "next")
	end := r.opened(group(), r.args(inGroup("g")))
	if got := taken(t, end, 2); told(t, got) != "gap:"+gapTooLarge+" next" {
		t.Errorf("got %s", told(t, got))
	}
	if c := end.(capability.Reporter).Condition(); c.Dropped != 1 || c.Counts["dropped_record_too_large"] != 1 {
		t.Errorf("%+v", c)
	}
	end.(capability.Source).Ack(2)
	eventually(t, "both are committed", func() bool { return r.committed("g", 0) == 2 })
}
