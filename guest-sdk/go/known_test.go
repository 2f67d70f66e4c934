package snaprail_test

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// naming names the devices of each poll, which its cursor lists.
type naming struct {
	known snaprail.Known
	then  func(step *snaprail.Step) error
	full  []string
}

func (n *naming) Open(in *abi.OpenInput, _ *snaprail.Step) error {
	n.known.Open(in)
	return nil
}

func (n *naming) Poll(cursor []byte, step *snaprail.Step) error {
	for device := range strings.FieldsSeq(string(cursor)) {
		if !n.known.Name(step, "t", device) {
			n.full = append(n.full, device)
		}
	}
	if n.then != nil {
		return n.then(step)
	}
	return nil
}

func named(out *abi.Outcome) string {
	var ids []string
	for _, d := range out.Devices {
		ids = append(ids, d.ID)
	}
	return strings.Join(ids, " ")
}

// What was named in a step that the host refused, or that failed, is named again;
// what was named in one that it took is not.
func TestKnownForgetsWhatWasNotTaken(t *testing.T) {
	n := &naming{}
	h := guesttest.New(t, n)
	state := h.KV()
	in := guesttest.Opening("{}", abi.ReasonStart)
	in.Devices = []abi.Device{{ID: "old"}}
	if _, err := h.Open(in); err != nil {
		t.Fatal(err)
	}
	said := func(devices, want string) {
		t.Helper()
		if got := named(h.MustPoll([]byte(devices))); got != want {
			t.Errorf("of %q named %q, want %q", devices, got, want)
		}
	}
	said("old a a b", "a b")
	said("a b c", "c")
	before := maps.Clone(state)
	said("d e", "d e")
	clear(state) // the host refuses that step
	maps.Copy(state, before)
	said("c d", "d")
	said("c d e", "e")
	before = maps.Clone(state)
	n.then = func(*snaprail.Step) error { return errors.New("no") }
	if _, err := h.Poll([]byte("f")); err == nil {
		t.Fatal("the handler failed")
	}
	clear(state)
	maps.Copy(state, before)
	n.then = nil
	said("e f", "f")
	said("e f", "")
}

// What was emitted in the middle of a step stays, whatever becomes of the rest.
func TestKnownAndEmit(t *testing.T) {
	n := &naming{}
	h := guesttest.New(t, n)
	state := h.KV()
	emitted := h.Emits()
	if _, err := h.Open(guesttest.Opening("{}", abi.ReasonStart)); err != nil {
		t.Fatal(err)
	}
	var durable map[string][]byte
	n.then = func(step *snaprail.Step) error {
		if _, err := snaprail.Emit(step); err != nil {
			return err
		}
		durable = maps.Clone(state)
		n.known.Name(step, "t", "a")
		n.known.Name(step, "t", "b")
		return errors.New("no")
	}
	if _, err := h.Poll([]byte("a")); err == nil || len(*emitted) != 1 || named((*emitted)[0]) != "a" {
		t.Fatalf("%v, %v", err, *emitted)
	}
	n.then = nil
	clear(state)
	maps.Copy(state, durable)
	if got := named(h.MustPoll([]byte("a b"))); got != "b" {
		t.Errorf("named %q", got)
	}
}

func TestKnownIsBounded(t *testing.T) {
	n := &naming{}
	h := guesttest.New(t, n)
	h.KV()
	if _, err := h.Open(guesttest.Opening("{}", abi.ReasonStart)); err != nil {
		t.Fatal(err)
	}
	var devices []string
	for i := range snaprail.MaxKnown {
		if devices = append(devices, strconv.Itoa(i)); len(devices) == 250 {
			h.MustPoll([]byte(strings.Join(devices, " ")))
			devices = devices[:0]
		}
	}
	if got := named(h.MustPoll([]byte("0 x y x 9999"))); got != "" || strings.Join(n.full, " ") != "x" {
		t.Errorf("named %q, told %q", got, n.full)
	}
}

// Without state nothing is sure, and a device is named each time.
func TestKnownWithoutState(t *testing.T) {
	n := &naming{}
	h := guesttest.New(t, n)
	if _, err := h.Open(guesttest.Opening("{}", abi.ReasonStart)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := named(h.MustPoll([]byte("a b a"))); got != "a b" {
			t.Errorf("named %q", got)
		}
	}
}
