package guesttest_test

import (
	"errors"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
	"github.com/snaprail/snaprail/guest-sdk/go/hooks"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
)

// door answers each request with its own body.
type door struct{ paths hooks.Paths }

func (d *door) Open(*abi.OpenInput, *snaprail.Step) (err error) {
	d.paths, err = hooks.Open(abi.HookOpen{Paths: []string{"/echo"}, Reply: "guest"})
	return err
}

func (d *door) OnEvents(events []abi.Event, step *snaprail.Step) error {
	for i := range events {
		q, err := hooks.Read(events[i])
		if err != nil {
			return err
		}
		if len(q.Body) == 0 {
			step.Reject(i, "nothing to say")
			continue
		}
		if err := d.paths.Reply(q.ID, 200, q.Body, abi.Header{Name: "X-Kind", Value: []byte(hooks.Header(&q, "x-kind"))}); err != nil {
			return err
		}
	}
	return nil
}

func TestHooks(t *testing.T) {
	h := guesttest.New(t, &door{})
	k := h.Hooks()
	h.MustOpen("{}")
	if len(k.Opened()) != 1 || k.Opened()[0].Paths[0] != "/echo" {
		t.Errorf("%+v", k.Opened())
	}
	full, id := k.Event(abi.HookRequest{Path: "/echo", Body: []byte("hello"), Headers: []abi.Header{{Name: "X-Kind", Value: []byte("a")}}})
	empty, none := k.Event(abi.HookRequest{Path: "/echo"})
	out := h.MustEvents(full, empty)
	if r := k.Replies[id]; string(r.Body) != "hello" || r.Status != 200 || string(r.Headers[0].Value) != "a" {
		t.Errorf("%+v", r)
	}
	if _, said := k.Replies[none]; said || len(out.Verdicts) != 1 || out.Verdicts[0].Decision != abi.DecisionReject {
		t.Errorf("%+v, %+v", k.Replies, out.Verdicts)
	}
	k.Refuse(errors.New("no"))
	if _, err := h.Open(guesttest.Opening("{}", abi.ReasonStart)); err == nil {
		t.Error("opened")
	}
}
