package supervisor_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

// TestSoakEveryCallIsAnsweredOnce: a hundred clients call at once, and each call
// is answered exactly once, by the connector or by its deadline. SNAPRAIL_SOAK
// makes them ten thousand calls.
func TestSoakEveryCallIsAnsweredOnce(t *testing.T) {
	const clients = 100
	each := 10
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		each = 100
	}
	p := newRig(t).speaks("talker", "parley", nil)
	var mu sync.Mutex
	var took []time.Duration
	codes := map[uint32]int{}
	var wg sync.WaitGroup
	began := time.Now()
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				m := abi.Message{Type: abi.MessageRPC, Method: "add", Body: fmt.Appendf(nil, `{"client":%d,"call":%d}`, c, i)}
				if (c+i)%50 == 0 { // some are never answered
					m.Body, m.Deadline = bodyOf("never"), time.Now().Add(300*time.Millisecond).UnixNano()
				}
				start := time.Now()
				q, err := p.tenant.Send(t.Context(), p.id, m)
				if err != nil {
					t.Errorf("client %d, call %d: %v", c, i, err)
					return
				}
				last, code := 0, uint32(0)
				for {
					r, err := q.Next(t.Context())
					if errors.Is(err, io.EOF) {
						break
					}
					last, code = last+1, r.Code
				}
				if last != 1 {
					t.Errorf("client %d, call %d: %d answers", c, i, last)
				}
				mu.Lock()
				codes[code]++
				if code == 200 {
					took = append(took, time.Since(start))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	total := time.Since(began)
	slices.Sort(took)
	t.Logf("%d calls by %d clients in %s: %v; answered within a median of %s, p99 %s",
		clients*each, clients, total.Round(time.Millisecond), codes, took[len(took)/2], took[len(took)*99/100])
	n := p.counters()
	if n.Open != 0 || n.Asked != uint64(clients*each) || n.Answered+n.TimedOut != n.Asked || n.Late+n.Ended+n.Unasked != 0 {
		t.Errorf("%+v", n)
	}
	if codes[200]+codes[504] != clients*each || codes[504] < clients*each/50 {
		t.Errorf("codes %v", codes)
	}
}

// TestTooManyQuestions: what is open at once is bounded, and who comes too much
// is told.
func TestTooManyQuestions(t *testing.T) {
	p := newRig(t).speaks("talker", "parley", nil)
	for i := range 1024 {
		if _, err := p.tenant.Send(t.Context(), p.id, abi.Message{Type: abi.MessageQuery, Body: bodyOf("never")}); err != nil {
			t.Fatalf("question %d: %v", i, err)
		}
	}
	if _, err := p.tenant.Send(t.Context(), p.id, abi.Message{Type: abi.MessageQuery}); !fault.Is(err, fault.Exhausted) {
		t.Errorf("%v", err)
	}
	p.tenant.Exchange(p.id).FailAll(errors.New("the test is over"))
}
