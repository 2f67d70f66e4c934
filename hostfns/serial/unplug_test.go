//go:build linux && !ppc64le

package serial

import (
	"os"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestUnplugAndReplug(t *testing.T) {
	for name, g := range groups() {
		t.Run(name, func(t *testing.T) {
			needsRoot(t, name)
			r := plugged(t)
			s := opened(t, g, "weather", r.args())
			r.send("1\n2")
			expect(t, s, `"1\n"`)
			eventually(t, "read", func() bool { return received(t, s) == 0 })
			for range 3 {
				r.unplug()
				got := taken(t, s, 1)
				if got[0].Type == abi.EventGap { // the first time: "2" was cut off
					s.Ack(1)
					got = taken(t, s, 1)
				}
				if told(got) != "down" || !fault.Is(got[0].Err, fault.ResourceUnavailable) {
					t.Fatalf("got %s (%v)", told(got), got[0].Err)
				}
				s.Ack(1)
				eventually(t, "down", func() bool { c := s.Condition(); return !c.Up && c.Reason != "" })
				if _, err := write(t.Context(), s, "x"); !fault.Is(err, fault.ResourceUnavailable) {
					t.Errorf("a write while the port is away: %v", err)
				}
				r.plug()
				expect(t, s, "up")
				r.send("3\n")
				expect(t, s, `"3\n"`)
			}
			if c := s.Condition(); !c.Up || c.Opens != 4 || c.Dropped != 1 {
				t.Errorf("condition %+v", c)
			}
		})
	}
}

// unplugs is how often a port is pulled out.
func unplugs() int {
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		return 100
	}
	return 10
}

// A port that is pulled out under load, again and again, and comes back under
// another name: told within 2 s, open again within 3 s.
func TestSoakAbuse45UnpluggedUnderLoad(t *testing.T) {
	r := plugged(t)
	s := opened(t, New(Config{}), "weather", r.args(func(o *abi.SerialOpen) { o.OpenRetryMS = 100 }))
	var noticed, reopened time.Duration
	names := map[string]bool{}
	for i := range unplugs() {
		names[r.slave.Name()] = true
		stop, loaded := make(chan struct{}), make(chan struct{})
		go func(master *os.File) {
			defer close(loaded)
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := master.WriteString("422498\n"); err != nil {
						return
					}
				}
			}
		}(r.master)
		awaited(t, s, abi.EventData)
		// As many pulls go wrong in their own way: with a write under way, or after one.
		if i%2 == 0 {
			_, _ = write(t.Context(), s, "on\n")
		}
		began := time.Now()
		close(stop)
		r.unplug()
		<-loaded
		awaited(t, s, abi.EventDown)
		noticed = max(noticed, time.Since(began))
		<-time.After(time.Duration(i%5) * 150 * time.Millisecond)
		other, _, err := pty.Open() // takes the name that was free
		if err != nil {
			t.Fatal(err)
		}
		r.plug()
		began = time.Now()
		awaited(t, s, abi.EventUp)
		reopened = max(reopened, time.Since(began))
		_ = other.Close()
	}
	if noticed > 2*time.Second || reopened > 3*time.Second {
		t.Errorf("told after %v, open again after %v", noticed, reopened)
	}
	if c := s.Condition(); !c.Up || c.Opens != uint64(unplugs())+1 {
		t.Errorf("condition %+v", c)
	}
	t.Logf("%d times under %d names: told after %v at most, open again after %v", unplugs(), len(names), noticed, reopened)
}

// awaited takes events until one of a type.
func awaited(t *testing.T, s *Session, typ abi.EventType) {
	t.Helper()
	for {
		got := taken(t, s, 1)
		s.Ack(1)
		if got[0].Type == typ {
			return
		}
	}
}

// While ports are away the sessions look for them at most every second once they
// have been away for a while, which costs next to nothing.
func TestAbuse45AbsenceIsCheap(t *testing.T) {
	counted := &countingDriver{driver: systemDriver()}
	g := newGroup(Config{}, counted)
	const ports = 10
	for range ports {
		r := plugged(t)
		s := opened(t, g, "weather", r.args(func(o *abi.SerialOpen) { o.OpenRetryMS = 100 }))
		r.unplug()
		expect(t, s, "down")
	}
	before, cpu := counted.resolved.Load(), used(t)
	const watched = 1600 * time.Millisecond
	<-time.After(watched)
	if n := counted.resolved.Load() - before; n > 5*ports {
		t.Errorf("looked %d times in %v for %d ports", n, watched, ports)
	}
	share := float64(used(t)-cpu) / float64(watched)
	if t.Logf("%.2f %% of a processor for %d absent ports", 100*share, ports); share > 0.01*ports {
		t.Errorf("%.1f %% of a processor for %d absent ports", 100*share, ports)
	}
}

// used is the processor time that this process has had.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
