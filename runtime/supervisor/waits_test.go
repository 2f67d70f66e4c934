package supervisor

import (
	"testing"
	"time"

	"github.com/snaprail/snaprail/runtime/fault"
)

// A call is judged in no time, however many lanes wait for each other already:
// all calls of the tenant wait for the judgement.
func TestCirclesAmongManyLanes(t *testing.T) {
	const lanes, most = 1024, 5 * time.Second // it takes less than a millisecond, and took minutes
	var w waits
	chain := []string{"a", "b", "c", "d", "e"}
	begin := time.Now()
	for i := 1; i < len(chain)-1; i++ {
		for range lanes {
			if err := w.begin(chain[i], chain[i+1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.begin("a", "b"); err != nil {
		t.Fatal(err)
	}
	for _, from := range chain[1:] {
		if err := w.begin(from, "a"); !fault.Is(err, fault.CallCycle) {
			t.Errorf("%s calls a, which waits for it: %v", from, err)
		}
	}
	if took := time.Since(begin); took > most {
		t.Errorf("%d calls were judged within %s", 3*lanes, took)
	}

	for i := 1; i < len(chain)-1; i++ {
		for lane := range lanes {
			if len(w.on[chain[i]]) != 1 {
				t.Fatalf("%s waits for nobody after %d of its lanes", chain[i], lane)
			}
			w.end(chain[i], chain[i+1])
		}
	}
	w.end("a", "b")
	if len(w.on) != 0 {
		t.Errorf("nobody waits, and kept is %v", w.on)
	}
	if err := w.begin("e", "a"); err != nil {
		t.Errorf("the circle is gone: %v", err)
	}
}
