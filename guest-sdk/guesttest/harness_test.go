package guesttest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/kv"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// poller is a connector that does one thing.
type poller func(cursor []byte, step *snaprail.Step) error

func (p poller) Poll(cursor []byte, step *snaprail.Step) error { return p(cursor, step) }

func TestInputIsWipedAfterTheCall(t *testing.T) {
	var kept []byte
	h := guesttest.New(t, poller(func(cursor []byte, _ *snaprail.Step) error {
		kept = cursor
		return nil
	}))
	input := []byte("here")
	h.MustPoll(input)
	if string(kept) != strings.Repeat("\xaa", 4) {
		t.Errorf("the kept slice holds %q", kept)
	}
	if string(input) != "here" {
		t.Errorf("the test's own slice holds %q", input)
	}
}

func TestOutcomeMayReferToTheInput(t *testing.T) {
	h := guesttest.New(t, poller(func(cursor []byte, step *snaprail.Step) error {
		step.Payload("d", 1, "", cursor)
		return nil
	}))
	if out := h.MustPoll([]byte("here")); string(out.Batch.Records[0].Payload) != "here" {
		t.Errorf("payload is %q", out.Batch.Records[0].Payload)
	}
}

func TestUnscriptedFunctionIsDenied(t *testing.T) {
	h := guesttest.New(t, poller(func([]byte, *snaprail.Step) error { return kv.Put("k", nil) }))
	_, err := h.Poll(nil)
	if fault, ok := errors.AsType[*abi.Error](err); !ok || fault.Kind != abi.FaultDenied || !strings.Contains(fault.Text, "kv.put") {
		t.Errorf("poll answered %v, want kv.put denied", err)
	}
	if want := []string{"kv.put"}; !slices.Equal(h.Calls(), want) {
		t.Errorf("calls are %v, want %v", h.Calls(), want)
	}
}

func TestScriptAnswersTheGuest(t *testing.T) {
	h := guesttest.New(t, poller(func(_ []byte, step *snaprail.Step) error {
		value, found, err := kv.Get("k", []byte("<"))
		if !found {
			return errors.New("not found")
		}
		step.SetCursor(value)
		return err
	}))
	h.Host("kv", "get", func(request []byte) ([]byte, error) {
		var key abi.KVKey
		if err := key.Decode(request); err != nil {
			return nil, err
		}
		return abi.KVValue{Found: true, Value: []byte(key.Key + "!")}.Append(nil), nil
	})
	if out := h.MustPoll(nil); string(out.Cursor) != "<k!" {
		t.Errorf("cursor is %q", out.Cursor)
	}
}

func TestBatchThatAHostRefusesIsAnError(t *testing.T) {
	for name, build := range map[string]func(*snaprail.Step){
		"too many": func(step *snaprail.Step) {
			for range abi.MaxItems + 1 {
				step.Telemetry("d", 1)
			}
		},
		"a gap": func(step *snaprail.Step) { step.Record(abi.KindGap, "d", 1) },
	} {
		h := guesttest.New(t, poller(func(_ []byte, step *snaprail.Step) error {
			build(step)
			return nil
		}))
		if _, err := h.Poll(nil); err == nil {
			t.Errorf("%s: the harness took it", name)
		}
	}
}

func TestHarnessesInParallel(t *testing.T) {
	for range 8 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			h := guesttest.New(t, poller(func([]byte, *snaprail.Step) error { return kv.Put(t.Name(), []byte("v")) }))
			kept := h.KV()
			for range 200 {
				h.MustPoll(nil)
			}
			if len(kept) != 1 || string(kept[t.Name()]) != "v" {
				t.Errorf("kept %v", kept)
			}
		})
	}
}
