package api

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
)

// TestConnectionsAreBounded: in all and of one address; what is beyond is
// closed, and a place that becomes free is given to the next.
func TestConnectionsAreBounded(t *testing.T) {
	for name, test := range map[string]struct{ most, perClient int }{
		"of all":         {most: 2, perClient: 10},
		"of one address": {most: 10, perClient: 2},
	} {
		t.Run(name, func(t *testing.T) {
			var lines strings.Builder
			ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			b := newBounded(ln, slog.New(slog.NewTextHandler(&lines, nil)))
			b.most, b.perClient = test.most, test.perClient
			taken := make(chan net.Conn, 4)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					conn, err := b.Accept()
					if err != nil {
						return
					}
					taken <- conn
				}
			}()
			dial := func() net.Conn {
				conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				return conn
			}
			dial()
			dial()
			first, second := <-taken, <-taken
			third := dial()
			_ = third.SetReadDeadline(time.Now().Add(10 * time.Second))
			if n, err := third.Read(make([]byte, 1)); err == nil || n > 0 || len(taken) > 0 {
				t.Errorf("a third was let in: %v", err)
			}
			_ = first.Close()
			_ = first.Close() // once is enough to give the place back
			dial()
			for _, conn := range []net.Conn{<-taken, second} {
				_ = conn.Close()
			}
			_ = ln.Close()
			<-ended
			if len(b.clients) != 0 || b.open != 0 || !strings.Contains(lines.String(), "refused=1") {
				t.Errorf("%d open, %v; %s", b.open, b.clients, lines.String())
			}
		})
	}
}
