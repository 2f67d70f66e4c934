package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/api/client"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/supervisor"
)

// TestTenThousandCallsOverHTTP: 100 clients make 10,000 RPCs to one connector,
// of which each hundredth is never answered. Every one has exactly one answer:
// its own, or the word that there was none in time.
func TestTenThousandCallsOverHTTP(t *testing.T) {
	const clients, each = 100, 100
	r := newRig(t)
	c := r.parley("talk")
	_, err := supervisor.SetCeiling(t.Context(), r.store, "plant", func(have *spec.Ceiling) { have.Quota.RequestsPerMinute = 1_000_000 })
	r.must(err)
	r.must(r.super.ApplyCeiling("plant"))
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	var under sync.WaitGroup
	took := make([][]time.Duration, clients)
	timeouts := make([]int, clients)
	begin := time.Now()
	for i := range clients {
		under.Go(func() {
			for n := range each {
				since := time.Now()
				late, err := r.oneCall(transport, i*each+n, (i+n)%100 == 0)
				if err != nil {
					t.Errorf("client %d, call %d: %v", i, n, err)
					return
				}
				if late {
					timeouts[i]++
					continue
				}
				took[i] = append(took[i], time.Since(since))
			}
		})
	}
	under.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	late := 0
	for _, n := range timeouts {
		late += n
	}
	if len(all) != clients*each*99/100 || late != clients*each/100 {
		t.Fatalf("%d replies and %d timeouts", len(all), late)
	}
	t.Logf("%d calls in %s, %d of them without an answer; median %s, p99 %s",
		clients*each, time.Since(begin).Round(time.Millisecond), late, all[len(all)/2], all[len(all)*99/100])
	tenant, err := r.super.Tenant("plant")
	r.must(err)
	if n := tenant.Exchange(c.ID).Counters(); n.Asked != clients*each || n.Answered != uint64(len(all)) || n.TimedOut != uint64(late) || n.Open != 0 {
		t.Errorf("%+v", n)
	}
}

// oneCall makes one call and reports whether it had no answer in time. The reply
// of another call is an error.
func (r *rig) oneCall(transport *http.Transport, n int, never bool) (late bool, err error) {
	method, timeout := "echo", "1m"
	if never {
		method, timeout = "never", "1s"
	}
	body := fmt.Sprintf(`{"device":"d1","data":{"id":%d,"method":%q,"params":{"n":%d}},"timeout":%q}`, n, method, n, timeout)
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.http.URL+"/api/connectors/talk/rpc", bytes.NewReader([]byte(body)))
	if err != nil {
		return false, err
	}
	q.Header.Set("Authorization", "Bearer "+r.token)
	q.Header.Set("Content-Type", "application/json")
	resp, err := transport.RoundTrip(q)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return false, err
	}
	if never {
		if resp.StatusCode != http.StatusGatewayTimeout {
			return false, fmt.Errorf("%d %s", resp.StatusCode, raw)
		}
		return true, nil
	}
	var reply client.Reply
	var echo struct{ Params struct{ N int } }
	if err := json.Unmarshal(raw, &reply); err != nil || json.Unmarshal(reply.Data, &echo) != nil || resp.StatusCode != http.StatusOK ||
		string(reply.ID) != fmt.Sprint(n) || echo.Params.N != n {
		return false, fmt.Errorf("%d %s", resp.StatusCode, raw)
	}
	return false, nil
}
