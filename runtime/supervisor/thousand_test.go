package supervisor_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/control"
	"github.com/snaprail/snaprail/runtime/lifecycle"
	"github.com/snaprail/snaprail/runtime/spec"
	"github.com/snaprail/snaprail/runtime/store"
)

// many is how many lanes the tests have: with SNAPRAIL_SOAK those of the promise.
func many() int {
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		return 1000
	}
	return 100
}

// putMany puts n devices into the book at once.
func (r *rig) putMany(connector, typ string, n int) {
	r.t.Helper()
	t := r.plant()
	for from := 0; from < n; from += 100 {
		err := r.space().Update(r.t.Context(), func(w store.Writer) error {
			for i := from; i < min(n, from+100); i++ {
				id := "d" + strconv.Itoa(i)
				if _, err := t.Devices().Put(w, spec.Device{ID: id, Connector: connector, Type: typ, Name: id}, time.Now()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	t.DevicesChanged(connector)
}

// window asks devices for a while, by several callers, and answers how long
// each answer took. d0 is left out.
func (r *rig) window(id string, devices int, d time.Duration) (took []time.Duration) {
	r.t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	until := time.Now().Add(d)
	for caller := range 4 {
		wg.Go(func() {
			for i := caller; time.Now().Before(until); i += 4 {
				began := time.Now()
				reply, err := r.rpc(id, "d"+strconv.Itoa(1+i%(devices-1)), 5*time.Second)
				if err != nil || reply.Status != abi.ReplyComplete {
					r.t.Errorf("d%d: %+v, %v", 1+i%(devices-1), reply, err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return took
}

func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[int(q*float64(len(all)-1))]
}

// A connector with as many devices as it may have, each in a lane of its own,
// one of them silent: the others are answered as without it. Windows with and
// without a call to it alternate, so that what else the machine does falls on
// both.
func TestAThousandLanesAndASilentOne(t *testing.T) {
	n := many()
	r := newRig(t, func(r *rig) { r.ceiling.MemoryBytes = 4 << 30 }) // the server's default
	in := control.ConnectorInput{Name: "field", Module: r.module("cdevice"), Config: config(t, map[string]string{"silent": "d0"})}
	in.Limits.CallTimeout = spec.Duration(5 * time.Second)
	v := r.connect(in)
	began := time.Now()
	r.putMany(v.ID, "cdevice", n)
	s := r.until(v.ID, "running in all lanes", func(s lifecycle.Status) bool {
		return s.State == lifecycle.Running && s.Lanes != nil && s.Lanes.States[lifecycle.Running] == n
	})
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	t.Logf("%d lanes run after %s, with %d KiB of guests' memory each, %d KiB of heap each, %d goroutines",
		n, time.Since(began).Round(time.Millisecond), s.MemoryBytes>>10/uint64(n), mem.HeapInuse>>10/uint64(n), runtime.NumGoroutine())
	r.window(v.ID, n, 100*time.Millisecond)
	var with, without []time.Duration
	rounds, long := 4, time.Second
	if n < 1000 {
		rounds, long = 2, 200*time.Millisecond
	}
	for range rounds {
		without = append(without, r.window(v.ID, n, long)...)
		silent := make(chan error, 1)
		go func() {
			reply, err := r.rpc(v.ID, "d0", long+100*time.Millisecond)
			if err == nil && reply.Status != abi.ReplyError {
				err = fmt.Errorf("the silent device answered %+v", reply)
			}
			silent <- err
		}()
		with = append(with, r.window(v.ID, n, long)...)
		if err := <-silent; err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d calls without the silent device: median %s, p99 %s; %d with it: median %s, p99 %s", len(without),
		quantile(without, 0.5), quantile(without, 0.99), len(with), quantile(with, 0.5), quantile(with, 0.99))
	// What it must not do is hold the others up: the bounds leave room for a busy machine.
	if a, b := quantile(without, 0.5), quantile(with, 0.5); b > 2*a+5*time.Millisecond {
		t.Errorf("the median went from %s to %s", a, b)
	}
	if a, b := quantile(without, 0.99), quantile(with, 0.99); b > 2*a+50*time.Millisecond {
		t.Errorf("the p99 went from %s to %s", a, b)
	}
}

// A hundred lanes of a guest in Go fit the memory that a tenant has by default.
func TestAHundredLanesInGo(t *testing.T) {
	n := 8
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		n = 100
	}
	r := newRig(t, func(r *rig) { r.ceiling.MemoryBytes = uint64(n) * 40 << 20 }) // of 100: 4 GiB, the server's default
	v := r.connect(control.ConnectorInput{Name: "field", Module: r.census(func(*abi.Manifest) {}), Poll: spec.Poll{Interval: spec.Duration(time.Second)}})
	began := time.Now()
	r.putMany(v.ID, "", n)
	s := r.until(v.ID, "running in all lanes", func(s lifecycle.Status) bool {
		return s.State == lifecycle.Running && s.Lanes != nil && s.Lanes.States[lifecycle.Running] == n && s.Counters.Records > uint64(2*n)
	})
	t.Logf("%d lanes run after %s, with %d KiB of guests' memory each", n, time.Since(began).Round(time.Millisecond), s.MemoryBytes>>10/uint64(n))
}
