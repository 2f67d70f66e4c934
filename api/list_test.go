package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/api/client"
)

// TestAThousandConnectorsAreListedInTime: promised are 100 ms of server time.
// What is held here is the processor's time for it, which does not depend on
// what else the machine does; the way over the network is not in it.
func TestAThousandConnectorsAreListedInTime(t *testing.T) {
	const many, most = 1000, 100 * time.Millisecond
	r := newRig(t)
	module := r.upload("filetail").Digest
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < many; i += 8 {
				body := tailSpec(fmt.Sprintf("connector %d", i), module, fmt.Sprintf("/var/data/%d.txt", i))
				if p := r.served(http.MethodPost, "/api/connectors", body); p.Code != http.StatusCreated {
					t.Errorf("status %d: %s", p.Code, p.Body)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	var took []time.Duration
	for range 7 {
		before := cpuTime(t)
		n := 0
		for after := ""; ; {
			p := r.served(http.MethodGet, "/api/connectors?limit=500&after="+after, "")
			var list client.List[json.RawMessage]
			if err := json.Unmarshal(p.Body.Bytes(), &list); err != nil || p.Code != http.StatusOK {
				t.Fatalf("status %d, %v: %.300s", p.Code, err, p.Body)
			}
			n += len(list.Items)
			if after = list.Next; after == "" {
				break
			}
		}
		if took = append(took, cpuTime(t)-before); n != many {
			t.Fatalf("%d connectors", n)
		}
	}
	slices.Sort(took)
	t.Logf("%v", took)
	if median := took[len(took)/2]; median > most && !raceDetector {
		t.Errorf("%s of a processor, median of %v", median, took)
	}
}

// served makes a call without a network.
func (r *rig) served(method, path, body string) *httptest.ResponseRecorder {
	req := r.request(method, path, nil)
	if body != "" {
		req = r.request(method, path, strings.NewReader(body))
	}
	req.RemoteAddr = "127.0.0.1:40000"
	w := httptest.NewRecorder()
	r.api.ServeHTTP(w, req)
	return w
}

// cpuTime is what the process has used of the processor.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
