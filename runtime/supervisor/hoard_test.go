package supervisor_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/tcp"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/egress"
	"github.com/snaprail/snaprail/runtime/spec"
)

// TestSessionsTakeNothingFromOtherTenants: one tenant has a peer that floods many
// sessions, from which nobody takes. They hold what their tenant may, which it shows,
// and the peer waits; a session of another tenant has all that it may, and what the
// flooded ones hold is whole.
func TestSessionsTakeNothingFromOtherTenants(t *testing.T) {
	r := newRig(t)
	if err := r.super.AddTenant(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	second, err := r.super.Tenant("other")
	if err != nil {
		t.Fatal(err)
	}
	const (
		frame, sessions, each = 16 << 10, 40, 1 << 20 // more than a tenant may hold
		most                  = capability.MaxHeld / 4
	)
	peer := flooding(t, sessions+1, each)
	group := tcp.New(tcp.Config{Egress: egress.New(egress.Config{})})
	open := func(p capability.Purse) capability.Source {
		args := abi.TCPOpen{Address: peer, Framing: &abi.Framing{Kind: abi.FramingFixed, Size: frame}}
		scope := capability.Scope{Purse: p, Grants: []spec.Grant{{Group: tcp.Name, Resources: []string{peer, "cidr:127.0.0.0/8"}}}}
		s, err := group.Open(t.Context(), scope, args.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
		return s.(capability.Source)
	}
	buffered := func(s capability.Source) int { return s.(capability.Reporter).Condition().Buffered }

	var flooded []capability.Source
	for range sessions {
		flooded = append(flooded, open(r.plant().Purse()))
	}
	eventually(t, "the tenant holds all that it may", func() bool { return r.plant().Held() > most-(64<<10) })
	before := second.Held()
	beside := open(second.Purse())
	eventually(t, "the other tenant's session has all that came", func() bool { return buffered(beside) == each/frame })
	if held := second.Held(); held <= before || held > before+2*each {
		t.Errorf("the other tenant holds %d bytes, and held %d", held, before)
	}
	if held := r.plant().Held(); held > most+1<<20 {
		t.Errorf("the flooded tenant holds %d bytes of %d", held, most)
	}
	total := 0
	eventually(t, "what waited comes", func() bool {
		for _, s := range flooded {
			n := len(s.Take(nil, 1<<10, 1<<30))
			s.Ack(n)
			total += n
		}
		return total == sessions*each/frame
	})
}

// flooding is the address of a peer that sends so many bytes over each connection.
func flooding(t *testing.T, connections, bytes int) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var sending sync.WaitGroup
	done := make(chan struct{})
	t.Cleanup(func() {
		close(done)
		_ = l.Close()
		sending.Wait()
	})
	sending.Go(func() {
		for range connections {
			c, err := l.Accept()
			if err != nil {
				return
			}
			sending.Go(func() {
				defer func() { _ = c.Close() }()
				if err := c.SetDeadline(time.Now().Add(time.Minute)); err == nil {
					_, _ = c.Write(make([]byte, bytes)) // the test sees what came
				}
				<-done
			})
		}
	})
	return l.Addr().String()
}
