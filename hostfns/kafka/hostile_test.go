package kafka

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/runtime/capability"
)

// liar is a listener whose connections change what the broker says, now and then,
// while it lies.
type liar struct {
	net.Listener
	lies atomic.Bool
	seed atomic.Uint64
}

func (l *liar) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lie{Conn: conn, of: l, rand: rand.New(rand.NewPCG(1, l.seed.Add(1)))}, nil
}

type lie struct {
	net.Conn
	of *liar

	mu   sync.Mutex
	rand *rand.Rand
}

// Write sends b, of which some bytes are others.
func (c *lie) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.of.lies.Load() || c.rand.IntN(6) > 0 {
		return c.Conn.Write(b)
	}
	said := bytes.Clone(b)
	first := 8 // behind the length and what request it answers, or little is ever looked at
	if c.rand.IntN(20) == 0 {
		first = 0
	}
	for range 1 + c.rand.IntN(4) {
		if len(said) > first {
			said[first+c.rand.IntN(len(said)-first)] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(c.rand.Uint32())}[c.rand.IntN(6)]
		}
	}
	_, err := c.Conn.Write(said)
	return len(b), err
}

// TestHostileBrokerSoak: a broker that says anything at all ends neither the
// process nor its memory, and once it says the truth again all goes on.
func TestHostileBrokerSoak(t *testing.T) {
	length := 3 * time.Second
	if os.Getenv("SNAPRAIL_SOAK") != "" {
		length = time.Minute
	}
	l := &liar{}
	r := cluster(t, kfake.ListenFn(func(network, address string) (net.Listener, error) {
		inner, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
		l.Listener = inner
		return l, err
	}))
	r.send(0, "a", "b", "c", "d")
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most := before.HeapInuse
	l.lies.Store(true)
	for end := time.Now().Add(length); time.Now().Before(end); {
		most = max(most, r.listen(t))
	}
	t.Logf("%d MiB at most, %d before", most>>20, before.HeapInuse>>20)
	if most-before.HeapInuse > 128<<20 {
		t.Errorf("%d MiB", (most-before.HeapInuse)>>20)
	}
	l.lies.Store(false)
	if err := r.try(r.args(), capability.Scope{Grants: r.grants()}); err != nil {
		t.Errorf("when it says the truth: %v", err)
	}
}

// listen reads, writes and makes topics for a while with sessions of their own. It
// answers the memory that was in use.
func (r *rig) listen(t *testing.T) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	g := group()
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			args := r.args(func(a *abi.KafkaOpen) { a.OpenTimeoutMS = 200 })
			if i%2 == 0 {
				args.Group = "g"
			}
			end, err := g.Open(ctx, capability.Scope{Grants: r.grants()}, args.Append(nil))
			if err != nil {
				return
			}
			defer func() {
				if err := end.Close(context.WithoutCancel(ctx)); err != nil {
					t.Error(err)
				}
			}()
			_, _ = produce(ctx, end, abi.KafkaProduce{Records: []abi.KafkaRecord{keyed("k", "v")}})
			q := abi.KafkaEnsure{Partitions: 1}
			_, _ = end.Call(ctx, functionEnsure, q.Append(nil), nil)
			s := end.(capability.Source)
			for ctx.Err() == nil {
				select {
				case <-s.Ready():
					s.Ack(len(s.Take(nil, 100, 1<<20)))
				case <-ctx.Done():
				}
			}
		})
	}
	work.Wait()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
