//go:build linux && !ppc64le

package serial

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// 2,000 open files, which go.bug.st/serial's select cannot do.
func TestAbuse46ManyOpenFiles(t *testing.T) {
	for range 2000 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Skipf("this system allows fewer open files: %v", err)
		}
		t.Cleanup(func() { f.Close() })
	}
	r := plugged(t)
	s := opened(t, newGroup(Config{}, systemDriver()), "weather", r.args())
	r.send("1\n")
	expect(t, s, `"1\n"`)
	if n, err := write(t.Context(), s, "ok"); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := r.receive(2); got != "ok" {
		t.Errorf("the device got %q", got)
	}
}

// Close at any moment of a read and a blocked write: it returns within a
// second, and nothing is written to a file that got the port's number.
func TestHammerAbuse46CloseDuringReadAndWrite(t *testing.T) {
	hammerClose(t, map[string]int{"system": 300, "portable": 8})
}

// The same as often as the case has it.
func TestHammerSoakAbuse46Cycles(t *testing.T) {
	cycles := map[string]int{"system": 100}
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		cycles = map[string]int{"system": 10_000, "portable": 100}
	}
	hammerClose(t, cycles)
}

func hammerClose(t *testing.T, cycles map[string]int) {
	t.Helper()
	for name, d := range drivers() {
		t.Run(name, func(t *testing.T) {
			g := newGroup(Config{}, d)
			r := plugged(t)
			stranger := filepath.Join(t.TempDir(), "stranger")
			block := strings.Repeat("x", 128<<10)
			for i := range cycles[name] {
				s, err := g.Open(t.Context(), scope("weather"), r.args())
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				wg.Go(func() {
					for range 3 {
						_, _ = write(context.Background(), s.(*Session), block)
					}
				})
				wg.Go(func() { _, _ = r.master.WriteString("1\n2\n3\n") })
				<-time.After(time.Duration(i%20) * 50 * time.Microsecond)
				began := time.Now()
				closeSession(t, s)
				if took := time.Since(began); took > time.Second {
					t.Fatalf("cycle %d: Close took %v", i, took)
				}
				// The lowest free number is the port's.
				f, err := os.Create(stranger)
				if err != nil {
					t.Fatal(err)
				}
				wg.Wait()
				if info, err := f.Stat(); err != nil || info.Size() != 0 {
					t.Fatalf("cycle %d: a stranger's file has %v bytes, %v", i, info.Size(), err)
				}
				f.Close()
				drainMaster(r)
			}
			if left := g.ports.open(); len(left) != 0 {
				t.Errorf("claims left behind: %v", left)
			}
		})
	}
}

// drainMaster reads what there is.
func drainMaster(r *rig) {
	buf := make([]byte, 64<<10)
	for {
		_ = r.master.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := r.master.Read(buf); err != nil {
			return
		}
	}
}

// Take-overs, adoptions and thieves at once: the port has one owner at a time
// and ends up free.
func TestHammerClaims(t *testing.T) {
	g := New(Config{})
	r := plugged(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			owner := []string{"one", "two"}[i%2]
			for range 200 {
				s, err := g.Open(t.Context(), scope(owner), r.args())
				if err != nil {
					continue
				}
				closeSession(t, s)
			}
		})
	}
	wg.Wait()
	if left := g.ports.open(); len(left) != 0 {
		t.Errorf("claims left behind: %v", left)
	}
	opened(t, g, "three", r.args())
}
