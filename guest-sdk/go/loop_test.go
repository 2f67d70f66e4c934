package snaprail_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/log"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// echoing emits the data of each event as the cursor, and logs between reading
// an event and using it.
func echoing(loop *snaprail.Loop) error {
	for loop.Receive(time.Second) {
		for _, event := range loop.Events() {
			log.Info(strings.Repeat("noise ", 100))
			loop.Step().SetCursor(event.Data)
			if _, err := loop.Emit(); err != nil {
				return err
			}
		}
	}
	loop.Step().SetCursor([]byte("end"))
	return loop.Err()
}

func cursors(outcomes []*abi.Outcome) (all []string) {
	for _, out := range outcomes {
		all = append(all, string(out.Cursor))
	}
	return all
}

func data(texts ...string) (events []abi.Event) {
	for _, text := range texts {
		events = append(events, abi.Event{Data: []byte(text)})
	}
	return events
}

func TestLoopEmitsUntilStopped(t *testing.T) {
	h := guesttest.New(t, &full{run: echoing})
	h.Log()
	out, err := h.Run(data("a", "b"), nil, data("c"))
	if want := []string{"a", "b", "c", "end"}; err != nil || !slices.Equal(cursors(out), want) {
		t.Errorf("emitted %q, %v, want %q", cursors(out), err, want)
	}
}

func TestLoopHandsOutWhatCameWithTheStop(t *testing.T) {
	h := guesttest.New(t, &full{run: echoing})
	last := append(data("a"), abi.Event{Type: abi.EventStop}, abi.Event{Data: []byte("after")})
	out, err := h.Run(last, data("never"))
	if want := []string{"a", "end"}; err != nil || !slices.Equal(cursors(out), want) {
		t.Errorf("emitted %q, %v, want %q", cursors(out), err, want)
	}
	if got := h.Calls(); got[len(got)-1] == "core.receive" {
		t.Errorf("received again after the stop: %v", got)
	}
}

func TestLoopTimeout(t *testing.T) {
	for given, want := range map[time.Duration]uint64{
		time.Second: 1000, time.Nanosecond: 1, 0: 0, -time.Second: 0, 1500 * time.Microsecond: 2,
	} {
		h := guesttest.New(t, &full{run: func(loop *snaprail.Loop) error {
			loop.Receive(given)
			return loop.Err()
		}})
		var asked abi.Receive
		h.Host(abi.CoreGroup, "receive", func(request []byte) ([]byte, error) {
			return nil, asked.Decode(request)
		})
		if _, err := h.Call(abi.EntryRun, nil); err != nil || asked.TimeoutMS != want {
			t.Errorf("%v became %d ms (%v), want %d", given, asked.TimeoutMS, err, want)
		}
	}
}

func TestLoopEndsWithTheHost(t *testing.T) {
	for kind, fails := range map[abi.FaultKind]bool{abi.FaultClosed: false, abi.FaultInternal: true} {
		h := guesttest.New(t, &full{run: echoing})
		h.Host(abi.CoreGroup, "receive", func([]byte) ([]byte, error) {
			return nil, &abi.Error{Kind: kind, Text: "over"}
		})
		_, err := h.Call(abi.EntryRun, nil)
		if (err != nil) != fails {
			t.Errorf("receive failed with kind %d, run with %v", kind, err)
		}
	}
}

func TestEmitKeepsTheStepThatTheHostRefused(t *testing.T) {
	refused := errors.New("refused once")
	var seen []string
	h := guesttest.New(t, &full{run: func(loop *snaprail.Loop) error {
		loop.Step().SetCursor([]byte("a"))
		if _, err := loop.Emit(); err == nil {
			return errors.New("the first emit passed")
		}
		first, err := loop.Emit()
		if err != nil {
			return err
		}
		second, err := loop.Emit() // asks for nothing
		if err != nil || first != 7 || second != 7 {
			return fmt.Errorf("sequences are %d and %d, %w", first, second, err)
		}
		return nil
	}})
	h.Host(abi.CoreGroup, "emit", func(request []byte) ([]byte, error) {
		var view abi.OutcomeView
		if err := view.Decode(request); err != nil {
			return nil, err
		}
		seen = append(seen, string(view.Cursor))
		if len(seen) == 1 {
			return nil, refused
		}
		return abi.Emitted{Sequence: 7}.Append(nil), nil
	})
	if _, err := h.Call(abi.EntryRun, nil); err != nil {
		t.Error(err)
	}
	if !slices.Equal(seen, []string{"a", "a"}) {
		t.Errorf("the host saw %q, want the step twice and then none", seen)
	}
}
