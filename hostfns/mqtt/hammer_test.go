package mqtt

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/peertest"
)

// TestHammerSession publishes and receives while the connection is cut again and
// again: what was published comes, at least once and in order, and every message
// that was sent is handed out.
func TestHammerSession(t *testing.T) {
	const rounds, size = 40, 16
	m := peertest.StartMosquitto(t)
	m.Keep("reader", "out")
	c := open(t, group(), scope(m.Address), args(m.Address))
	other := open(t, group(), scope(m.Address), args(m.Address, named("other"), func(a *abi.MQTTOpen) { a.Subscriptions = nil }))
	var background sync.WaitGroup
	stop := make(chan struct{})
	background.Go(func() {
		for done, over := uint64(0), false; ; done = c.Condition().Counts["published"] {
			eventually(t, "it goes on", func() bool {
				select {
				case <-stop:
					over = true
				default:
				}
				return over || c.Condition().Up && c.Condition().Counts["published"] >= done+size
			})
			if over {
				return
			}
			c.mu.Lock()
			l := c.last
			c.mu.Unlock()
			_ = l.conn.Close()
		}
	})
	background.Go(func() {
		for i := range rounds {
			q := abi.MQTTPublish{Messages: []abi.MQTTMessage{{Topic: "in/x", QoS: 1 + uint32(i)%2, Payload: []byte(fmt.Sprint(i))}}}
			if results, err := other.publish(q); err != nil || results[0].Code != "" {
				t.Errorf("%+v, %v", results, err)
			}
		}
	})
	seen := map[string]bool{}
	background.Go(func() {
		for len(seen) < rounds {
			<-c.Ready()
			events := c.Take(nil, 7, 1<<20)
			for _, text := range c.shown(events) {
				if strings.HasPrefix(text, "in/x=") {
					seen[text] = true
				}
			}
			c.Ack(len(events))
		}
	})
	for i := range rounds {
		q := abi.MQTTPublish{TimeoutMS: 500}
		for j := range size {
			q.Messages = append(q.Messages, abi.MQTTMessage{Topic: "out", QoS: 1, Payload: []byte(fmt.Sprint(i*size + j)), ID: fmt.Sprint(i*size + j)})
		}
		for len(q.Messages) > 0 {
			results, err := c.publish(q)
			for err == nil && len(results) > 0 && results[0].Code == "" {
				results, q.Messages = results[1:], q.Messages[1:]
			}
		}
	}
	close(stop)
	background.Wait()
	next := 0
	m.ReceiveUntil(func(line string) bool {
		var i int
		if _, err := fmt.Sscanf(line, "out %d", &i); err != nil || i > next {
			t.Fatalf("%s comes where %d is due", line, next)
		}
		next = max(next, i+1)
		return next == rounds*size
	}, nil, "-c", "-i", "reader", "-q", "1", "-t", "out")
	if opens := c.Condition().Opens; opens < 5 {
		t.Errorf("it was cut %d times", opens-1)
	}
}
