package opcua

import (
	"bytes"
	"net"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopcua/opcua/id"
	"github.com/gopcua/opcua/server"
	"github.com/gopcua/opcua/ua"
	"github.com/gopcua/opcua/uasc"

	"github.com/snaprail/snaprail/guest-sdk/abi"
)

// labelled gives a test's goroutines, and those that they start, a name to be
// counted by.
func labelled(t *testing.T) {
	t.Helper()
	pprof.SetGoroutineLabels(pprof.WithLabels(t.Context(), pprof.Labels("test", t.Name())))
}

// ours counts the goroutines of this package that a labelled test has.
func ours(t *testing.T) int {
	t.Helper()
	var all bytes.Buffer
	must(t, pprof.Lookup("goroutine").WriteTo(&all, 1))
	n := 0
	for g := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(g, strconv.Quote(t.Name())) && (strings.Contains(g, "hostfns/opcua.(*Session)") || strings.Contains(g, "hostfns/opcua/wire.")) {
			same, _, _ := strings.Cut(strings.TrimSpace(g), " ") // so many are alike
			k, err := strconv.Atoi(same)
			must(t, err)
			n += k
		}
	}
	return n
}

// restarts restarts the plant, and wants a value after each.
func restarts(t *testing.T, times int) {
	t.Helper()
	t.Parallel()
	labelled(t)
	p := newPlant(t)
	pace := quick()
	pace.answer = 700 * time.Millisecond // a server that is closed leaves its connections half open
	s := opened(t, testGroup(pace), insecurely(p))
	subscribed(t, s, "a", "ns=1;s=temp")
	next(t, s, "the first value", has("a.1="))
	before := ours(t)
	if before == 0 {
		t.Fatal("no goroutines are found")
	}
	longest := time.Duration(0)
	for i := range times {
		p.stop()
		seen := next(t, s, "down", is("down"))
		if s.Condition().Up {
			t.Fatal("up without a server")
		}
		p.mu.Lock()
		p.temp = float64(i)
		p.mu.Unlock()
		p.start()
		began := time.Now()
		seen = append(seen, next(t, s, "a value", has("a.1="))...)
		longest = max(longest, time.Since(began))
		if ups := slices.Index(seen, "up"); ups < 0 || slices.Contains(seen[ups+1:], "up") || len(seen) != 3 {
			t.Fatalf("restart %d was told as %q", i, seen)
		}
		if !s.Condition().Up {
			t.Fatalf("data, and yet %+v", s.Condition())
		}
	}
	if longest > 10*time.Second {
		t.Errorf("it took %v until there was data again", longest)
	}
	eventually(t, "goroutines are as many as before", func() bool { n := ours(t) - before; return n >= -2 && n <= 2 })
	t.Logf("%d restarts, data again after at most %v", times, longest)
}

func TestServerRestarts(t *testing.T) { restarts(t, 10) }

// TestSoakServerRestarts restarts the server 100 times with SNAPRAIL_SOAK.
func TestSoakServerRestarts(t *testing.T) {
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		restarts(t, 100)
		return
	}
	restarts(t, 1)
}

// relay passes bytes on until it is told to hold them back, and says nothing.
type relay struct {
	l    net.Listener
	mu   sync.Mutex
	held bool
	all  []net.Conn
	done sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &relay{l: l}
	r.done.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close() // there is nothing behind it
				continue
			}
			r.mu.Lock()
			r.all = append(r.all, in, out)
			r.mu.Unlock()
			r.done.Go(func() { r.pass(in, out) })
			r.done.Go(func() { r.pass(out, in) })
		}
	})
	t.Cleanup(func() {
		must(t, l.Close())
		r.cut()
		r.done.Wait()
	})
	return r
}

