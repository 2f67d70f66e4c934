package tcp

import (
	"bytes"
	"net"
	"sync"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
)

// A peer whose frames are broken and too long in turns fills no memory.
func TestGapsInTurnsAreBounded(t *testing.T) {
	r := listening(t)
	s := r.opened(group(), r.args(func(a *abi.TCPOpen) { a.Framing = &abi.Framing{Kind: abi.FramingSLIP, MaxFrame: 32} }))
	c := r.accept()
	one := append([]byte{0xdb, 0, 0xc0}, append(bytes.Repeat([]byte{'x'}, 33), 0xc0)...)
	const turns = 5000
	if _, err := c.Write(bytes.Repeat(one, turns)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are dropped", func() bool { return s.Condition().Dropped >= 2*turns })
	if n := s.events.Len(); n != 2 {
		t.Errorf("%d events of two gaps", n)
	}
}

// A connector's sessions hold no more than its tenant may, and their peers wait; those
// of another tenant have theirs. Nothing is lost.
func TestSessionsDrawOnTheirTenantsPurse(t *testing.T) {
	for name, pull := range map[string]bool{"events": false, "pull": true} {
		t.Run(name, func(t *testing.T) {
			const most, frame, sessions = 1 << 20, 8 << 10, 16
			mine, others := hostfnstest.NewPurse(most), hostfnstest.NewPurse(most)
			open := func(p *hostfnstest.Purse) (*Session, net.Conn) {
				r := listening(t)
				args := r.args(func(a *abi.TCPOpen) {
					a.Pull, a.Framing = pull, &abi.Framing{Kind: abi.FramingFixed, Size: frame}
				})
				end, err := group().Open(t.Context(), capability.Scope{Grants: r.grants(), Owner: "con_1", Purse: p}, args.Append(nil))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { closeSession(t, end) })
				return end.(*Session), r.accept()
			}
			one := make([]byte, frame)
			var hostile []*Session
			var sending sync.WaitGroup
			for range sessions {
				s, c := open(mine)
				sending.Go(func() { _, _ = c.Write(bytes.Repeat(one, 128)) }) // 1 MiB each
				hostile = append(hostile, s)
			}
			held := func() (n int) {
				for _, s := range hostile {
					n += s.Condition().Buffered * frame
				}
				return n
			}
			eventually(t, "the purse is empty", func() bool { return mine.Left() < 64<<10 })
			s, c := open(others)
			sending.Go(func() { _, _ = c.Write(bytes.Repeat(one, 64)) })
			eventually(t, "the other tenant's session has all", func() bool { return s.Condition().Buffered == 64 })
			if n, free := held(), sessions*64<<10; n > most+free {
				t.Errorf("%d sessions hold %d bytes of a purse of %d", sessions, n, most)
			}
			got := 0
			eventually(t, "what waited comes", func() bool {
				for _, s := range hostile {
					got += emptied(s)
				}
				return got == sessions*128
			})
			sending.Wait()
		})
	}
}

// emptied takes all that a session has, and acknowledges it.
func emptied(s *Session) (n int) {
	if s.inbox == nil {
		n = len(s.Take(nil, 1<<20, 1<<30))
		s.Ack(n)
		return n
	}
	for {
		if _, ok := s.inbox.next(); !ok {
			return n
		}
		n++
	}
}
