package udp

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/egress"
)

// TestSoakAbuse48Burst: one device sends as much as it can, all at once. Its own
// session hears no more than it may, says by reason what became of the rest, to
// the last datagram, and holds no more memory than before; the session beside it
// loses nothing.
func TestSoakAbuse48Burst(t *testing.T) {
	burst := 150_000
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		burst = 1_000_000
	}
	const heard = 5_000
	g := New(Config{Egress: egress.New(egress.Config{}), Heard: heard})
	loud, quiet := listening(t), listening(t)
	flooded, beside := loud.opened(g, abi.UDPOpen{}), quiet.opened(g, abi.UDPOpen{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)

	var wg sync.WaitGroup
	began := time.Now()
	done := make(chan struct{})
	wg.Go(func() { // the device
		defer close(done)
		datagram := []byte(strings.Repeat("x", 64))
		for range burst {
			_, _ = loud.conn.WriteTo(datagram, loud.from) // what has no room is the case
		}
	})
	const step = 5 * time.Millisecond
	said := 0
	wg.Go(func() { // the device beside it
		tick := time.NewTicker(step)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				quiet.send(fmt.Sprint(said))
				said++
			}
		}
	})
	took, seen, buffered := 0, 0, 0
	var gaps []string
	take := func() {
		for _, e := range flooded.Take(nil, 256, 1<<20) {
			flooded.Ack(1)
			if e.Type == abi.EventGap {
				gaps = append(gaps, e.Name)
				continue
			}
			took++
		}
		for _, e := range beside.Take(nil, 256, 1<<20) {
			if beside.Ack(1); e.Type != abi.EventData || string(e.Data) != fmt.Sprint(seen) {
				t.Fatalf("beside: event %d is %v %q %s", seen, e.Type, e.Data, e.Name)
			}
			seen++
		}
		buffered = max(buffered, flooded.Condition().Buffered)
	}
	for open := true; open; {
		select {
		case <-done:
			open = false
		case <-flooded.Ready():
			take()
		}
	}
	wg.Wait()
	span := time.Since(began)
	// The system tells what it has dropped with the next datagram that it delivers.
	eventually(t, "all is accounted for", func() bool {
		if take(); took+int(flooded.Condition().Dropped) == burst {
			return true
		}
		loud.send("x") // it is looked for the next time
		burst++
		return false
	})
	eventually(t, "the one beside is heard", func() bool { take(); return seen == said })
	runtime.GC()
	runtime.ReadMemStats(&after)

	c := flooded.Condition()
	t.Logf("%d datagrams in %s: %d heard, %v; %d beside, none lost", burst, span.Round(time.Millisecond), took, c.Counts, seen)
	if most := heard * (2 + int(span/time.Second+1)); took > most {
		t.Errorf("%d were heard in %s: at most %d a second", took, span, heard)
	}
	if c.Counts["dropped_rate"]+c.Counts["dropped_overflow"] != c.Dropped || c.Dropped == 0 {
		t.Errorf("the reasons do not add up: %+v", c)
	}
	if len(gaps) == 0 || buffered > 2*defaultEvents {
		t.Errorf("gaps %d, at most %d buffered", len(gaps), buffered)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d KiB more are held", grown>>10)
	}
	if b := beside.Condition(); b.Dropped != 0 || !b.Up {
		t.Errorf("beside: %+v", b)
	}
}