func (r *relay) pass(from, to net.Conn) {
	defer func() { _ = to.Close() }() // the other way may have closed it
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		held := r.held
		r.mu.Unlock()
		if held {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (r *relay) hold(held bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = held
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.all {
		_ = c.Close() // it may be closed
	}
	r.all = nil
}

func (r *relay) endpoint() string {
	return "opc.tcp://127.0.0.1:" + strconv.Itoa(r.l.Addr().(*net.TCPAddr).Port)
}

// TestHalfOpenIsNoticed: a connection that says nothing any more is given up, and
// the pace of production notices it well within 20 s.
func TestHalfOpenIsNoticed(t *testing.T) {
	usual := New(Config{}).cfg.pace
	if most := usual.probe + usual.answer; most > 15*time.Second {
		t.Errorf("in production it takes up to %v", most)
	}
	p := newPlant(t)
	r := newRelay(t, "127.0.0.1:"+strconv.Itoa(p.port))
	p.stop()
	p.opts = append(p.opts, server.EndPoint("127.0.0.1", r.l.Addr().(*net.TCPAddr).Port)) // it answers for no other
	p.start()
	pace := quick()
	pace.answer = 300 * time.Millisecond
	s := opened(t, testGroup(pace), abi.OPCUAOpen{Endpoint: r.endpoint(), AllowInsecure: true})
	subscribed(t, s, "a", "ns=1;s=temp")
	next(t, s, "the first value", has("a.1="))
	r.hold(true)
	began := time.Now()
	next(t, s, "down", is("down"))
	if took := time.Since(began); took > pace.probe+pace.answer+time.Second {
		t.Errorf("it took %v", took)
	}
	eventually(t, "it tries to connect, in vain", func() bool {
		if s.Condition().Up {
			t.Fatal("up while silent")
		}
		return strings.Contains(s.Condition().Reason, "does not answer")
	})
	r.hold(false)
	r.cut()
	next(t, s, "a value", has("a.1="))
}

// TestSilentSubscriptionIsNoticed: a server that answers requests and publishes
// nothing is not believed.
func TestSilentSubscriptionIsNoticed(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.stop()
	p.handlers = map[uint16]server.Handler{
		id.PublishRequest_Encoding_DefaultBinary: func(*uasc.SecureChannel, ua.Request, uint32) (ua.Response, error) { return nil, nil },
	}
	p.start()
	pace := quick()
	pace.answer = 300 * time.Millisecond
	s := opened(t, testGroup(pace), insecurely(p))
	subscribed(t, s, "a", "ns=1;s=temp")
	next(t, s, "down", is("down"))
	eventually(t, "it connects again", func() bool { return s.Condition().Opens > 1 })
	if s.Condition().Up {
		t.Error("up, and nothing was published")
	}
	p.stop()
	p.handlers = nil
	p.start()
	next(t, s, "a value", has("a.1="))
	if !s.Condition().Up {
		t.Error("data, and not up")
	}
}

// TestMissedNoticesAreAGap: notices that are missing are asked for; what the
// server does not have any more is told once.
func TestMissedNoticesAreAGap(t *testing.T) {
	p := newPlant(t)
	p.stop()
	var mu sync.Mutex
	var asked []uint32
	sequences := []uint32{1, 2, 5, 6}
	notice := func(n uint32) *ua.NotificationMessage {
		return &ua.NotificationMessage{SequenceNumber: n, NotificationData: []*ua.ExtensionObject{ua.NewExtensionObject(
			&ua.DataChangeNotification{MonitoredItems: []*ua.MonitoredItemNotification{{
				ClientHandle: 1, Value: &ua.DataValue{EncodingMask: ua.DataValueValue, Value: ua.MustVariant(int32(n))},
			}}, DiagnosticInfos: []*ua.DiagnosticInfo{}})}}
	}
	header := func(q ua.Request) *ua.ResponseHeader {
		return &ua.ResponseHeader{RequestHandle: q.Header().RequestHandle, ServiceDiagnostics: &ua.DiagnosticInfo{}, AdditionalHeader: ua.NewExtensionObject(nil)}
	}
	var s *Session
	p.handlers = map[uint16]server.Handler{
		id.PublishRequest_Encoding_DefaultBinary: func(_ *uasc.SecureChannel, q ua.Request, _ uint32) (ua.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			if len(sequences) == 0 {
				return nil, nil
			}
			n := sequences[0]
			sequences = sequences[1:]
			s.mu.Lock()
			l := s.last
			s.mu.Unlock()
			l.mu.Lock()
			defer l.mu.Unlock()
			for sub := range l.ids {
				return &ua.PublishResponse{ResponseHeader: header(q), SubscriptionID: sub, NotificationMessage: notice(n)}, nil
			}
			return nil, nil
		},
		id.RepublishRequest_Encoding_DefaultBinary: func(_ *uasc.SecureChannel, q ua.Request, _ uint32) (ua.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			n := q.(*ua.RepublishRequest).RetransmitSequenceNumber
			asked = append(asked, n)
			if n == 4 {
				return nil, ua.StatusBadMessageNotAvailable
			}
			return &ua.RepublishResponse{ResponseHeader: header(q), NotificationMessage: notice(n)}, nil
		},
	}
	p.start()
	pace := quick()
	pace.probe, pace.alive = time.Minute, time.Minute
	s = opened(t, testGroup(pace), insecurely(p))
	subscribed(t, s, "a", "ns=1;s=temp")
	got := next(t, s, "the last", has("=0606000000"))
	want := []string{"a.1=0601000000/0", "a.1=0602000000/0", "a.1=0603000000/0", "gap a: the server does not have some of what it published any more", "a.1=0605000000/0", "a.1=0606000000/0"}
	if !slices.Equal(got, want) {
		t.Errorf("told %q", got)
	}
	if c := s.Condition(); c.Dropped != 1 {
		t.Errorf("condition %+v", c)
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(asked, []uint32{3, 4}) {
		t.Errorf("asked for %v again", asked)
	}
}
