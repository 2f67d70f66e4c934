package notify

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
	"github.com/snaprail/snaprail/runtime/spec"
)

// board keeps what was told.
type board []spec.Notice

func (b *board) Tell(_ context.Context, n spec.Notice) error { *b = append(*b, n); return nil }

func TestContract(t *testing.T) {
	var told board
	hostfnstest.Run(t, hostfnstest.Case{
		Group: New(), Notifier: &told,
		Calls: []hostfnstest.Call{
			{Function: "send", Request: abi.NotifySend{Severity: abi.SeverityCritical, Title: " hot ", Text: "93 Cel", Key: "pump1/hot"}},
			{Function: "send", Request: abi.NotifySend{Title: "cold"}},
			{Function: "send", Request: abi.NotifySend{}},
			{Function: "send", Request: abi.NotifySend{Title: "two\nlines"}},
			{Function: "send", Request: abi.NotifySend{Title: "x", Severity: 4}},
			{Function: "send", Request: abi.NotifySend{Title: strings.Repeat("x", 201)}},
			{Function: "send", Request: abi.NotifySend{Title: "x", Key: strings.Repeat("x", 257)}},
		},
		Log: `
==> notify.send(severity=3,title=" hot ",text="93 Cel",key="pump1/hot")
<== ok
==> notify.send(title="cold")
<== ok
==> notify.send()
<== error=invalid
==> notify.send(title="two\nlines")
<== error=invalid
==> notify.send(severity=4,title="x")
<== error=invalid
==> notify.send(title="xxxxxxxxxxxxxxxx... 201 bytes")
<== error=invalid
==> notify.send(title="x",key="xxxxxxxxxxxxxxxx... 257 bytes")
<== error=invalid
`,
	})
	if len(told) < 2 || told[0] != (spec.Notice{Severity: "critical", Title: "hot", Text: "93 Cel", Key: "pump1/hot"}) ||
		told[1] != (spec.Notice{Severity: "info", Title: "cold", Key: "cold"}) {
		t.Errorf("told %+v", told)
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told board
		s, err := New().Open(t.Context(), capability.Scope{Notifier: &told}, nil)
		if err != nil {
			t.Fatal(err)
		}
		send := func() error {
			_, err := s.Call(t.Context(), "send", abi.NotifySend{Title: "again"}.Append(nil), nil)
			return err
		}
		for range burst {
			if err := send(); err != nil {
				t.Fatal(err)
			}
		}
		err = send()
		if !fault.Is(err, fault.Exhausted) || fault.Of(err).RetryAfter != every {
			t.Fatalf("beyond the rate: %v", err)
		}
		pass(t)
		if err := send(); err != nil || send() == nil {
			t.Errorf("a while later: %v", err)
		}
	})
}

// pass lets the time go by that one more takes.
func pass(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), every)
	defer cancel()
	<-ctx.Done()
}

func TestConverterTellsNobody(t *testing.T) {
	s, err := New().Open(t.Context(), capability.Scope{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Call(t.Context(), "send", abi.NotifySend{Title: "x"}.Append(nil), nil); !fault.Is(err, fault.Unsupported) {
		t.Errorf("got %v", err)
	}
}
