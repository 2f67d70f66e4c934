package clock_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/hostfns/clock"
	"github.com/snaprail/snaprail/hostfns/hostfnstest"
	"github.com/snaprail/snaprail/runtime/capability"
	"github.com/snaprail/snaprail/runtime/fault"
)

func TestContract(t *testing.T) {
	hour := hostfnstest.Call{Function: "sleep", Request: abi.ClockSleep{NS: uint64(time.Hour)}}
	hostfnstest.Run(t, hostfnstest.Case{
		Group: clock.New(),
		Calls: []hostfnstest.Call{
			{Function: "now", Reply: &abi.ClockNow{}, Varies: []string{"unixNS", "monotonicNS"}},
			{Function: "sleep", Request: abi.ClockSleep{NS: 1000}},
			hour,
		},
		Log: `
==> clock.now()
<== unixNS=*,monotonicNS=*
==> clock.sleep(nS=1000)
<== ok
==> clock.sleep(nS=3600000000000)
<== error=timeout
`,
		Waits: &hour,
	})
}

func TestTimeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := clock.New().Open(t.Context(), capability.Scope{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		now := func() (n abi.ClockNow) {
			out, err := s.Call(t.Context(), "now", nil, nil)
			if err != nil || n.Decode(out) != nil {
				t.Fatal(err)
			}
			return n
		}
		before := now()
		if before.UnixNS != time.Now().UnixNano() {
			t.Errorf("unix time %d", before.UnixNS)
		}
		if _, err := s.Call(t.Context(), "sleep", abi.ClockSleep{NS: uint64(time.Minute)}.Append(nil), nil); err != nil {
			t.Fatal(err)
		}
		after := now()
		if after.UnixNS-before.UnixNS != int64(time.Minute) || after.MonotonicNS-before.MonotonicNS != int64(time.Minute) {
			t.Errorf("a minute later: %+v, before %+v", after, before)
		}
		// A sleep beyond the deadline is refused without waiting.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = s.Call(ctx, "sleep", abi.ClockSleep{NS: 1 << 63}.Append(nil), nil)
		if !fault.Is(err, fault.Timeout) || now() != after {
			t.Errorf("a sleep beyond the deadline: %v, at %+v", err, now())
		}
	})
}
